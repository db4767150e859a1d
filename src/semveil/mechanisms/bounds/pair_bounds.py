# SPDX-License-Identifier: Apache-2.0
"""Bounds on the distances between all rows of two blocks, rigorous and fast, in float32."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNIT = 2.0**-24  # float32 rounds by at most this, relatively
# number of coordinates that the L1 kernel sums at once, so that the strip stays in the fastest caches
_STRIP = 1024

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """Rows with precomputed quantities for distance bounds.

    Attributes:
        rows: (T, n) centred, float32.
        scaled: (T, n) centred and weighted, float32; the same array as `rows` without weights.
        squares: (T,) squared L2 norms of `scaled`, inflated so that bounds from them hold in spite of all
            rounding.
        sums, sizes: (T,) sum and L1 norm of each row of `rows`.
    """

    rows: Float32
    scaled: Float32
    squares: NDArray[np.float64]
    sums: NDArray[np.float64]
    sizes: NDArray[np.float64]

    @classmethod
    def prepare(cls, rows: NDArray[Any], centre: NDArray[Any], weight: Float32 | None) -> "Block":
        """Centre rows and, for weighted bounds, scale their coordinates.

        Args:
            rows: (T, n).
            centre: (n,), subtracted from each row.
            weight: (n,) factor of each coordinate; None leaves them unscaled.
        """
        centred = np.subtract(rows, centre).astype(np.float32, copy=False)
        scaled = centred if weight is None else centred * weight
        inflation = 1 + 1.1 * (rows.shape[1] + 32) * UNIT
        return cls(
            centred,
            scaled,
            np.array([np.square(row, dtype=np.float64).sum() for row in scaled]) * inflation,
            np.array([row.sum(dtype=np.float64) for row in centred]),
            np.array([np.abs(row).sum(dtype=np.float64) for row in centred]),
        )


def squared_bounds(a: Block, b: Block) -> Float32:
    """Upper bounds on the squared L2 distances of the scaled rows, from one matrix product.

    ||a - b||^2 = ||a||^2 + ||b||^2 - 2 a.b, where a computed product has an error of at most n u ||a|| ||b||
    for every order of summation (Higham 2002, Section 3.1); with the rounding of centring and scaling this
    amounts to a factor on the norms.

    Args:
        a: S rows.
        b: T rows, prepared with the same centre and weight.

    Returns:
        (S, T) float32; infinite or NaN after an overflow.
    """
    # an overflow gives inf or NaN, which the search rechecks
    with np.errstate(over="ignore", invalid="ignore"):
        bounds = a.scaled @ b.scaled.T
        bounds *= -2
        bounds += a.squares.astype(np.float32)[:, None]
        bounds += b.squares.astype(np.float32)
    return bounds


def l1_bounds(a: Block, b: Block, wanted: NDArray[np.bool_]) -> Float32:
    """Upper bounds on the L1 distances of selected pairs, tight to about 2e-4.

    Args:
        a: S rows.
        b: T rows, prepared with the same centre.
        wanted: (S, T) mask of the pairs.

    Returns:
        (S, T) float32; -inf for the other pairs.
    """
    rounding = 1.1 * (2 * _STRIP + 2 * a.rows.shape[1] / _STRIP + 32) * UNIT
    if wanted.mean() < 0.2:
        return _sparse_l1_bounds(a, b, wanted, rounding)
    # |x - y| = 2 max(x, y) - x - y: one pass and a matrix-vector product instead of three passes
    maxima = np.zeros(wanted.shape, np.float32)
    buffer = np.empty((len(b.rows), _STRIP), np.float32)
    ones = np.ones(_STRIP, np.float32)
    for start in range(0, a.rows.shape[1], _STRIP):
        strip = np.ascontiguousarray(b.rows[:, start : start + _STRIP])
        width = strip.shape[1]
        for i, row in enumerate(a.rows[:, start : start + width]):
            larger = np.maximum(strip, row, out=buffer[:, :width] if width == _STRIP else None)
            maxima[i] += larger @ ones[:width]
    maxima *= 2
    maxima -= (a.sums - rounding * a.sizes).astype(np.float32)[:, None]
    maxima -= (b.sums - rounding * b.sizes).astype(np.float32)
    return np.where(wanted, maxima, -np.inf)


def _sparse_l1_bounds(a: Block, b: Block, wanted: NDArray[np.bool_], rounding: float) -> Float32:
    bounds = np.full(wanted.shape, -np.inf, np.float32)
    for i in np.flatnonzero(wanted.any(1)):
        columns = np.flatnonzero(wanted[i])
        difference = b.rows[columns]
        difference -= a.rows[i]
        np.abs(difference, out=difference)
        bounds[i, columns] = difference.sum(1) + rounding * (a.sizes[i] + b.sizes[columns])
    return bounds
