# SPDX-License-Identifier: Apache-2.0
"""Upper tails of log-concave laws, sampled in floats and exactly by exponential rejection (Robert 1995)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from flint import arb
from torch import Tensor

from semveil.mechanisms.base import draw_exponential
from semveil.mechanisms.exact.sphere import RandomBits, certified_less


@dataclass(frozen=True)
class Tail:
    """Law with density proportional to exp(l(t)) on [threshold, limit), l concave.

    A concave function is below its tangent, so t = threshold + E / s with s = -l'(touch), accepted if E' >=
    l(touch) + l'(touch) (t - touch) - l(t), has exactly this law, E and E' standard exponential. Any touch
    with l'(touch) < 0 is valid; the acceptance rate is largest where touch - threshold = 1 / s.

    Args:
        log_density: l, of tensors and of balls.
        slope: l'.
        threshold, limit: ends of the interval.
        touch: point of tangency, in (-inf, limit).
    """

    log_density: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    threshold: float
    limit: float
    touch: float

    def draw(self, count: int, *, rng: torch.Generator | None) -> Tensor:
        """Simulated samples.

        Args:
            count: number of samples.
            rng: source of the samples, which are on its device; torch's global CPU generator where None.

        Returns:
            (count,) float64.
        """
        touch = torch.tensor(self.touch, dtype=torch.float64)
        height, slope = float(self.log_density(touch)), float(self.slope(touch))
        found = [draw_exponential((0,), rng)]  # on the generator's device
        missing = count
        while missing:
            steps, slack = draw_exponential((2, missing), rng)
            t = self.threshold - steps / slope
            above = height + slope * (t - self.touch) - self.log_density(t)  # NaN beyond the limit
            found.append(t[(t < self.limit) & (slack >= above)])
            missing -= len(found[-1])
        return torch.cat(found)

    def exact(self, draws: RandomBits) -> arb:
        """Enclosure of one sample of exactly this law.

        Args:
            draws: random bits.

        Raises:
            Undecided: the known bits do not decide a comparison.
        """
        touch = arb(self.touch)
        height, slope = self.log_density(touch), self.slope(touch)
        while True:
            t = self.threshold - draws.exponential() / slope
            slack = draws.exponential()
            if certified_less(t, arb(self.limit)) and not certified_less(
                slack, height + slope * (t - touch) - self.log_density(t)
            ):
                return t


def cap_tail(threshold: float, dimension: int) -> Tail:
    """Law of the cosine to a uniform vector, restricted to a cap.

    Its density is (1 - t^2)^((d - 3) / 2) on [threshold, 1), up to a factor.

    Args:
        threshold: smallest cosine, in [0, 1).
        dimension: d >= 4.

    Example:
        >>> bool((cap_tail(0.5, 16).draw(100, rng=torch.Generator().manual_seed(0)) >= 0.5).all())
        True
    """
    power = (dimension - 3) / 2
    whole = 2 * power + 1  # touch - threshold = 1 / s is a quadratic equation
    return Tail(
        lambda t: power * (1 - t * t).log(),
        lambda t: -2 * power * t / (1 - t * t),
        threshold,
        1.0,
        touch=(power * threshold + math.sqrt((power * threshold) ** 2 + whole)) / whole,
    )


def normal_tail(threshold: float) -> Tail:
    """Standard normal law restricted to [threshold, inf) (Robert 1995).

    Args:
        threshold: smallest value.

    Example:
        >>> bool((normal_tail(30.0).draw(100, rng=torch.Generator().manual_seed(0)) >= 30).all())
        True
    """
    return Tail(
        lambda t: -t * t / 2,
        lambda t: -t,
        threshold,
        math.inf,
        touch=(threshold + math.sqrt(threshold**2 + 4)) / 2,
    )
