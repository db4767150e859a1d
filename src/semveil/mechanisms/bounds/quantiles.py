# SPDX-License-Identifier: Apache-2.0
"""Exact quantiles of very large arrays in constant memory."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_CHUNK = 1 << 22


def streamed_quantiles(values: Tensor | NDArray[Any], probabilities: Sequence[float]) -> list[float]:
    """Quantiles over all entries, rounded to float32, with numpy's linear interpolation.

    Two passes count the upper and then the lower 16 bits of the floats' order-preserving integer code, so
    memory does not grow with the input (`torch.quantile` is limited to 16 million entries) and a
    memory-mapped array is never loaded whole.

    Args:
        values: any shape, at least one entry, all finite.
        probabilities: each in [0, 1].

    Raises:
        ValueError: no entries, NaN or infinite entries, or a probability outside [0, 1].

    Example:
        >>> streamed_quantiles(np.arange(101.0), [0.005, 0.5])
        [0.5, 50.0]
    """
    array = values.detach().cpu().float().numpy() if isinstance(values, Tensor) else np.asanyarray(values)
    if array.size == 0 or any(not 0 <= p <= 1 for p in probabilities):
        raise ValueError(
            f"quantiles need at least one value and probabilities in [0, 1], got {array.size} and "
            f"{list(probabilities)}"
        )
    positions = [p * (array.size - 1) for p in probabilities]
    ranks = {r for position in positions for r in (math.floor(position), math.ceil(position))}
    upper = np.zeros(1 << 16, np.int64)
    for codes in _codes(array):
        upper += np.bincount(codes >> 16, minlength=1 << 16)
    below = np.concatenate([[0], np.cumsum(upper)])
    bucket_of = {r: int(np.searchsorted(below, r, side="right")) - 1 for r in ranks}
    lower = {bucket: np.zeros(1 << 16, np.int64) for bucket in bucket_of.values()}
    for codes in _codes(array):
        for bucket, counts in lower.items():
            counts += np.bincount(codes[codes >> 16 == bucket] & 0xFFFF, minlength=1 << 16)
    value_at = {}
    for r, bucket in bucket_of.items():
        low = int(np.searchsorted(np.cumsum(lower[bucket]), r - below[bucket], side="right"))
        value_at[r] = _decode(bucket << 16 | low)
    neighbours = [(value_at[math.floor(p)], value_at[math.ceil(p)]) for p in positions]
    # numpy's own interpolation, so that results agree to the last bit
    return [
        float(np.quantile(pair, p - math.floor(p))) for pair, p in zip(neighbours, positions, strict=True)
    ]


def _codes(array: NDArray[Any]) -> Iterator[NDArray[np.uint32]]:
    """Chunks of the float32 values as unsigned integers in the same order.

    All bits of negative values and the sign bit of others are flipped.
    """
    flat = array.reshape(-1)
    for start in range(0, flat.size, _CHUNK):
        chunk = np.array(flat[start : start + _CHUNK], np.float32)
        if not np.isfinite(chunk).all():
            raise ValueError("the values hold NaN or infinite entries; quantiles of them mean nothing")
        bits = chunk.view(np.uint32)
        yield np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def _decode(code: int) -> float:
    bits = code ^ (1 << 31) if code >> 31 else ~code & 0xFFFFFFFF
    return float(np.uint32(bits).view(np.float32))
