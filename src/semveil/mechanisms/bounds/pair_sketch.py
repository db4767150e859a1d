# SPDX-License-Identifier: Apache-2.0
"""Short sketches of long rows that give rigorous distance bounds at low cost."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semveil.mechanisms.bounds.pair_bounds import UNIT

_WIDTH = 256
_SAMPLE = 512


@dataclass(frozen=True)
class Sketch:
    """Rows y as coordinates p in a shared subspace and the norm rho of the orthogonal residual.

    ||y - y'||^2 <= ||p - p'||^2 + (rho + rho')^2 for every subspace; the bound is tight if the subspace
    contains most of y.

    Attributes:
        values: (N, k + 1) the coordinates, then rho.
        squares: (N,) squared L2 norms of the rows, inflated so that bounds from them hold in spite of all
            rounding.
    """

    values: NDArray[np.float32]
    squares: NDArray[np.float32]

    @classmethod
    def build(
        cls, sample: NDArray[np.float64], parts: Callable[[], Iterable[NDArray[np.float64]]]
    ) -> "Sketch":
        """Sketch rows in the principal subspace of a sample.

        Args:
            sample: (S, n) rows that define the subspace.
            parts: function that yields all rows in parts (M, n), in order.
        """
        _, directions = np.linalg.eigh(sample @ sample.T)
        basis, _ = np.linalg.qr(sample.T @ directions[:, ::-1][:, :_WIDTH])
        values, squares = [], []
        for part in parts():
            inside = part @ basis
            square = np.square(part).sum(1)
            # the slack of 1e-9 allows for a basis that is orthonormal only up to float64 rounding
            outside = np.sqrt(np.maximum(square - np.square(inside).sum(1), 0) + 1e-9 * square)
            values.append(np.column_stack([inside, outside]).astype(np.float32))
            squares.append((square * (1 + 1e-8 + 1.1 * (basis.shape[1] + 40) * UNIT)).astype(np.float32))
        return cls(np.concatenate(values), np.concatenate(squares))

    @classmethod
    def sample_of(cls, count: int) -> NDArray[np.intp]:
        """Ascending indices of the rows to sample, half of them first rows, half evenly spaced.

        The first rows are those farthest from the mean.

        Args:
            count: number of all rows.
        """
        first = np.arange(min(_SAMPLE // 2, count))
        return np.unique(
            np.concatenate([first, np.linspace(0, count - 1, min(_SAMPLE // 2, count)).astype(np.intp)])
        )

    def reordered(self, order: NDArray[np.intp]) -> "Sketch":
        """Sketch with permuted rows.

        Args:
            order: (N,) row indices in the new order.
        """
        return Sketch(self.values[order], self.squares[order])

    def squared_bounds(self, a: slice, b: slice) -> NDArray[np.float32]:
        """Upper bounds on the squared L2 distances between two ranges of rows.

        Args:
            a: range of S rows.
            b: range of T rows.

        Returns:
            (S, T) float32; infinite or NaN after an overflow.
        """
        mirrored = self.values[b].copy()
        mirrored[:, -1] *= -1
        # an overflow gives inf or NaN, which the search rechecks
        with np.errstate(over="ignore", invalid="ignore"):
            bounds = self.values[a] @ mirrored.T
            bounds *= -2
            bounds += self.squares[a][:, None]
            bounds += self.squares[b]
        return bounds
