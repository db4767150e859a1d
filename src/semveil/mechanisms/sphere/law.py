# SPDX-License-Identifier: Apache-2.0
"""Base classes of laws on the unit sphere, and of those that depend only on the cosine to the input."""

from abc import ABC, abstractmethod

import torch
from flint import arb
from torch import Tensor

from semveil.mechanisms.exact.sphere import RandomBits, release_around
from semveil.mechanisms.sphere.base import Claimed, around, require_dimension, unit_rows


class SphereLaw(ABC):
    """Random perturbation of unit vectors; a subclass has the parameters, epsilon and `calibrate`.

    Attributes:
        dimension: d >= 4, of the vectors.
    """

    dimension: int

    def __post_init__(self) -> None:
        require_dimension(self.dimension)
        self.check_parameters()

    def __call__(self, x: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Simulated unit vectors (B, d), in the dtype of x.

        Args:
            x: (B, d) unit vectors.
            rng: source of the noise; torch's global generator where None.

        Raises:
            ValueError: another shape, NaN, or a norm that differs from 1 by more than 1e-4.
        """
        return self.simulate(unit_rows(x, self.dimension), rng=rng).to(x.dtype)

    @abstractmethod
    def check_parameters(self) -> None:
        """Raise ValueError unless the parameters other than the dimension are in their ranges."""

    @abstractmethod
    def simulate(self, rows: Tensor, *, rng: torch.Generator | None) -> Tensor:
        """Samples of this law in floating point.

        Args:
            rows: (B, d) unit vectors, float64.
            rng: source of the samples; torch's global CPU generator where None.

        Returns:
            (B, d) unit vectors, float64.
        """

    @abstractmethod
    def release(self, x: Tensor) -> Tensor:
        """Exact samples of this law, rounded to multiples of 2^-24, with bits from the operating system.

        Args:
            x: (B, d) unit vectors, float32 or float64.

        Returns:
            (B, d), in the dtype of x.

        Raises:
            ValueError: as for `check_releasable`.
        """


class CosineLaw(SphereLaw, Claimed):
    """Law in which only the cosine t = <x, y> depends on x.

    y = t x + sqrt(1 - t^2) u, u uniform and orthogonal to x.
    """

    def simulate(self, rows: Tensor, *, rng: torch.Generator | None) -> Tensor:
        """Draw the cosines, then uniform orthogonal directions.

        Args:
            rows: (B, d) unit vectors, float64.
            rng: source of the samples; torch's global CPU generator where None.
        """
        return around(rows, self.cosines(len(rows), rng=rng), rng=rng)

    def release(self, x: Tensor) -> Tensor:
        """Draw exact cosines and uniform orthogonal directions.

        Args:
            x: (B, d) unit vectors, float32 or float64.
        """
        return release_around(x, self.dimension, self.exact_cosine)

    @abstractmethod
    def cosines(self, count: int, *, rng: torch.Generator | None) -> Tensor:
        """Simulated cosines t = <x, y>.

        Args:
            count: number of cosines.
            rng: source of the samples, which are on its device; torch's global CPU generator where None.

        Returns:
            (count,) float64.
        """

    @abstractmethod
    def exact_cosine(self, draws: RandomBits) -> arb:
        """Enclosure of one cosine of exactly this law.

        Args:
            draws: random bits.

        Raises:
            Undecided: the known bits do not decide a comparison.
        """
