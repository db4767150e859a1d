# SPDX-License-Identifier: Apache-2.0
"""Symbols as whole steps in as few bits as they need: a file holds no more of them than its channel leaves."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BELOW_DB = 15.0  # the rounding's noise lies so far below the channel's: Bob's SNR falls by .14 dB
MOST_BITS = 16


def step_for(snr_db: float) -> float:
    """Step of both real axes whose rounding noise, step^2 / 6 per complex symbol of power 1, is what an SNR is worth.

    Example:
        >>> round(step_for(20.0), 4)
        0.0436
    """
    return float(np.float32(math.sqrt(6 * 10 ** (-(snr_db + BELOW_DB) / 10))))


def rounded(symbols: Tensor, step: float) -> Tensor:
    """Symbols (B, N) on the grid of steps, complex64.

    Raises:
        ValueError: they need more than 16 bits an axis; an SNR that high is worth floats.
    """
    return from_steps(to_steps(symbols, step), step)


def to_steps(symbols: Tensor, step: float) -> NDArray[np.int64]:
    """(B, N) complex -> (B, N, 2) whole steps."""
    reals = torch.view_as_real(symbols.detach().cpu().resolve_conj().to(torch.complex64)).double().numpy()
    steps = np.rint(reals / step).astype(np.int64)
    if bits_of(steps) > MOST_BITS:
        raise ValueError(f"symbols of step {step:g} need more than {MOST_BITS} bits; store them as floats")
    return steps


def from_steps(steps: NDArray[np.int64], step: float) -> Tensor:
    """What `to_steps` was given, up to rounding."""
    return torch.view_as_complex(torch.from_numpy((steps * step).astype(np.float32)))


def bits_of(steps: NDArray[np.int64]) -> int:
    """Bits of an axis, the sign among them."""
    return int(np.abs(steps).max()).bit_length() + 1


def packed(steps: NDArray[np.int64], bits: int) -> bytes:
    """Whole numbers of so many bits each, one after the other.

    Example:
        >>> steps = np.array([[[3, -4]]])
        >>> unpacked(packed(steps, 4), 4, (1, 1)).tolist()
        [[[3, -4]]]
    """
    raised = (steps.reshape(-1, 1) + (1 << (bits - 1))) >> np.arange(bits - 1, -1, -1)
    return np.packbits((raised & 1).astype(np.uint8)).tobytes()


def unpacked(data: bytes, bits: int, shape: tuple[int, int]) -> NDArray[np.int64]:
    """(B, N, 2) whole numbers that `packed` was given; `data` has exactly their length."""
    count = 2 * math.prod(shape)
    lifted = np.unpackbits(np.frombuffer(data, np.uint8))[: count * bits].reshape(count, bits).astype(np.int64)
    return (lifted @ (1 << np.arange(bits - 1, -1, -1)) - (1 << (bits - 1))).reshape(*shape, 2)


def packed_size(bits: int, shape: tuple[int, int]) -> int:
    """Bytes of `packed`."""
    return -(-2 * math.prod(shape) * bits // 8)
