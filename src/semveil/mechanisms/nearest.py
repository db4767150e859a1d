# SPDX-License-Identifier: Apache-2.0
"""Selection from a public list: one probability for the nearest candidates, a smaller one for all others."""

import math
import secrets
from dataclasses import dataclass
from typing import ClassVar

import torch
from flint import arb
from torch import Tensor

from semveil.core.precision import working_precision
from semveil.core.rounding import PRECISION, float_above
from semveil.mechanisms.base import check_records, require_epsilon
from semveil.mechanisms.exact.sphere import RandomBits, certified_less, evaluate_until_decided
from semveil.mechanisms.sphere.base import Claimed
from semveil.mechanisms.sphere.priv_unit_g import PrivUnitG


@dataclass(frozen=True)
class Nearest(Claimed):
    """Exponential mechanism with utility 1 for the k candidates nearest to the record and 0 for the others.

    For every record exactly k of N candidates have utility 1. The normalising constant is therefore the same
    for all records, and the factor 2 of the exponential mechanism vanishes: a candidate has probability (1 -
    rest) / k or rest / (N - k), and epsilon = ln (1 - rest) (N - k) / (k rest). The k nearest may be selected
    in any way, ties and rounding included, that is a function of the record.

    Args:
        candidates: N, number of candidates.
        near: k, from 1 to N - 1.
        rest: total probability of all others, in (0, 1).

    Example:
        >>> choice = Nearest.calibrate(1000, epsilon=6.0, dimension=32)
        >>> choice.near, round(choice.epsilon, 6)
        (18, 6.0)
    """

    candidates: int
    near: int
    rest: float
    name: ClassVar[str] = "nearest"
    rests_on: ClassVar[str] = "the candidates, and how many of them are near, do not depend on the record"

    def __post_init__(self) -> None:
        if not 1 <= self.near < self.candidates:
            raise ValueError(
                f"of {self.candidates} candidates, 1 to {self.candidates - 1} can be near, got {self.near}"
            )
        if not 0 < self.rest < 1:
            raise ValueError(f"the rest has a probability in (0, 1), got {self.rest}")

    def probabilities(self, utilities: Tensor) -> Tensor:
        """Probabilities of the candidates, which depend on the order of the utilities only.

        Args:
            utilities: (B, N) floating-point, finite.

        Returns:
            (B, N) float64, rows that sum to 1.

        Raises:
            ValueError: as for `check_records`, or another number of candidates.
        """
        inside = self._inside(utilities)
        law = torch.full(inside.shape, self.rest / (self.candidates - self.near), dtype=torch.float64)
        return law.masked_fill(inside, (1 - self.rest) / self.near)

    def __call__(self, utilities: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Simulated choices (B,), 0-based candidate indices, from utilities (B, N)."""
        near = self._order(utilities)
        within = torch.rand(len(near), generator=rng, dtype=torch.float64) >= self.rest
        of_near = torch.randint(self.near, (len(near),), generator=rng)
        of_rest = torch.randint(self.candidates - self.near, (len(near),), generator=rng)
        place = torch.where(within, of_near, self.near + of_rest)
        return near.gather(1, place[:, None])[:, 0]

    def release(self, utilities: Tensor) -> Tensor:
        """Exact choices from this law, with bits from the operating system.

        Args:
            utilities: (B, N) floating-point, finite.

        Returns:
            (B,) 0-based candidate indices.

        Raises:
            ValueError: as for `check_records`, or another number of candidates.
        """
        order = self._order(utilities)
        return torch.stack([row[self._exact_place()] for row in order])

    def _exact_place(self) -> int:
        if not evaluate_until_decided(lambda draws: _below(draws, self.rest)):
            return secrets.randbelow(self.near)
        return self.near + secrets.randbelow(self.candidates - self.near)

    def _order(self, utilities: Tensor) -> Tensor:
        """Candidate indices (B, N), the nearest first; ties by index."""
        self._check(utilities)
        return utilities.argsort(dim=1, descending=True, stable=True)

    def _inside(self, utilities: Tensor) -> Tensor:
        order = self._order(utilities)
        return torch.zeros(utilities.shape, dtype=torch.bool).scatter(1, order[:, : self.near].cpu(), True)

    def _check(self, utilities: Tensor) -> None:
        check_records(utilities)
        if utilities.shape[1:] != (self.candidates,):
            raise ValueError(
                f"there are {self.candidates} candidates, got utilities of shape {tuple(utilities.shape)}"
            )

    @property
    def epsilon(self) -> float:
        """Epsilon of the law, ln (1 - rest) (N - k) / (k rest), rounded up."""
        with working_precision(PRECISION):
            rest = arb(self.rest)
            return float_above(abs(((1 - rest) / rest * (self.candidates - self.near) / self.near).log()))

    @classmethod
    def calibrate(cls, candidates: int, epsilon: float, *, dimension: int) -> "Nearest":
        """Return the law of a given epsilon, for candidates distributed over a sphere.

        The number of near candidates is the expected number in the cap of PrivUnitG at this budget.

        Args:
            candidates: N.
            epsilon: budget in nats.
            dimension: of the sphere.

        Raises:
            ValueError: as for `PrivUnitG.calibrate`.
        """
        require_epsilon(epsilon)
        threshold = PrivUnitG.calibrate(dimension, epsilon).threshold
        near = min(max(1, round(candidates * math.erfc(threshold / math.sqrt(2)) / 2)), candidates - 1)
        odds = math.exp(-epsilon) * (candidates - near) / near
        rest = odds / (1 + odds)
        while cls(candidates, near, rest).epsilon > epsilon:  # rounding may make it too large
            rest = math.nextafter(rest, 1.0)
        return cls(candidates, near, rest)


def _below(draws: RandomBits, bound: float) -> bool:
    return certified_less(draws.uniform(), arb(bound))
