"""Read networks from files of the public SemanticStyleGAN implementation (github.com/seasonSH/SemanticStyleGAN)."""

from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint, read_checkpoint
from semveil.core.parts import PARTS
from semveil.generators.discriminators import Branch, DualBranchDiscriminator
from semveil.generators.semantic_config import SemanticStyleGANConfig
from semveil.generators.semantic_stylegan import SemanticStyleGAN

Source = str | Path | Mapping[str, Any]

# The published model's settings; they hold where a file's `args` or the caller's settings are silent.
_SETTINGS: dict[str, Any] = {
    "size": 512, "latent": 512, "n_mlp": 8, "channel_multiplier": 2, "seg_dim": len(PARTS), "local_layers": 10,
    "base_layers": 2, "depth_layers": 6, "local_channel": 64, "coarse_channel": 512, "coarse_size": 64,
    "min_feat_size": 16, "residual_refine": True, "transparent_dims": (10, 12),
}  # fmt: skip


def load_semantic_stylegan(source: Source, config: Mapping[str, Any] | None = None) -> SemanticStyleGAN:
    """The generator of an official checkpoint.

    Args:
        source: path of a checkpoint that holds `g_ema` and `args`, or what was read from one, or its bare state dict.
        config: settings under the official names (`size`, `latent`, `n_mlp`, ...); they override the file's `args`. What
            neither names has the value of the published 512 px model; settings that only concern training are ignored.

    Raises:
        BadCheckpoint: there is no such file, it is damaged or asks for code to be run; a key is missing, unknown,
            mis-shaped or not finite; or the settings are of another kind of network.
    """
    state, settings, name = _open(source, "g_ema", config)
    model = _without_drawing(SemanticStyleGAN, _generator_config(settings, name))
    _fill(_generator_slots(model), state, name)
    return model.eval()


def load_discriminator(source: Source, config: Mapping[str, Any] | None = None) -> DualBranchDiscriminator:
    """The dual-branch discriminator of an official training checkpoint (key `d`), or of its state dict.

    Args:
        source: as for `load_semantic_stylegan`.
        config: `img_size`, `seg_size` (default: the file's `size`), `channel_multiplier`, `seg_dim`.

    Raises:
        BadCheckpoint: as for `load_semantic_stylegan`.
    """
    state, settings, name = _open(source, "d", config)
    _require_parts(settings, name)
    size = settings.get("img_size", settings["size"])
    channels = _official_channels(settings["channel_multiplier"])
    model = _without_drawing(DualBranchDiscriminator, size, mask_size=settings.get("seg_size", size), channels=channels)
    _fill(_discriminator_slots(model), state, name)
    return model.eval()


def _open(source: Source, key: str, config: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], dict[str, Any], str]:
    """State dict, settings, and what to call the source in an error."""
    if isinstance(source, Mapping):
        content, name = source, "state dict"
    else:
        content, name = read_checkpoint(source, allow=[Namespace]), Path(source).name
    state = content.get(key, content)
    args = content.get("args")
    if not isinstance(state, Mapping) or (state is content and {"g_ema", "d", "args"} & content.keys()):
        raise BadCheckpoint(f"{name} is no official checkpoint: it holds no weights under {key!r}")
    return state, {**_SETTINGS, **(vars(args) if isinstance(args, Namespace) else {}), **(config or {})}, name


def _require_parts(settings: Mapping[str, Any], name: str) -> None:
    if settings["seg_dim"] != len(PARTS):
        raise BadCheckpoint(f"{name} has seg_dim {settings['seg_dim']!r}; only models of {len(PARTS)} face parts can be used")


def _official_channels(multiplier: Any) -> "_Channels":
    if not isinstance(multiplier, int | float) or not 0 < multiplier <= 16:
        raise BadCheckpoint(f"channel_multiplier must be a number in (0, 16], got {multiplier!r}")
    return _Channels(multiplier)


@dataclass(frozen=True)
class _Channels:
    """The official widths: 512 up to 32 px, then 256 * multiplier at 64 px and half as many at each doubling."""

    multiplier: float

    def __call__(self, side: int) -> int:
        return 512 if side <= 32 else int(256 * self.multiplier) * 64 // side


def _generator_config(settings: Mapping[str, Any], name: str) -> SemanticStyleGANConfig:
    _require_parts(settings, name)
    channels = _official_channels(settings["channel_multiplier"])
    same = ("size", "base_layers", "depth_layers", "local_layers", "local_channel", "coarse_channel", "coarse_size")
    try:
        integers: dict[str, Any] = {key: int(settings[key]) for key in same}
        config = SemanticStyleGANConfig(
            **integers,
            style_dim=int(settings["latent"]),
            mapping_layers=int(settings["n_mlp"]),
            channel_multiplier=settings["channel_multiplier"],
            min_feat_size=int(settings["min_feat_size"]),
            residual_refine=bool(settings["residual_refine"]),
            transparent_parts=tuple(int(i) for i in settings["transparent_dims"] or ()),
        )
        widths = tuple(channels(side) for side in config.sides)
        return config if widths == tuple(map(config.channels, config.sides)) else replace(config, render_channels=widths)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise BadCheckpoint(f"the settings of {name} describe no generator: {error}") from error


def _without_drawing(build: Any, *args: Any, **kwargs: Any) -> Any:
    """Construct a network whose initial values will be overwritten, leaving torch's global random stream as it was."""
    with torch.random.fork_rng(devices=[]):
        return build(*args, **kwargs)


@dataclass(frozen=True)
class _Slot:
    """One official key: where its values go (a view of our weights; None for a resampling filter), and its shape there."""

    key: str
    target: Tensor | None
    shape: tuple[int, ...]
    gain: float = 1.0


def _filter(key: str, gain: float) -> _Slot:
    return _Slot(key, None, (4, 4), gain)


def _generator_slots(model: SemanticStyleGAN) -> Iterator[_Slot]:
    layers: Iterable[Any] = model.mapping
    for i, layer in enumerate(layers, 1):
        yield _Slot(f"style.{i}.weight", layer.weight, layer.weight.shape)
        yield _Slot(f"style.{i}.bias", layer.bias, layer.bias.shape)
    yield _Slot("pos_embed.weights", model.position_weight, (*model.position_weight.shape, 1, 1))
    yield from _local_slots(model)
    render: Any = model.render_net
    for stage, side in enumerate(render.sides):
        pair = ((render.up_convs[stage], "a"), (render.convs[stage], "b"))
        for index, (conv, letter) in enumerate(pair, 2 * stage):
            prefix = f"render_net.convs.{index}"
            yield _Slot(f"{prefix}.weight", conv.weight, conv.weight.shape)
            yield _Slot(f"{prefix}.modulation", conv.modulation, (1, len(conv.modulation), 1, 1))
            yield _Slot(f"{prefix}.noise.weight", conv.noise_strength, (1,))
            yield _Slot(f"{prefix}.activate.bias", conv.bias, conv.bias.shape)
            yield _Slot(f"render_net.noises.noise_{index}", render.get_buffer(f"noise_{letter}_{side}"), (1, 1, side, side))
        yield _filter(f"render_net.convs.{2 * stage}.blur.kernel", 4.0)
        for kind, projections in (("to_rgbs", render.to_rgbs), ("to_segs", render.to_masks)):
            own = projections[stage]
            yield from _projection_slots(f"render_net.{kind}.{stage}", own.weight, own.modulation, own.bias)


def _local_slots(model: SemanticStyleGAN) -> Iterator[_Slot]:
    local = model.local_generators
    width = model.config.local_channel
    for part in range(len(PARTS)):
        prefix = f"local_nets.{part}"
        for layer in range(model.config.local_layers):
            linear = f"{prefix}.linears.{layer}"
            modulation = local.modulation_weight[layer, part]
            yield _Slot(f"{linear}.conv.weight", local.weight[layer, part], (1, width, width, 1, 1))
            yield _Slot(f"{linear}.conv.modulation.weight", modulation, modulation.shape)
            yield _Slot(f"{linear}.conv.modulation.bias", local.modulation_bias[layer, part], (width,))
            yield _Slot(f"{linear}.activate.bias", local.bias[layer, part], (width,))
        yield from _projection_slots(
            f"{prefix}.to_feat", local.feature_weight[part], local.feature_modulation[part], local.feature_bias[part]
        )
        if part:  # the background has no depth
            only = slice(part - 1, part)
            yield from _projection_slots(
                f"{prefix}.to_depth", local.depth_weight[only], local.depth_modulation[part - 1], local.depth_bias[only]
            )


def _projection_slots(prefix: str, weight: Tensor, modulation: Tensor, bias: Tensor) -> Iterator[_Slot]:
    yield _Slot(f"{prefix}.bias", bias, (1, len(bias), 1, 1))
    yield _Slot(f"{prefix}.conv.weight", weight, (*weight.shape, 1, 1))
    yield _Slot(f"{prefix}.conv.modulation", modulation, (1, len(modulation), 1, 1))
    yield _filter(f"{prefix}.upsample.kernel", 4.0)


def _discriminator_slots(model: DualBranchDiscriminator) -> Iterator[_Slot]:
    yield from _branch_slots("convs_img", model.images)
    yield from _branch_slots("convs_seg", model.masks)
    linears: tuple[tuple[str, Any], ...] = (("final_linear.0", model.hidden), ("final_linear.1", model.score))
    for key, layer in linears:
        yield _Slot(f"{key}.weight", layer.weight, layer.weight.shape)
        yield _Slot(f"{key}.bias", layer.bias, layer.bias.shape)
    yield _Slot("final_conv.0.weight", model.final_conv.weight, model.final_conv.weight.shape)
    yield _Slot("final_conv.1.bias", model.final_conv.bias, model.final_conv.weight.shape[:1])


def _branch_slots(prefix: str, branch: Branch) -> Iterator[_Slot]:
    yield _Slot(f"{prefix}.0.0.weight", branch.first.weight, branch.first.weight.shape)
    yield _Slot(f"{prefix}.0.1.bias", branch.first.bias, branch.first.weight.shape[:1])
    blocks: Iterable[Any] = branch.blocks
    for i, block in enumerate(blocks, 1):
        for key, conv, place in (("conv1", block.conv1, 0), ("conv2", block.conv2, 1), ("skip", block.skip, 1)):
            yield _Slot(f"{prefix}.{i}.{key}.{place}.weight", conv.weight, conv.weight.shape)
            if conv.bias is not None:
                yield _Slot(f"{prefix}.{i}.{key}.{place + 1}.bias", conv.bias, conv.bias.shape)
        yield _filter(f"{prefix}.{i}.conv2.0.kernel", 1.0)
        yield _filter(f"{prefix}.{i}.skip.0.kernel", 1.0)


@torch.no_grad()
def _fill(slots: Iterator[_Slot], state: Mapping[str, Any], name: str) -> None:
    """Copy every key into its place; filters may be absent, but must be the expected ones."""
    expected = {slot.key: slot for slot in slots}
    problems = [f"missing {key}" for key, slot in expected.items() if key not in state and slot.target is not None]
    problems += [f"unknown {key}" for key in state if key not in expected]
    for key, slot in expected.items():
        value = state.get(key)
        if isinstance(value, Tensor) and value.is_floating_point():
            if tuple(value.shape) != tuple(slot.shape):
                problems.append(f"{key} is {tuple(value.shape)}, expected {tuple(slot.shape)}")
            elif not value.isfinite().all():
                problems.append(f"{key} holds NaN or infinite values")
        elif key in state:
            problems.append(f"{key} is a {type(value).__name__}, expected floating-point weights")
    if not problems:
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        for key, slot in expected.items():
            if slot.target is not None:
                slot.target.copy_(state[key].reshape(slot.target.shape))
            elif key in state and not torch.allclose(state[key], (torch.outer(taps, taps) * slot.gain).to(state[key])):
                problems.append(f"{key} is another filter than [1, 3, 3, 1]")
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise BadCheckpoint(f"{name} is not what its settings say: {'; '.join(problems[:3])}{more}")
