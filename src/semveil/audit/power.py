# SPDX-License-Identifier: Apache-2.0
"""Power of a test against a planted fault: binomial probabilities from one play of the fault.

The fault is played once, in the same game with as many draws. Clopper-Pearson bounds enclose the unknown
probabilities of its events with confidence `1 - DOUBT`; the less favourable ends determine, without further
draws, the fraction of repetitions in which the same events would refute the claim.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import ndtr, ndtri

from semveil.audit.bounds import Floats, at_least, at_most
from semveil.privacy.gaussian_curve import gaussian_ratio
from semveil.privacy.guarantee import Guarantee

POWER = 0.95  # a fault must be detected in 19 of 20 runs
DOUBT = 0.01  # upper bound on the probability that a stated power is too high
_TAIL = 1e-9  # probability of each tail of hits that the sum leaves out


@dataclass(frozen=True)
class Power:
    """Power of a game against a planted fault.

    Attributes:
        fault: in words.
        by_game: lower bound on the probability that the distinguishing game refutes the claim.
        by_fit: the same for the goodness of fit; None where no law is known.
    """

    fault: str
    by_game: float
    by_fit: float | None = None

    @property
    def caught(self) -> bool:
        """Whether one of the two tests detects the fault in at least 19 of 20 runs."""
        return max(self.by_game, self.by_fit or 0.0) >= POWER


def refuting(unlikely: Floats, claim: Guarantee, *, gaussian: bool) -> Floats:
    """Threshold on an event's probability under one input above which it refutes the claim.

    Args:
        unlikely: probabilities under the other input, of any shape.
        claim: with a finite epsilon.
        gaussian: use the tighter trade-off of normal noise as well.

    Example:
        >>> from semveil.privacy.guarantee import Basis
        >>> refuting(np.array([0.25]), Guarantee(0.0, "a bit", Basis.PROVED), gaussian=False).tolist()
        [0.25]
    """
    assert claim.epsilon is not None
    with np.errstate(over="ignore"):
        needed = np.exp(claim.epsilon) * unlikely + claim.delta
    if gaussian and claim.epsilon > 0:
        needed = np.minimum(needed, ndtr(ndtri(unlikely) + 1 / gaussian_ratio(claim.epsilon, claim.delta)))
    return needed


def event_power(
    hits: tuple[int, int],
    draws: int,
    claim: Guarantee,
    *,
    error: float,
    doubt: float = DOUBT,
    gaussian: bool = False,
) -> float:
    """Lower bound on the probability that counting an event in `draws` draws refutes the claim.

    Args:
        hits: number of the fault's draws in the event, for the likelier input first.
        draws: number of counted draws of each input.
        claim: with a finite epsilon.
        error: error of each of the test's one-sided bounds.
        doubt: upper bound on the probability that the result is too high.
        gaussian: whether the test also uses the Gaussian trade-off.

    Example:
        >>> from semveil.privacy.guarantee import Basis
        >>> claim = Guarantee(1.0, "a bit", Basis.PROVED)
        >>> event_power((900, 100), 1000, claim, error=1e-7) > 0.99
        True
        >>> event_power((600, 400), 1000, claim, error=1e-7)
        0.0
    """
    likely = float(at_least(hits[0], draws, doubt / 2))
    unlikely = float(at_most(hits[1], draws, doubt / 2))
    low, high = stats.binom.ppf([_TAIL, 1 - _TAIL], draws, unlikely)
    others = np.arange(low, high + 1)
    needed = refuting(at_most(others, draws, error), claim, gaussian=gaussian)
    possible = needed < 1
    if not possible.any():
        return 0.0
    others, needed = others[possible], needed[possible]
    # at_least(h) > needed where P[Binomial(draws, needed) >= h] < error
    fewest = stats.binom.isf(error, draws, needed) + 1
    caught = stats.binom.pmf(others, draws, unlikely) * stats.binom.sf(fewest - 1, draws, likely)
    return float(min(1.0, caught.sum()))
