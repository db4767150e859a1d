# SPDX-License-Identifier: Apache-2.0
"""Readers for files of the public SemanticStyleGAN implementation (github.com/seasonSH/SemanticStyleGAN)."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint, read_checkpoint
from semveil.faces.parts import PARTS
from semveil.generators.discriminators import DualBranchDiscriminator
from semveil.generators.official_state import (
    OfficialChannels,
    Slot,
    Source,
    branch_slots,
    fill,
    filter_slot,
    judgement_slots,
    mapping_slots,
    without_drawing,
)
from semveil.generators.semantic_config import SemanticStyleGANConfig
from semveil.generators.semantic_stylegan import SemanticStyleGAN

# Settings of the published model: defaults for values missing from a file's `args` and the caller's settings.
_SETTINGS: dict[str, Any] = {
    "size": 512, "latent": 512, "n_mlp": 8, "channel_multiplier": 2, "seg_dim": len(PARTS),
    "local_layers": 10, "base_layers": 2, "depth_layers": 6, "local_channel": 64, "coarse_channel": 512,
    "coarse_size": 64, "min_feat_size": 16, "residual_refine": True, "transparent_dims": (10, 12),
}  # fmt: skip


def load_semantic_stylegan(source: Source, config: Mapping[str, Any] | None = None) -> SemanticStyleGAN:
    """Load the generator of an official checkpoint.

    Args:
        source: path of a checkpoint that contains `g_ema` and `args`, its content, or a bare state dict.
        config: settings under the official names (`size`, `latent`, `n_mlp`, ...), which override the file's
            `args`. Settings in neither have the value of the published 512 px model; settings that only
            concern training are ignored.

    Raises:
        BadCheckpoint: the file is missing, damaged or requires code execution; a key is missing, unknown,
            mis-shaped or not finite; or the settings belong to another kind of network.
    """
    state, settings, name = _open(source, "g_ema", config)
    model = without_drawing(SemanticStyleGAN, _generator_config(settings, name))
    fill(_generator_slots(model), state, name)
    return model.eval()


def load_discriminator(source: Source, config: Mapping[str, Any] | None = None) -> DualBranchDiscriminator:
    """Load the dual-branch discriminator of an official training checkpoint (key `d`), or of its state dict.

    Args:
        source: as for `load_semantic_stylegan`.
        config: `img_size`, `seg_size` (default: the file's `size`), `channel_multiplier`, `seg_dim`.

    Raises:
        BadCheckpoint: as for `load_semantic_stylegan`.
    """
    state, settings, name = _open(source, "d", config)
    _require_parts(settings, name)
    size = settings.get("img_size", settings["size"])
    channels = OfficialChannels(settings["channel_multiplier"])
    model = without_drawing(
        DualBranchDiscriminator, size, mask_size=settings.get("seg_size", size), channels=channels
    )
    fill(_discriminator_slots(model), state, name)
    return model.eval()


def _open(
    source: Source, key: str, config: Mapping[str, Any] | None
) -> tuple[Mapping[str, Any], dict[str, Any], str]:
    """State dict, settings, and name of the source for error messages."""
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
        raise BadCheckpoint(
            f"{name} has seg_dim {settings['seg_dim']!r}; only models of {len(PARTS)} face parts can be used"
        )


def _generator_config(settings: Mapping[str, Any], name: str) -> SemanticStyleGANConfig:
    _require_parts(settings, name)
    channels = OfficialChannels(settings["channel_multiplier"])
    same = (
        "size",
        "base_layers",
        "depth_layers",
        "local_layers",
        "local_channel",
        "coarse_channel",
        "coarse_size",
    )
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
        return (
            config
            if widths == tuple(map(config.channels, config.sides))
            else replace(config, render_channels=widths)
        )
    except (TypeError, ValueError, ArithmeticError) as error:
        raise BadCheckpoint(f"the settings of {name} describe no generator: {error}") from error


def _generator_slots(model: SemanticStyleGAN) -> Iterator[Slot]:
    yield from mapping_slots(model.mapping)
    yield Slot("pos_embed.weights", model.position_weight, (*model.position_weight.shape, 1, 1))
    yield from _local_slots(model)
    render: Any = model.render_net
    for stage, side in enumerate(render.sides):
        pair = ((render.up_convs[stage], "a"), (render.convs[stage], "b"))
        for index, (conv, letter) in enumerate(pair, 2 * stage):
            prefix = f"render_net.convs.{index}"
            yield Slot(f"{prefix}.weight", conv.weight, conv.weight.shape)
            yield Slot(f"{prefix}.modulation", conv.modulation, (1, len(conv.modulation), 1, 1))
            yield Slot(f"{prefix}.noise.weight", conv.noise_strength, (1,))
            yield Slot(f"{prefix}.activate.bias", conv.bias, conv.bias.shape)
            yield Slot(
                f"render_net.noises.noise_{index}",
                render.get_buffer(f"noise_{letter}_{side}"),
                (1, 1, side, side),
            )
        yield filter_slot(f"render_net.convs.{2 * stage}.blur.kernel", 4.0)
        for kind, projections in (("to_rgbs", render.to_rgbs), ("to_segs", render.to_masks)):
            own = projections[stage]
            yield from _projection_slots(f"render_net.{kind}.{stage}", own.weight, own.modulation, own.bias)


def _local_slots(model: SemanticStyleGAN) -> Iterator[Slot]:
    local = model.local_generators
    width = model.config.local_channel
    for part in range(len(PARTS)):
        prefix = f"local_nets.{part}"
        for layer in range(model.config.local_layers):
            linear = f"{prefix}.linears.{layer}"
            modulation = local.modulation_weight[layer, part]
            yield Slot(f"{linear}.conv.weight", local.weight[layer, part], (1, width, width, 1, 1))
            yield Slot(f"{linear}.conv.modulation.weight", modulation, modulation.shape)
            yield Slot(f"{linear}.conv.modulation.bias", local.modulation_bias[layer, part], (width,))
            yield Slot(f"{linear}.activate.bias", local.bias[layer, part], (width,))
        yield from _projection_slots(
            f"{prefix}.to_feat",
            local.feature_weight[part],
            local.feature_modulation[part],
            local.feature_bias[part],
        )
        if part:  # the background has no depth
            only = slice(part - 1, part)
            yield from _projection_slots(
                f"{prefix}.to_depth",
                local.depth_weight[only],
                local.depth_modulation[part - 1],
                local.depth_bias[only],
            )


def _projection_slots(prefix: str, weight: Tensor, modulation: Tensor, bias: Tensor) -> Iterator[Slot]:
    yield Slot(f"{prefix}.bias", bias, (1, len(bias), 1, 1))
    yield Slot(f"{prefix}.conv.weight", weight, (*weight.shape, 1, 1))
    yield Slot(f"{prefix}.conv.modulation", modulation, (1, len(modulation), 1, 1))
    yield filter_slot(f"{prefix}.upsample.kernel", 4.0)


def _discriminator_slots(model: DualBranchDiscriminator) -> Iterator[Slot]:
    yield from branch_slots("convs_img", model.images)
    yield from branch_slots("convs_seg", model.masks)
    yield from judgement_slots(model)
