# SPDX-License-Identifier: Apache-2.0
"""The attribute encoder and the fusion generator straight from their equations, in float64, on state dicts;
any sizes.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


def encode(state: State, image: Tensor) -> list[Tensor]:
    """Attribute maps, coarse to fine, of photos in [0, 1]."""
    state, x = _double(state), image.double()
    depth = _count(state, "Encoder.layer_{}.0.weight")
    down = []
    for i in range(depth):
        x = F.conv2d(
            F.pad(x, (1, 1, 1, 1)),
            state[f"Encoder.layer_{i}.0.weight"],
            state[f"Encoder.layer_{i}.0.bias"],
            stride=2,
        )
        x = _leaky(_normal(state, f"Encoder.layer_{i}.1", x))
        down.append(x)
    maps = [down.pop()]
    for i in range(depth - 1):
        x = _transposed(maps[-1], state[f"Decoder.layer_{i}.0.weight"]) + _column(
            state[f"Decoder.layer_{i}.0.bias"]
        )
        maps.append(torch.cat([_leaky(_normal(state, f"Decoder.layer_{i}.1", x)), down.pop()], 1))
    return [*maps, enlarge(maps[-1])]


def fuse(state: State, identity: Tensor, maps: list[Tensor]) -> Tensor:
    """Faces in [0, 1] from identity vectors and attribute maps."""
    state, identity = _double(state), identity.double()
    x = torch.einsum("bi,iohw->bohw", identity, state["convt.weight"]) + _column(state["convt.bias"])
    for i, attributes in enumerate(maps):
        x = enlarge(x) if i else x
        step = f"model.layer_{i}"
        y = x
        for j in ("1", "2"):
            y = _conv(
                state, f"{step}.conv{j}", blend(state, f"{step}.add{j}", y, attributes, identity).clamp(min=0)
            )
        if f"{step}.conv3.weight" in state:
            x = _conv(
                state, f"{step}.conv3", blend(state, f"{step}.add3", x, attributes, identity).clamp(min=0)
            )
        x = x + y
    return 1 / (1 + (-x).exp())


def blend(state: State, at: str, x: Tensor, attributes: Tensor, identity: Tensor) -> Tensor:
    """Adaptive attentional denormalisation: FaceShifter, Eqs. 2-5."""
    normal = _normal(state, f"{at}.BNorm", x)
    gamma, beta = (
        _column(identity @ state[f"{at}.{fc}.weight"].T + state[f"{at}.{fc}.bias"]) for fc in ("fc_1", "fc_2")
    )
    mask = 1 / (1 + (-_conv(state, f"{at}.conv_f", normal)).exp())
    attribute_part = _conv(state, f"{at}.conv1", attributes.double()) * normal + _conv(
        state, f"{at}.conv2", attributes.double()
    )
    return (1 - mask) * attribute_part + mask * (gamma * normal + beta)


def enlarge(x: Tensor) -> Tensor:
    """Twice the side, linear between pixel centres, first and last pixel kept."""
    side = x.shape[-1]
    at = torch.linspace(0, side - 1, 2 * side, dtype=torch.float64)
    weights = (1 - (at[:, None] - torch.arange(side)).abs()).clamp(min=0)
    return torch.einsum("ih,jw,bchw->bcij", weights, weights, x)


def _transposed(x: Tensor, weight: Tensor) -> Tensor:
    """Each pixel lays its 4x4 stamp on a plane of twice the side, one pixel wider on each side, which is cut
    off.
    """
    batch, _, height, width = x.shape
    plane = x.new_zeros(batch, weight.shape[1], 2 * height + 2, 2 * width + 2)
    for row in range(height):
        for column in range(width):
            stamp = torch.einsum("bi,iohw->bohw", x[:, :, row, column], weight)
            plane[:, :, 2 * row : 2 * row + 4, 2 * column : 2 * column + 4] += stamp
    return plane[:, :, 1:-1, 1:-1]


def _normal(state: State, at: str, x: Tensor) -> Tensor:
    standard = (x - _column(state[f"{at}.running_mean"])) / _column(state[f"{at}.running_var"] + 1e-5).sqrt()
    return _column(state[f"{at}.weight"]) * standard + _column(state[f"{at}.bias"])


def _conv(state: State, at: str, x: Tensor) -> Tensor:
    return F.conv2d(F.pad(x, (1, 1, 1, 1)), state[f"{at}.weight"], state[f"{at}.bias"])


def _leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.1 * x)


def _column(x: Tensor) -> Tensor:
    return x[..., None, None]


def _count(state: State, key: str) -> int:
    return next(i for i in range(99) if key.format(i) not in state)


def _double(state: State) -> State:
    return {key: value.double() for key, value in state.items()}
