# SPDX-License-Identifier: Apache-2.0
"""Symbols quantised to the accuracy permitted by the channel noise, in as few bits as needed."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BELOW_DB = 15.0  # quantisation noise below the channel noise; lowers Bob's SNR by 0.14 dB
MOST_BITS = 16
WIDEST_DB = 100.0


def step_for(snr_db: float) -> float:
    """Quantisation step per real axis with an error power 15 dB below the channel noise.

    The error power is step^2 / 6 per complex symbol.

    Args:
        snr_db: SNR per complex symbol of unit power, -100 to 100 dB.

    Raises:
        ValueError: the SNR is out of range.

    Example:
        >>> round(step_for(20.0), 4)
        0.0436
    """
    if not abs(snr_db) <= WIDEST_DB:  # also NaN
        raise ValueError(
            f"symbols are rounded for an SNR of -{WIDEST_DB:g} to {WIDEST_DB:g} dB, got {snr_db}"
        )
    return float(np.float32(math.sqrt(6 * 10 ** (-(snr_db + BELOW_DB) / 10))))


def rounded(symbols: Tensor, step: float) -> Tensor:
    """Symbols rounded to multiples of the step on both axes, complex64.

    Args:
        symbols: (B, N) complex.
        step: > 0, per real axis.

    Raises:
        ValueError: an axis needs more than 16 bits.
    """
    return from_steps(to_steps(symbols, step), step)


def to_steps(symbols: Tensor, step: float) -> NDArray[np.int64]:
    """Quantise symbols to integers.

    Args:
        symbols: (B, N) complex.
        step: > 0, per real axis.

    Returns:
        (B, N, 2) int64: real and imaginary part in steps.

    Raises:
        ValueError: an axis needs more than 16 bits.
    """
    reals = torch.view_as_real(symbols.detach().cpu().resolve_conj().to(torch.complex64)).double().numpy()
    steps = np.rint(reals / step).astype(np.int64)
    if bits_of(steps) > MOST_BITS:
        raise ValueError(f"symbols of step {step:g} need more than {MOST_BITS} bits; store them as floats")
    return steps


def from_steps(steps: NDArray[np.int64], step: float) -> Tensor:
    """Dequantise the result of `to_steps`.

    Args:
        steps: (B, N, 2) integers.
        step: as for `to_steps`.

    Returns:
        (B, N) complex64.
    """
    return torch.view_as_complex(torch.from_numpy((steps * step).astype(np.float32)))


def bits_of(steps: NDArray[np.int64]) -> int:
    """Bits per axis for the largest magnitude, including the sign bit.

    Args:
        steps: integers of any shape, at least one.

    Example:
        >>> bits_of(np.array([3, -4]))
        4
    """
    return int(np.abs(steps).max()).bit_length() + 1


def packed(steps: NDArray[np.int64], bits: int) -> bytes:
    """Pack integers as fixed-width big-endian bit fields in offset binary, without gaps.

    Args:
        steps: integers of any shape, in -2^(bits-1)..2^(bits-1) - 1.
        bits: width of a field.

    Example:
        >>> steps = np.array([[[3, -4]]])
        >>> unpacked(packed(steps, 4), 4, (1, 1)).tolist()
        [[[3, -4]]]
    """
    raised = (steps.reshape(-1, 1) + (1 << (bits - 1))) >> np.arange(bits - 1, -1, -1)
    return np.packbits((raised & 1).astype(np.uint8)).tobytes()


def unpacked(data: bytes, bits: int, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Unpack the result of `packed`.

    Args:
        data: exactly `packed_size(bits, shape)` bytes.
        bits: width of a field.
        shape: (B, N) of the symbols.

    Returns:
        (B, N, 2) int64.
    """
    count = 2 * math.prod(shape)
    lifted = (
        np.unpackbits(np.frombuffer(data, np.uint8))[: count * bits].reshape(count, bits).astype(np.int64)
    )
    return (lifted @ (1 << np.arange(bits - 1, -1, -1)) - (1 << (bits - 1))).reshape(*shape, 2)


def packed_size(bits: int, shape: tuple[int, int]) -> int:
    """Length of the result of `packed` in bytes.

    Args:
        bits: width of a field.
        shape: (B, N) of the symbols, two fields each.

    Example:
        >>> packed_size(5, (1, 2))
        3
    """
    return -(-2 * math.prod(shape) * bits // 8)
