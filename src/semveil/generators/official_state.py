# SPDX-License-Identifier: Apache-2.0
"""Transfer of official state dicts to networks of the StyleGAN2 family, with a strict check of all keys."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from semveil.core.checkpoints import BadCheckpoint
from semveil.generators.discriminators import Branch

Source = str | Path | Mapping[str, Any]
Network = TypeVar("Network")


@dataclass(frozen=True)
class OfficialChannels:
    """Official widths: 512 up to 32 px, then 256 * multiplier at 64 px, halved at each doubling.

    Raises:
        BadCheckpoint: the multiplier is not a number in (0, 16].
    """

    multiplier: float

    def __post_init__(self) -> None:
        if not isinstance(self.multiplier, int | float) or not 0 < self.multiplier <= 16:
            raise BadCheckpoint(f"channel_multiplier must be a number in (0, 16], got {self.multiplier!r}")

    def __call__(self, side: int) -> int:
        return 512 if side <= 32 else int(256 * self.multiplier) * 64 // side


def without_drawing(build: type[Network], *args: Any, **kwargs: Any) -> Network:
    """Construct a network without advancing torch's global random stream.

    Its initial values are meant to be overwritten.

    Args:
        build: class of the network.
        args: positional arguments of its constructor.
        kwargs: keyword arguments of its constructor.
    """
    with torch.random.fork_rng(devices=[]):
        return build(*args, **kwargs)


@dataclass(frozen=True)
class Slot:
    """Target of one official key.

    Attributes:
        key: key in the state dict.
        target: view of our weights to which the values are copied; None for a resampling filter.
        shape: expected shape of the official values.
        gain: sum of the expected filter's taps.
    """

    key: str
    target: Tensor | None
    shape: tuple[int, ...]
    gain: float = 1.0


def filter_slot(key: str, gain: float) -> Slot:
    """Slot of a fixed 4 x 4 blur filter, which is checked but not copied.

    Args:
        key: key in the state dict.
        gain: sum of the expected filter's taps.
    """
    return Slot(key, None, (4, 4), gain)


def linear_slots(prefix: str, layer: Any) -> Iterator[Slot]:
    """Slots of the weight and bias of an `EqualizedLinear`.

    Args:
        prefix: key without `.weight` or `.bias`.
        layer: the layer to fill.
    """
    yield Slot(f"{prefix}.weight", layer.weight, layer.weight.shape)
    yield Slot(f"{prefix}.bias", layer.bias, layer.bias.shape)


def mapping_slots(mapping: Iterable[nn.Module]) -> Iterator[Slot]:
    """Slots `style.1`, `style.2`, ... of a mapping network; `style.0` is its pixel norm, without weights.

    Args:
        mapping: the linear layers, in order.
    """
    for i, layer in enumerate(mapping, 1):
        yield from linear_slots(f"style.{i}", layer)


def branch_slots(prefix: str, branch: Branch) -> Iterator[Slot]:
    """Slots of a discriminator's blocks, from the image down to 4 x 4 features.

    Args:
        prefix: key of the branch, such as `convs`.
        branch: the blocks to fill.
    """
    yield Slot(f"{prefix}.0.0.weight", branch.first.weight, branch.first.weight.shape)
    yield Slot(f"{prefix}.0.1.bias", branch.first.bias, branch.first.weight.shape[:1])
    blocks: Iterable[Any] = branch.blocks
    for i, block in enumerate(blocks, 1):
        for key, conv, place in (
            ("conv1", block.conv1, 0),
            ("conv2", block.conv2, 1),
            ("skip", block.skip, 1),
        ):
            yield Slot(f"{prefix}.{i}.{key}.{place}.weight", conv.weight, conv.weight.shape)
            if conv.bias is not None:
                yield Slot(f"{prefix}.{i}.{key}.{place + 1}.bias", conv.bias, conv.bias.shape)
        yield filter_slot(f"{prefix}.{i}.conv2.0.kernel", 1.0)
        yield filter_slot(f"{prefix}.{i}.skip.0.kernel", 1.0)


def judgement_slots(discriminator: Any) -> Iterator[Slot]:
    """Slots of a discriminator's last layers, from 4 x 4 features to the score.

    Args:
        discriminator: network with `final_conv`, `hidden` and `score`.
    """
    yield from linear_slots("final_linear.0", discriminator.hidden)
    yield from linear_slots("final_linear.1", discriminator.score)
    conv = discriminator.final_conv
    yield Slot("final_conv.0.weight", conv.weight, conv.weight.shape)
    yield Slot("final_conv.1.bias", conv.bias, conv.weight.shape[:1])


@torch.no_grad()
def fill(slots: Iterator[Slot], state: Mapping[str, Any], name: str) -> None:
    """Copy a state dict into its slots, after checking all keys; filters may be absent.

    Args:
        slots: targets of all keys.
        state: the state dict.
        name: name of the file, for error messages.

    Raises:
        BadCheckpoint: a key is missing, unknown, of another shape or type, or not finite; or a filter has
            other taps than [1, 3, 3, 1].
    """
    expected = {slot.key: slot for slot in slots}
    problems = [
        f"missing {key}" for key, slot in expected.items() if key not in state and slot.target is not None
    ]
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
            elif key in state and not torch.allclose(
                state[key], (torch.outer(taps, taps) * slot.gain).to(state[key])
            ):
                problems.append(f"{key} is another filter than [1, 3, 3, 1]")
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise BadCheckpoint(f"{name} is not what its settings say: {'; '.join(problems[:3])}{more}")
