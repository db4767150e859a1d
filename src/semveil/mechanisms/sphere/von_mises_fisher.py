# SPDX-License-Identifier: Apache-2.0
"""Von Mises-Fisher mechanism: unit vectors with density proportional to exp(kappa <x, y>)."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from flint import arb
from torch import Tensor

from semveil.mechanisms.base import draw_exponential, require_positive
from semveil.mechanisms.exact.sphere import RandomBits, certified_less, exact_uniform_cosine
from semveil.mechanisms.sphere.base import require_budget, uniform_cosines
from semveil.mechanisms.sphere.cosines import Floats, exponential_moment
from semveil.mechanisms.sphere.law import CosineLaw
from semveil.privacy.guarantee import MetricForm, Norm


@dataclass(frozen=True)
class VonMisesFisher(CosineLaw):
    """Von Mises-Fisher mechanism: y with density proportional to exp(kappa <x, y>) for each unit vector x.

    epsilon = 2 kappa: kappa <x - x', y> is at most kappa ||x - x'|| <= 2 kappa, and the normalising constant
    is the same for all x. This is the exponential mechanism with utility <x, y>. With the repelling utility
    -<x, y> it is the same mechanism for -x at the same epsilon: `mechanism(-x)`.

    Args:
        dimension: d >= 4, of the vectors.
        kappa: > 0, the concentration.

    Example:
        >>> mechanism = VonMisesFisher.calibrate(512, epsilon=10.0)
        >>> mechanism.kappa, round(mechanism.cosine_kept(), 4)
        (5.0, 0.0098)
    """

    dimension: int
    kappa: float
    name: ClassVar[str] = "von-mises-fisher"

    def check_parameters(self) -> None:
        """Raise ValueError unless kappa is positive and finite."""
        require_positive("the concentration kappa", self.kappa)

    def cosines(self, count: int, *, rng: torch.Generator | None) -> Tensor:
        """Simulated cosines <x, y> by rejection (Wood 1994), see `exact_cosine`.

        Args:
            count: number of cosines.
            rng: source of the samples; torch's global CPU generator where None.
        """
        shift, peak = self._shift(), float(self._peak(arb(self._shift())))
        found = [draw_exponential((0,), rng)]  # on the generator's device
        missing = count
        while missing:
            t = uniform_cosines(missing, self.dimension, rng=rng)
            w = (shift + t) / (1 + shift * t)
            weight = self.kappa * w + (self.dimension - 1) * torch.log1p(-shift * w)
            found.append(w[draw_exponential((missing,), rng) >= peak - weight])
            missing -= len(found[-1])
        return torch.cat(found)

    def exact_cosine(self, draws: RandomBits) -> arb:
        """Enclosure of a cosine with density proportional to exp(kappa w) (1 - w^2)^((d - 3) / 2).

        By rejection: W = (s + T) / (1 + s T), T the cosine to a uniform vector, has density proportional to
        (1 - w^2)^((d - 3) / 2) / (1 - s w)^(d - 1); it is accepted with probability exp(h(w) - max h), h(w) =
        kappa w + (d - 1) ln(1 - s w). The law is correct for every shift s in (0, 1), which only affects the
        acceptance rate.

        Args:
            draws: random bits.

        Raises:
            Undecided: the known bits do not decide a comparison.
        """
        shift = arb(self._shift())
        peak = self._peak(shift)
        while True:
            t = exact_uniform_cosine(draws, self.dimension)
            w = (shift + t) / (1 + shift * t)
            weight = self.kappa * w + (self.dimension - 1) * (1 - shift * w).log()
            if not certified_less(draws.exponential(), peak - weight):
                return w

    def log_density(self, cosines: Floats) -> Floats:
        """Log-density relative to the uniform law on the sphere.

        Args:
            cosines: <x, y> in [-1, 1], of any shape.
        """
        return self.kappa * cosines - exponential_moment(self.kappa, self.dimension)[0]

    @property
    def epsilon(self) -> float:
        """Epsilon of the law, 2 kappa."""
        return 2 * self.kappa

    def metric_form(self) -> MetricForm:
        """Metric form: kappa per unit of L2 distance."""
        return MetricForm(self.kappa, Norm.L2, space="the unit vectors")

    def cosine_kept(self) -> float:
        """Mean cosine E<x, y> = I_{d/2}(kappa) / I_{d/2-1}(kappa), about kappa / d for small kappa."""
        return exponential_moment(self.kappa, self.dimension)[1]

    @classmethod
    def calibrate(cls, dimension: int, epsilon: float) -> "VonMisesFisher":
        """Return the law of concentration kappa = epsilon / 2.

        Args:
            dimension: d >= 4.
            epsilon: budget in nats.

        Raises:
            ValueError: as for `require_budget`.
        """
        require_budget(dimension, epsilon)
        return cls(dimension, epsilon / 2)

    def _shift(self) -> float:
        free = self.dimension - 1
        return 2 * self.kappa / (free + math.sqrt(free**2 + 4 * self.kappa**2))

    def _peak(self, shift: arb) -> arb:
        """max over real w of kappa w + (d - 1) ln(1 - s w), at w = 1 / s - (d - 1) / kappa."""
        free = self.dimension - 1
        return self.kappa / shift - free + free * (free * shift / self.kappa).log()
