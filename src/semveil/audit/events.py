# SPDX-License-Identifier: Apache-2.0
"""Test events: thresholds on a statistic, selected on draws that are not used for the count."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from semveil.audit.bounds import Floats, at_least, at_most, forced_epsilon, forced_mu

CANDIDATES = 100  # thresholds at evenly spaced ranks, in addition to those at both ends


@dataclass(frozen=True)
class Event:
    """Event {statistic >= threshold} or {statistic <= threshold}, assumed likelier under input `likelier`."""

    statistic: str
    above: bool
    threshold: float
    likelier: int

    def hits(self, values: Floats) -> int:
        """Number of values in the event.

        Args:
            values: (N,) values of the statistic.
        """
        return int(np.count_nonzero(values >= self.threshold if self.above else values <= self.threshold))

    def __str__(self) -> str:
        return f"{self.statistic} {'>=' if self.above else '<='} {self.threshold:.6g}"


def choose_events(
    measured: tuple[Mapping[str, Floats], Mapping[str, Floats]], *, error: float, delta: float, gaussian: bool
) -> list[Event]:
    """Choose for every statistic and both directions the event with the largest bound on these draws.

    Args:
        measured: statistics of draws from input 0 and from input 1.
        error: of each one-sided bound.
        delta: of the claim.
        gaussian: choose by the Gaussian trade-off instead of epsilon.
    """
    chosen = []
    for name in measured[0]:
        values = tuple(np.sort(side[name]) for side in measured)
        thresholds = _thresholds(np.sort(np.concatenate(values)))
        above = [len(v) - np.searchsorted(v, thresholds, "left") for v in values]
        below = [np.searchsorted(v, thresholds, "right") for v in values]
        for likelier in (0, 1):
            best: tuple[float, Event] | None = None
            for is_above, counts in ((True, above), (False, below)):
                likely = at_least(counts[likelier], len(values[likelier]), error)
                unlikely = at_most(counts[1 - likelier], len(values[1 - likelier]), error)
                forced = forced_mu(likely, unlikely) if gaussian else forced_epsilon(likely, unlikely, delta)
                # no event gives a bound on these draws; take the one with the largest difference
                if not forced.any():
                    forced = (counts[likelier] - counts[1 - likelier]) / len(values[0]) - 1.0
                i = int(forced.argmax())
                if best is None or forced[i] > best[0]:
                    best = float(forced[i]), Event(name, is_above, float(thresholds[i]), likelier)
            assert best is not None
            chosen.append(best[1])
    return chosen


def _thresholds(pooled: Floats) -> Floats:
    """Values at evenly spaced ranks and, in doubling steps, at both ends."""
    count = len(pooled)
    steps = 2 ** np.arange(int(np.log2(count)))
    ranks = np.concatenate([np.linspace(0, count - 1, CANDIDATES).astype(int), steps, count - 1 - steps])
    return np.unique(pooled[ranks])
