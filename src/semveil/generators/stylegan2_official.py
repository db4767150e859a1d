# SPDX-License-Identifier: Apache-2.0
"""Readers for StyleGAN2 files in the common converted layout.

This is the layout of github.com/rosinality/stylegan2-pytorch, also inside pSp checkpoints.
"""

import re
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint, read_checkpoint
from semveil.generators.discriminators import Discriminator
from semveil.generators.official_state import (
    OfficialChannels,
    Slot,
    Source,
    branch_slots,
    fill,
    filter_slot,
    judgement_slots,
    linear_slots,
    mapping_slots,
    without_drawing,
)
from semveil.generators.stylegan2 import StyleGAN2, StyleGAN2Config

MEAN_SAMPLES = 4096  # as in the public code, for files without the mean
_PREFIX = "decoder."


def load_stylegan2(source: Source, config: Mapping[str, Any] | None = None) -> StyleGAN2:
    """Load the generator of a converted, training or pSp checkpoint.

    Examples are `stylegan2-ffhq-config-f.pt` and `psp_ffhq_encode.pt`.

    Args:
        source: path of a checkpoint, its content, or a bare state dict.
        config: `size`, `style_dim` (or `latent`), `n_mlp`, `channel_multiplier` that the file must have.
            Missing settings follow from the shapes of the weights; settings that only concern training are
            ignored.

    Raises:
        BadCheckpoint: the file is missing, damaged or requires code execution; a key is missing, unknown,
            mis-shaped or not finite; or the settings belong to another network.
    """
    state, mean, name = _open_generator(source)
    model = without_drawing(StyleGAN2, _config(state, config or {}, name))
    fill(_slots(model), state, name)
    model.eval()
    with torch.no_grad():
        model.mean_style.copy_(_estimated_mean(model) if mean is None else _checked_mean(mean, model, name))
    return model


def load_stylegan2_discriminator(source: Source, config: Mapping[str, Any] | None = None) -> Discriminator:
    """Load the discriminator of a training checkpoint (key `d`), or of its state dict.

    Args:
        source: as for `load_stylegan2`.
        config: `size`, `channel_multiplier`; missing settings follow from the shapes of the weights.

    Raises:
        BadCheckpoint: as for `load_stylegan2`.
    """
    content, name = _content(source)
    state = content.get("d", content)
    if not isinstance(state, Mapping) or "g_ema" in state:
        raise BadCheckpoint(f"{name} holds no discriminator under 'd'")
    settings = config or {}
    size = _integer(settings, "size", 4 << _count(state, r"convs\.(\d+)\.conv1\.0\.weight"), name)
    if size < 8 or size & (size - 1):
        raise BadCheckpoint(f"the settings of {name} describe no discriminator: its size would be {size}")
    rule = OfficialChannels(settings.get("channel_multiplier", 2))
    found = {4: _length(state, "final_conv.0.weight", 0)}
    for i in range(size.bit_length() - 3):
        found[size >> i] = _length(state, f"convs.{i + 1}.conv1.0.weight", 0)
    known = {side: width or rule(side) for side, width in found.items()}
    channels = rule if "channel_multiplier" in settings else lambda side: known[side]
    model = without_drawing(Discriminator, size, channels=channels)
    fill(_discriminator_slots(model), state, name)
    return model.eval()


def _content(source: Source) -> tuple[Mapping[str, Any], str]:
    if isinstance(source, Mapping):
        return source, "state dict"
    return read_checkpoint(source, allow=[Namespace]), Path(source).name


def _open_generator(source: Source) -> tuple[Mapping[str, Any], Tensor | None, str]:
    """State dict, mean of w if the file contains it, and name of the source for error messages."""
    content, name = _content(source)
    state = content.get("g_ema", content.get("state_dict", content))
    if not isinstance(state, Mapping) or (state is content and "d" in content):
        raise BadCheckpoint(f"{name} is no StyleGAN2 checkpoint: it holds no weights under 'g_ema'")
    mean = content.get("latent_avg")
    if any(key.startswith(_PREFIX) for key in state):
        state = {key.removeprefix(_PREFIX): value for key, value in state.items() if key.startswith(_PREFIX)}
    elif state is content:
        state = {key: value for key, value in content.items() if key != "latent_avg"}
    return state, mean, name


def _config(state: Mapping[str, Any], settings: Mapping[str, Any], name: str) -> StyleGAN2Config:
    """Sizes from the settings, else from the weights, else (if a key is missing) from the published model."""
    size = _integer(settings, "size", 4 << (_count(state, r"to_rgbs\.(\d+)\.bias") or 8), name)
    dim = _integer(settings, "latent", _length(state, "style.1.weight", 0) or 512, name)
    dim = _integer(settings, "style_dim", dim, name)
    layers = _integer(settings, "n_mlp", _count(state, r"style\.(\d+)\.weight") or 8, name)
    rule = OfficialChannels(settings.get("channel_multiplier", 2))
    try:
        config = StyleGAN2Config(size=size, style_dim=dim, mapping_layers=layers)
        keys = ["input.input", *(f"convs.{2 * i}.conv.weight" for i in range(len(config.sides) - 1))]
        found = [_length(state, key, 1) for key in keys]
        stated = "channel_multiplier" in settings
        widths = tuple(
            rule(side) if stated else width or rule(side)
            for side, width in zip(config.sides, found, strict=True)
        )
        return StyleGAN2Config(size=size, style_dim=dim, mapping_layers=layers, widths=widths)
    except ValueError as error:
        raise BadCheckpoint(f"the settings of {name} describe no generator: {error}") from error


def _integer(settings: Mapping[str, Any], key: str, default: int, name: str) -> int:
    value = settings.get(key, default)
    if not isinstance(value, int) or not 0 < value <= 1 << 16:
        raise BadCheckpoint(
            f"the settings of {name} describe no network: {key} must be a positive integer, got {value!r}"
        )
    return value


def _count(state: Mapping[str, Any], pattern: str) -> int:
    """Number of keys that match a pattern."""
    return sum(re.fullmatch(pattern, key) is not None for key in state)


def _length(state: Mapping[str, Any], key: str, axis: int) -> int | None:
    value = state.get(key)
    return value.shape[axis] if isinstance(value, Tensor) and value.ndim > axis else None


def _checked_mean(mean: Any, model: StyleGAN2, name: str) -> Tensor:
    """Validated mean of w (D,), averaged over codes if it is pSp's (K, D)."""
    dim = model.config.style_dim
    if (
        not isinstance(mean, Tensor)
        or mean.ndim not in (1, 2)
        or mean.shape[-1] != dim
        or not mean.isfinite().all()
    ):
        shape = tuple(mean.shape) if isinstance(mean, Tensor) else type(mean).__name__
        raise BadCheckpoint(
            f"latent_avg of {name} must be finite and ({dim},) or (codes, {dim}), got {shape}"
        )
    return mean.reshape(-1, dim).mean(0)


def _estimated_mean(model: StyleGAN2) -> Tensor:
    z = torch.randn(MEAN_SAMPLES, model.config.style_dim, generator=torch.Generator().manual_seed(0))
    return model.map(z.to(model.mean_style)).mean(0)


def _slots(model: StyleGAN2) -> Iterator[Slot]:
    yield from mapping_slots(model.mapping)
    yield Slot("input.input", model.constant, model.constant.shape)
    yield from _conv_slots("conv1", model.first_conv)
    yield from _rgb_slots("to_rgb1", model.first_rgb)
    for stage, (up, conv, to_rgb) in enumerate(zip(model.up_convs, model.convs, model.to_rgbs, strict=True)):
        yield from _conv_slots(f"convs.{2 * stage}", up)
        yield filter_slot(f"convs.{2 * stage}.conv.blur.kernel", 4.0)
        yield from _conv_slots(f"convs.{2 * stage + 1}", conv)
        yield from _rgb_slots(f"to_rgbs.{stage}", to_rgb)
        yield filter_slot(f"to_rgbs.{stage}.upsample.kernel", 4.0)
    for i, noise in enumerate(model.noise):
        yield Slot(f"noises.noise_{i}", noise, noise.shape)


def _conv_slots(prefix: str, layer: Any) -> Iterator[Slot]:
    yield Slot(f"{prefix}.conv.weight", layer.weight, (1, *layer.weight.shape))
    yield from linear_slots(f"{prefix}.conv.modulation", layer.modulation)
    yield Slot(f"{prefix}.noise.weight", layer.noise_strength, (1,))
    yield Slot(f"{prefix}.activate.bias", layer.bias, layer.bias.shape)


def _rgb_slots(prefix: str, layer: Any) -> Iterator[Slot]:
    yield Slot(f"{prefix}.conv.weight", layer.weight, (1, *layer.weight.shape, 1, 1))
    yield from linear_slots(f"{prefix}.conv.modulation", layer.modulation)
    yield Slot(f"{prefix}.bias", layer.bias, (1, 3, 1, 1))


def _discriminator_slots(model: Discriminator) -> Iterator[Slot]:
    yield from branch_slots("convs", model.images)
    yield from judgement_slots(model)
