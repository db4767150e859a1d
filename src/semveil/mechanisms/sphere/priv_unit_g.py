# SPDX-License-Identifier: Apache-2.0
"""PrivUnitG: PrivUnit with a normal component in place of the cosine, without an incomplete beta function."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import scipy
import torch
from flint import arb
from torch import Tensor

from semveil.mechanisms.base import draw_normal
from semveil.mechanisms.exact.sphere import RandomBits, certified_less
from semveil.mechanisms.sphere.base import require_budget
from semveil.mechanisms.sphere.caps import (
    cap_loss,
    cap_loss_above,
    checked,
    crossing,
    log_rest,
    rest_probability,
    within_budget,
)
from semveil.mechanisms.sphere.cosines import Floats, gamma_nodes
from semveil.mechanisms.sphere.law import CosineLaw
from semveil.mechanisms.sphere.tails import normal_tail


@dataclass(frozen=True)
class PrivUnitG(CosineLaw):
    """PrivUnitG mechanism: direction of a normal vector with a biased component along the unit vector x.

    The output is v / ||v||, v standard normal except for its component a = <x, v> along x. With probability
    p, a is normal given a >= threshold, else normal given a < threshold; epsilon = ln p (1 - q) / ((1 - p) q)
    with q = Phi(-threshold) (Asi, Feldman and Talwar 2022, here times sqrt(d) and with v divided by its
    length, which costs no privacy). For large d its utility equals that of PrivUnit while epsilon is well
    below d.

    Args:
        dimension: d >= 4, of the vectors.
        threshold: of the normal number a, >= 0.
        rest: 1 - p, the probability of a < threshold, in (0, 1).

    Example:
        >>> mechanism = PrivUnitG.calibrate(512, epsilon=10.0)
        >>> round(mechanism.threshold, 2), round(mechanism.rest, 3), round(mechanism.cosine_kept(), 3)
        (3.25, 0.074, 0.143)
    """

    dimension: int
    threshold: float
    rest: float
    name: ClassVar[str] = "privunit-g"

    def check_parameters(self) -> None:
        """Raise ValueError unless threshold and rest are in their ranges."""
        if not (0 <= self.threshold < math.inf and 0 < self.rest < 1):
            raise ValueError(
                f"PrivUnitG takes a threshold >= 0 and a rest in (0, 1), got {self.threshold}, {self.rest}"
            )

    def cosines(self, count: int, *, rng: torch.Generator | None) -> Tensor:
        """Simulated cosines <x, y> = a / ||v||, see `CosineLaw.cosines`.

        Args:
            count: number of cosines.
            rng: source of the samples; torch's global CPU generator where None.
        """
        device = rng.device if rng is not None else None
        inside = torch.rand(count, generator=rng, dtype=torch.float64, device=device) >= self.rest
        along = torch.empty(count, dtype=torch.float64, device=device)
        along[inside] = normal_tail(self.threshold).draw(int(inside.sum()), rng=rng)
        waiting = (~inside).nonzero()[:, 0]
        while len(waiting):
            a = draw_normal((len(waiting),), rng)
            outside = a < self.threshold
            along[waiting[outside]] = a[outside]
            waiting = waiting[~outside]
        across = draw_normal((count, self.dimension - 1), rng).square().sum(1)
        return along / (along.square() + across).sqrt()

    def exact_cosine(self, draws: RandomBits) -> arb:
        """Enclosure of one cosine, see `CosineLaw.exact_cosine`.

        Args:
            draws: random bits.
        """
        along = self._exact_part(draws)
        across = sum((n * n for n in draws.normals(self.dimension - 1)), start=arb(0))
        return along / (along * along + across).sqrt()

    def _exact_part(self, draws: RandomBits) -> arb:
        if not certified_less(draws.uniform(), arb(self.rest)):
            return normal_tail(self.threshold).exact(draws)
        while True:
            (a,) = draws.normals(1)
            if certified_less(a, arb(self.threshold)):
                return a

    def log_density(self, cosines: Floats) -> Floats:
        """Log-density relative to the uniform law on the sphere.

        The length R of a standard normal vector is independent of its direction, and a >= threshold means R
        >= threshold / t.

        Args:
            cosines: t = <x, y> in [-1, 1], of any shape.
        """
        cap = float(scipy.special.log_ndtr(-self.threshold))
        inside = math.log1p(-self.rest) - cap
        outside = math.log(self.rest) - log_rest(cap)
        nearest = self.threshold / np.maximum(cosines, 1e-100)
        reached = np.where(cosines > 0, scipy.special.gammaincc(self.dimension / 2, nearest**2 / 2), 0.0)
        with np.errstate(divide="ignore"):
            return np.logaddexp(np.log(reached) + inside, np.log1p(-reached) + outside)

    @property
    def epsilon(self) -> float:
        """Epsilon of the law, ln p (1 - q) / ((1 - p) q), for any two vectors."""
        return cap_loss(self.rest, float(scipy.special.log_ndtr(-self.threshold)))

    def epsilon_above(self) -> float:
        """`epsilon`, rounded up."""
        return cap_loss_above(self.rest, self._cap)

    def cosine_kept(self) -> float:
        """Mean cosine E<x, y> = C (p / q - (1 - p) / (1 - q)).

        C = E[a / ||v||; a >= t] = phi(t) E[(t^2 + S)^(-1/2)], with t the threshold and S chi-square of d + 1
        degrees of freedom; the mean over S is Tricomi's function U((d + 1) / 2, d / 2 + 1, t^2 / 2) up to a
        factor, computed here as a sum.
        """
        cap, moment = (
            float(scipy.special.log_ndtr(-self.threshold)),
            _log_moment(self.threshold, self.dimension),
        )
        return (1 - self.rest) * math.exp(moment - cap) - self.rest * math.exp(moment - log_rest(cap))

    @classmethod
    def calibrate(cls, dimension: int, epsilon: float) -> "PrivUnitG":
        """Law of a given epsilon with the largest mean cosine.

        As for PrivUnit the mean cosine m(t) is largest where it equals the mean at the edge of the cap, g(t)
        = E[t / sqrt(t^2 + S)] with S chi-square of d - 1 degrees of freedom.

        Args:
            dimension: d >= 4.
            epsilon: budget in nats.

        Raises:
            ValueError: as for `require_budget`; or an epsilon too large for the dimension or for floating
                point.
        """
        require_budget(dimension, epsilon)
        gain = epsilon + math.log(-math.expm1(-epsilon))
        nodes, weights = gamma_nodes((dimension - 1) / 2)

        def excess(log_threshold: float) -> float:
            t = math.exp(log_threshold)
            edge = math.log(weights @ (t / (t * t + 2 * nodes) ** 0.5))
            kept = (
                _log_moment(t, dimension) + gain - float(np.logaddexp(0, gain + scipy.special.log_ndtr(-t)))
            )
            return edge - kept

        threshold = math.exp(crossing(excess, -60.0, math.log(10 + 2 * math.sqrt(epsilon))))
        cap = float(scipy.special.log_ndtr(-threshold))
        law = cls(dimension, threshold, rest_probability(epsilon, cap, dimension=dimension))
        law = replace(law, rest=within_budget(epsilon, law.rest, law._cap))
        checked(epsilon, cap_loss_above(law.rest, law._cap), dimension=dimension)
        return law

    def _cap(self) -> arb:
        return (arb(self.threshold) / arb(2).sqrt()).erfc() / 2


def _log_moment(threshold: float, dimension: int) -> float:
    """ln E[a / ||v||; a >= threshold] for a standard normal v in d dimensions and its component a."""
    nodes, weights = gamma_nodes((dimension + 1) / 2)
    spread = math.log(weights @ (threshold**2 + 2 * nodes) ** -0.5)
    return -(threshold**2) / 2 - math.log(2 * math.pi) / 2 + spread
