# SPDX-License-Identifier: Apache-2.0
"""Exponential mechanism: random selection from public candidates by utility (McSherry and Talwar 2007)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from flint import arb
from torch import Tensor

from semveil.core.precision import working_precision
from semveil.core.rounding import PRECISION, float_above
from semveil.mechanisms.base import (
    EVERYTHING,
    calibrated_ratio,
    check_records,
    draw_exponential,
    release_assumptions,
    require_positive,
)
from semveil.mechanisms.base import simulated_guarantee as simulated
from semveil.mechanisms.exact.sampler import GUARD, WORD, Uniforms
from semveil.privacy.guarantee import Basis, Guarantee, Sensitivity, weakest


@dataclass(frozen=True)
class Exponential:
    """Exponential mechanism: candidate i with probability proportional to exp(rate u_i), u_i its utility.

    epsilon = 2 rate Delta, Delta the largest difference of any one candidate's utility between two records:
    exp(rate u_i) changes by at most a factor exp(rate Delta), and so does the normalising sum.

    Args:
        rate: > 0, epsilon / (2 Delta).

    Example:
        >>> choice = Exponential.calibrate(Sensitivity(0.5, "l1", 1, source="an example"), epsilon=2.0)
        >>> choice.rate, choice.probabilities(torch.tensor([[0.0, 0.0]])).tolist()
        (2.0, [[0.5, 0.5]])
        >>> int(choice.release(torch.tensor([[0.0, 50.0]])))
        1
    """

    rate: float
    name: ClassVar[str] = "exponential"

    def __post_init__(self) -> None:
        require_positive("the rate of the exponential mechanism", self.rate)

    def probabilities(self, utilities: Tensor) -> Tensor:
        """Probabilities of the candidates.

        Args:
            utilities: (B, N).

        Returns:
            (B, N) float64, rows that sum to 1.
        """
        return torch.softmax(self.rate * utilities.double(), 1)

    def __call__(self, utilities: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Simulated choices (B,), 0-based candidate indices, from utilities (B, N)."""
        check_records(utilities)
        race = draw_exponential(utilities.shape, rng).log().to(utilities.device)
        return (self.rate * utilities.double() - race).argmax(1)

    def release(self, utilities: Tensor) -> Tensor:
        """Exact choices from this law, with bits from the operating system.

        Args:
            utilities: (B, N) floating-point, finite.

        Returns:
            (B,) 0-based candidate indices.

        Raises:
            ValueError: as for `check_records`.
        """
        check_records(utilities)
        return torch.tensor(
            [exact_choice(row, self.rate) for row in utilities.double().tolist()], device=utilities.device
        )

    def guarantee(
        self,
        sensitivity: Sensitivity,
        *,
        exact: bool = False,
        covers: str = EVERYTHING,
        not_covered: Sequence[str] = (),
        assumptions: Sequence[str] = (),
    ) -> Guarantee:
        """epsilon = 2 rate Delta.

        Args:
            sensitivity: Delta, the largest difference of a candidate's utility between two records, in any
                norm.
            exact: the choice came from `release`; basis `proved`, epsilon rounded up.
            covers: the protected part of the record, in words.
            not_covered: parts of the record that the release shows unprotected, in words.
            assumptions: further conditions of the claim.
        """
        claim = simulated(
            _epsilon_above(self.rate, sensitivity),
            covers=covers,
            sensitivity_basis=sensitivity.basis,
            not_covered=not_covered,
            assumptions=assumptions,
        )
        if not exact:
            return claim
        rests_on = release_assumptions(
            "the candidates do not depend on the record, and utilities keep their sensitivity: "
            f"{sensitivity.source}"
        )
        return replace(
            claim, basis=weakest(Basis.PROVED, sensitivity.basis), assumptions=(*rests_on, *assumptions)
        )

    @classmethod
    def calibrate(cls, sensitivity: Sensitivity, epsilon: float) -> "Exponential":
        """Return the mechanism of rate epsilon / (2 Delta), rounded down.

        Args:
            sensitivity: Delta, largest change of any candidate's utility between two records.
            epsilon: budget in nats.

        Raises:
            ValueError: as for `calibrated_ratio`.
        """
        rate = 1 / (2 * calibrated_ratio(sensitivity, epsilon))
        while _epsilon_above(rate, sensitivity) > epsilon:  # the reciprocal may have been rounded up
            rate = math.nextafter(rate, 0.0)
        return cls(rate)


def _epsilon_above(rate: float, sensitivity: Sensitivity) -> float:
    """2 rate Delta, rounded up."""
    with working_precision(PRECISION):
        return float_above(2 * arb(rate) * arb(sensitivity.value))


def exact_choice(utilities: Sequence[float], rate: float) -> int:
    """Index i with probability exactly exp(rate u_i) / sum_k exp(rate u_k), by a race of exponential clocks.

    Clock i rings at E_i / exp(rate u_i), E_i independent standard exponential; the first to ring wins. The
    clocks are enclosed in balls, and bits are drawn until one ball is below all others, as in
    `semveil.mechanisms.exact.sampler`.

    Args:
        utilities: finite u_i, at least one.
        rate: > 0.

    Example:
        >>> exact_choice([1.0], rate=3.0)
        0
    """
    clocks = Uniforms(len(utilities))
    running: Sequence[int] = range(len(utilities))
    precision = WORD + GUARD
    while True:
        with working_precision(precision):
            times = {i: clocks.exponential(i).log() - arb(rate) * arb(utilities[i]) for i in running}
            finite = [i for i in running if times[i].is_finite()]
            first = min(finite, key=lambda i: float(times[i].mid()), default=None)
            rivals = [
                i for i in running if i != first and not (first is not None and times[first] < times[i])
            ]
        if first is not None and not rivals:
            return first
        running = rivals if first is None else [first, *rivals]
        for i in running:
            clocks.extend(i)
        precision += WORD
