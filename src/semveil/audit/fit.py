# SPDX-License-Identifier: Apache-2.0
"""Goodness of fit of released outputs to the distribution assumed by a claim."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from semveil.audit.bounds import Floats, at_least, at_most
from semveil.audit.game import Law
from semveil.audit.power import DOUBT

FIT_DRAWS = 100_000  # maximum number of outputs compared per input
REFERENCES = 5  # reference samples per output; they add less than half to the critical distance
FEWEST_REFERENCES = 2_000

Samples = tuple[Mapping[str, Floats], Mapping[str, Floats]]


@dataclass(frozen=True)
class Fit:
    """Distance of the outputs from the claimed law.

    Attributes:
        law: in words.
        draws: number of outputs of each input that were compared.
        statistic: the statistic with the largest distance relative to its critical distance.
        distance: Kolmogorov-Smirnov distance of its distribution from the law's.
        critical: a larger distance refutes the law.
    """

    law: str
    draws: int
    statistic: str
    distance: float
    critical: float

    @property
    def refuted(self) -> bool:
        """Whether the distance exceeds the critical distance."""
        return self.distance > self.critical


class FitTest:
    """Goodness-of-fit test of every statistic, under either input, against an independent sample of the law.

    The distance refutes the law where it exceeds sqrt(ln(4/e) / 2m) + sqrt(ln(4/e) / 2M) for m outputs and M
    reference outputs. By the Dvoretzky-Kiefer-Wolfowitz inequality (Massart 1990) the empirical distributions
    deviate by more with probability e at most, for every m, and for laws with atoms too.

    Args:
        law: claimed law.
        draws: m, number of outputs of each input.
        false_alarm: upper bound on the probability that outputs which follow the law are refuted by any
            statistic.
        rng: source of the reference outputs.
    """

    def __init__(self, law: Law, draws: int, false_alarm: float, rng: np.random.Generator) -> None:
        self.law, self.draws = law, draws
        count = max(FEWEST_REFERENCES, REFERENCES * draws)
        worlds = (0,) if law.same else (0, 1)
        self._reference = [
            {k: np.sort(v) for k, v in law.reference(world, count, rng).items()} for world in worlds
        ]
        self._reference *= 2 if law.same else 1
        error = false_alarm / (2 * len(self._reference[0]))
        self.critical = sum(math.sqrt(math.log(4 / error) / (2 * size)) for size in (draws, count))

    def compare(self, samples: Samples) -> Fit:
        """Compute the Kolmogorov-Smirnov distance of the outputs from the law, with its critical value.

        The result has the statistic with the largest distance over both inputs.

        Args:
            samples: statistics of the outputs by name, (draws,) each; those of input 0 first, then those of
                input 1.
        """
        distances = {
            name: max(_farthest(samples[w][name], self._reference[w][name])[0] for w in (0, 1))
            for name in samples[0]
        }
        worst = max(distances, key=lambda name: distances[name])
        return Fit(self.law.words, self.draws, worst, distances[worst], self.critical)

    def power(self, samples: Samples, doubt: float = DOUBT) -> float:
        """Lower confidence bound on the probability that the test refutes the law under a fault.

        One half of the faulty outputs selects the statistic, input and point at which the distributions
        differ most. The other half bounds the probability below that point, and the number of outputs below
        it is binomial.

        Args:
            samples: statistics of the faulty outputs, as for `compare`.
            doubt: error of each bound on that probability, in (0, 1).
        """
        halves = [
            ({k: v[::2] for k, v in side.items()}, {k: v[1::2] for k, v in side.items()}) for side in samples
        ]
        points = {
            (w, name): _farthest(halves[w][0][name], self._reference[w][name])
            for w in (0, 1)
            for name in samples[0]
        }
        world, name = max(points, key=lambda key: points[key][0])
        _, at = points[world, name]
        law = float(np.searchsorted(self._reference[world][name], at, "right")) / len(
            self._reference[world][name]
        )
        counted = halves[world][1][name]
        hits = int(np.count_nonzero(counted <= at))
        likely, unlikely = (
            float(at_least(hits, len(counted), doubt)),
            float(at_most(hits, len(counted), doubt)),
        )
        above = stats.binom.sf(math.floor(self.draws * (law + self.critical)), self.draws, likely)
        below = stats.binom.cdf(math.ceil(self.draws * (law - self.critical)) - 1, self.draws, unlikely)
        return float(max(above if likely > law else 0.0, below if unlikely < law else 0.0))


def _farthest(sample: Floats, reference: Floats) -> tuple[float, float]:
    """Largest distance of two empirical distribution functions, and its location; `reference` is sorted.

    Example:
        >>> _farthest(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
        (1.0, 1.0)
    """
    sample = np.sort(sample)
    points = np.concatenate([sample, reference])
    below = [np.searchsorted(values, points, "right") / len(values) for values in (sample, reference)]
    distances = np.abs(below[0] - below[1])
    i = int(distances.argmax())
    return float(distances[i]), float(points[i])
