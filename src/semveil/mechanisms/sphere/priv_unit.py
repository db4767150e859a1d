# SPDX-License-Identifier: Apache-2.0
"""PrivUnit: uniform in the cap around x with high probability, else uniform in the rest of the sphere."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import scipy
import torch
from flint import arb
from torch import Tensor

from semveil.mechanisms.exact.sphere import RandomBits, certified_less, exact_uniform_cosine
from semveil.mechanisms.sphere.base import require_budget, uniform_cosines
from semveil.mechanisms.sphere.caps import (
    cap_loss,
    cap_loss_above,
    checked,
    crossing,
    log_rest,
    rest_probability,
    within_budget,
)
from semveil.mechanisms.sphere.cosines import Floats, log_cap, log_cap_moment
from semveil.mechanisms.sphere.law import CosineLaw
from semveil.mechanisms.sphere.tails import cap_tail


@dataclass(frozen=True)
class PrivUnit(CosineLaw):
    """PrivUnit mechanism: uniform in the cap <x, y> >= threshold with probability p, else uniform outside it.

    epsilon = ln p (1 - q) / ((1 - p) q), q the cap's fraction of the sphere (Bhowmick et al. 2018, with their
    two budgets merged: the density has two values only, so this is exact). Among all epsilon-LDP mechanisms
    with outputs of one length and a mean that is a multiple of x, this law with the best threshold has the
    largest mean cosine (Asi, Feldman and Talwar 2022).

    Args:
        dimension: d >= 4, of the vectors.
        threshold: of the cosine, in [0, 1).
        rest: 1 - p, the probability of leaving the cap, in (0, 1).

    Example:
        >>> mechanism = PrivUnit.calibrate(512, epsilon=10.0)
        >>> round(mechanism.threshold, 3), round(mechanism.rest, 3), round(mechanism.cosine_kept(), 3)
        (0.143, 0.075, 0.143)
    """

    dimension: int
    threshold: float
    rest: float
    name: ClassVar[str] = "privunit"

    def check_parameters(self) -> None:
        """Raise ValueError unless threshold and rest are in their ranges."""
        if not (0 <= self.threshold < 1 and 0 < self.rest < 1):
            raise ValueError(
                f"PrivUnit takes a threshold in [0, 1) and a rest in (0, 1), got {self.threshold}, "
                f"{self.rest}"
            )

    def cosines(self, count: int, *, rng: torch.Generator | None) -> Tensor:
        """Simulated cosines <x, y>, see `CosineLaw.cosines`.

        Args:
            count: number of cosines.
            rng: source of the samples; torch's global CPU generator where None.
        """
        device = rng.device if rng is not None else None
        inside = torch.rand(count, generator=rng, dtype=torch.float64, device=device) >= self.rest
        found = torch.empty(count, dtype=torch.float64, device=device)
        found[inside] = cap_tail(self.threshold, self.dimension).draw(int(inside.sum()), rng=rng)
        waiting = (~inside).nonzero()[:, 0]
        while len(waiting):
            t = uniform_cosines(len(waiting), self.dimension, rng=rng)
            outside = t < self.threshold
            found[waiting[outside]] = t[outside]
            waiting = waiting[~outside]
        return found

    def exact_cosine(self, draws: RandomBits) -> arb:
        """Enclosure of one cosine, see `CosineLaw.exact_cosine`.

        Args:
            draws: random bits.
        """
        if not certified_less(draws.uniform(), arb(self.rest)):
            return cap_tail(self.threshold, self.dimension).exact(draws)
        while True:
            t = exact_uniform_cosine(draws, self.dimension)
            if certified_less(t, arb(self.threshold)):
                return t

    def log_density(self, cosines: Floats) -> Floats:
        """Log-density relative to the uniform law on the sphere.

        Args:
            cosines: <x, y> in [-1, 1], of any shape.
        """
        cap = log_cap(self.threshold, self.dimension)
        inside, outside = math.log1p(-self.rest) - cap, math.log(self.rest) - log_rest(cap)
        return np.where(cosines >= self.threshold, inside, outside)

    @property
    def epsilon(self) -> float:
        """Epsilon of the law, ln p (1 - q) / ((1 - p) q), for any two vectors."""
        return cap_loss(self.rest, log_cap(self.threshold, self.dimension))

    def epsilon_above(self) -> float:
        """`epsilon`, rounded up."""
        return cap_loss_above(self.rest, self._cap)

    def cosine_kept(self) -> float:
        """Mean cosine E<x, y> = E[T; T >= t] (p / q - (1 - p) / (1 - q)).

        T is the cosine to a uniform vector, t the threshold.
        """
        cap, moment = log_cap(self.threshold, self.dimension), log_cap_moment(self.threshold, self.dimension)
        return (1 - self.rest) * math.exp(moment - cap) - self.rest * math.exp(moment - log_rest(cap))

    @classmethod
    def calibrate(cls, dimension: int, epsilon: float) -> "PrivUnit":
        """Law of a given epsilon with the largest mean cosine; its threshold equals that mean.

        m(t) = M(t) (e^epsilon - 1) / (1 + (e^epsilon - 1) q(t)) with M' = -t f and q' = -f, f the density of
        T. So m' = 0 where t = m(t), that is t = (e^epsilon - 1) E[(T - t)_+], which has one solution.

        Args:
            dimension: d >= 4.
            epsilon: budget in nats.

        Raises:
            ValueError: as for `require_budget`; or an epsilon too large for the dimension or for floating
                point.
        """
        require_budget(dimension, epsilon)
        gain = epsilon + math.log(-math.expm1(-epsilon))

        def excess(log_odds: float) -> float:
            t = float(scipy.special.expit(log_odds))
            cap, moment = log_cap(t, dimension), log_cap_moment(t, dimension)
            beyond = -math.expm1(math.log(t) + cap - moment)  # E[(T - t)_+] / E[T; T >= t]
            return math.log(t) - gain - moment - math.log(max(beyond, 1e-12))

        threshold = float(scipy.special.expit(crossing(excess, -60.0, 20.0)))
        law = cls(
            dimension,
            threshold,
            rest_probability(epsilon, log_cap(threshold, dimension), dimension=dimension),
        )
        law = replace(law, rest=within_budget(epsilon, law.rest, law._cap))
        checked(epsilon, cap_loss_above(law.rest, law._cap), dimension=dimension)
        return law

    def _cap(self) -> arb:
        t = arb(self.threshold)
        return ((1 - t) * (1 + t)).beta_lower(arb(self.dimension - 1) / 2, arb(1) / 2, regularized=True) / 2
