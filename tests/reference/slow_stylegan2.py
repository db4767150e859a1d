# SPDX-License-Identifier: Apache-2.0
"""StyleGAN2, slowly: straight from the equations, one image after the other, in float64, on official state
dicts.
"""

import math
from collections.abc import Mapping

import torch
from reference.slow_stylegan import activate, mapping, upfirdn
from torch import Tensor
from torch.nn import functional as F

__all__ = ["mapping", "synthesize"]

State = Mapping[str, Tensor]


def synthesize(state: State, codes: Tensor, noise: list[Tensor] | None = None) -> Tensor:
    """Codes (B, K, D) -> images (B, 3, H, W)."""
    state = {key: value.double() for key, value in state.items()}
    images = []
    for i, own in enumerate(codes.double()):
        maps = [m[min(i, len(m) - 1)].double() for m in noise] if noise else _fixed(state)
        images.append(_one(state, own, maps))
    return torch.stack(images)


def _fixed(state: State) -> list[Tensor]:
    return [state[f"noises.noise_{i}"][0] for i in range(sum(key.startswith("noises.") for key in state))]


def _one(state: State, codes: Tensor, noise: list[Tensor]) -> Tensor:
    x = _styled(state, "conv1", state["input.input"], codes[0], noise[0], up=False)
    image = _rgb(state, "to_rgb1", x, codes[1])
    for stage in range(len(codes) // 2 - 1):
        first = 2 * stage + 1
        x = _styled(state, f"convs.{2 * stage}", x, codes[first], noise[first], up=True)
        x = _styled(state, f"convs.{2 * stage + 1}", x, codes[first + 1], noise[first + 1], up=False)
        image = upfirdn(image, up=2, pad=(2, 1), gain=4) + _rgb(
            state, f"to_rgbs.{stage}", x, codes[first + 2]
        )
    return image[0]


def _style(state: State, prefix: str, code: Tensor) -> Tensor:
    return state[f"{prefix}.weight"] @ code / math.sqrt(len(code)) + state[f"{prefix}.bias"]


def _styled(state: State, prefix: str, x: Tensor, code: Tensor, noise: Tensor, *, up: bool) -> Tensor:
    weight = (
        state[f"{prefix}.conv.weight"][0] * _style(state, f"{prefix}.conv.modulation", code)[:, None, None]
    )
    weight = weight / math.sqrt(weight[0].numel())
    weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
    if up:
        # A transposed convolution: zeros between the pixels, then a correlation with the mirrored kernel.
        spread = torch.zeros(1, x.shape[1], 2 * x.shape[2] - 1, 2 * x.shape[3] - 1, dtype=x.dtype)
        spread[:, :, ::2, ::2] = x
        x = upfirdn(F.conv2d(spread, weight.flip(2, 3), padding=2), pad=(1, 1), gain=4)
    else:
        x = F.conv2d(x, weight, padding=1)
    return activate(
        x + state[f"{prefix}.noise.weight"] * noise + state[f"{prefix}.activate.bias"].view(-1, 1, 1)
    )


def _rgb(state: State, prefix: str, x: Tensor, code: Tensor) -> Tensor:
    weight = (
        state[f"{prefix}.conv.weight"][0] * _style(state, f"{prefix}.conv.modulation", code)[:, None, None]
    )
    return F.conv2d(x, weight / math.sqrt(weight.shape[1])) + state[f"{prefix}.bias"]
