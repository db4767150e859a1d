# SPDX-License-Identifier: Apache-2.0
"""Official StyleGAN2 state dicts of any size, keys and shapes written from their description."""

from collections.abc import Mapping
from typing import Any

import torch
from reference.parity import fill
from torch import Tensor

FILTER = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64


def generator_shapes(config: Mapping[str, Any], widths: Mapping[int, int]) -> dict[str, tuple[int, ...]]:
    """Without the resampling filters."""
    d = config["style_dim"]
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(prefix: str, inputs: int, outputs: int, side: int, index: int) -> None:
        shapes[f"{prefix}.conv.weight"] = (1, outputs, inputs, 3, 3)
        shapes[f"{prefix}.conv.modulation.weight"] = (inputs, d)
        shapes[f"{prefix}.conv.modulation.bias"] = (inputs,)
        shapes[f"{prefix}.noise.weight"] = (1,)
        shapes[f"{prefix}.activate.bias"] = (outputs,)
        shapes[f"noises.noise_{index}"] = (1, 1, side, side)

    def rgb(prefix: str, inputs: int) -> None:
        shapes[f"{prefix}.bias"] = (1, 3, 1, 1)
        shapes[f"{prefix}.conv.weight"] = (1, 3, inputs, 1, 1)
        shapes[f"{prefix}.conv.modulation.weight"] = (inputs, d)
        shapes[f"{prefix}.conv.modulation.bias"] = (inputs,)

    for i in range(1, config["n_mlp"] + 1):
        shapes |= {f"style.{i}.weight": (d, d), f"style.{i}.bias": (d,)}
    shapes["input.input"] = (1, widths[4], 4, 4)
    conv("conv1", widths[4], widths[4], 4, 0)
    rgb("to_rgb1", widths[4])
    side, stage = 8, 0
    while side <= config["size"]:
        conv(f"convs.{2 * stage}", widths[side // 2], widths[side], side, 2 * stage + 1)
        conv(f"convs.{2 * stage + 1}", widths[side], widths[side], side, 2 * stage + 2)
        rgb(f"to_rgbs.{stage}", widths[side])
        side, stage = 2 * side, stage + 1
    return shapes


def generator_state(config: Mapping[str, Any], widths: Mapping[int, int], salt: int = 1) -> dict[str, Tensor]:
    state = fill(generator_shapes(config, widths), salt)
    for stage in range(config["size"].bit_length() - 3):
        state[f"convs.{2 * stage}.conv.blur.kernel"] = 4 * FILTER
        state[f"to_rgbs.{stage}.upsample.kernel"] = 4 * FILTER
    return state


def discriminator_state(size: int, widths: Mapping[int, int], salt: int = 1) -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {
        "convs.0.0.weight": (widths[size], 3, 1, 1),
        "convs.0.1.bias": (widths[size],),
    }
    side, i = size, 1
    while side > 4:
        own, half = widths[side], widths[side // 2]
        shapes |= {f"convs.{i}.conv1.0.weight": (own, own, 3, 3), f"convs.{i}.conv1.1.bias": (own,)}
        shapes |= {f"convs.{i}.conv2.1.weight": (half, own, 3, 3), f"convs.{i}.conv2.2.bias": (half,)}
        shapes[f"convs.{i}.skip.1.weight"] = (half, own, 1, 1)
        side, i = side // 2, i + 1
    last = widths[4]
    shapes |= {"final_conv.0.weight": (last, last + 1, 3, 3), "final_conv.1.bias": (last,)}
    shapes |= {"final_linear.0.weight": (last, 16 * last), "final_linear.0.bias": (last,)}
    shapes |= {"final_linear.1.weight": (1, last), "final_linear.1.bias": (1,)}
    state = fill(shapes, salt)
    for k in range(1, i):
        state |= {f"convs.{k}.conv2.0.kernel": FILTER, f"convs.{k}.skip.0.kernel": FILTER}
    return state
