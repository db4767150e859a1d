# SPDX-License-Identifier: Apache-2.0
"""Claims of a paper, checked against the results of a run."""

from dataclasses import dataclass

from semveil.attacks.intervals import Score


@dataclass(frozen=True)
class Claim:
    """Attributes: text of the paper; ours, in words with numbers; holds: None where the run is inconclusive."""

    text: str
    ours: str
    holds: bool | None

    @property
    def verdict(self) -> str:
        return {True: "holds", False: "does not hold", None: "inconclusive"}[self.holds]


def side(rate: Score | None, border: float) -> bool | None:
    """Whether a rate is above a border, None where its interval holds it.

    Args:
        rate: with its interval; None where it was not measured.
        border: in the unit of the rate.
    """
    if rate is None or rate.low <= border <= rate.high:
        return None
    return rate.low > border


def agreed(verdicts: set[bool | None]) -> bool | None:
    """The one verdict, None where there are two.

    Args:
        verdicts: of parts of a claim: holds, does not, or None where it was not measured.
    """
    return next(iter(verdicts)) if len(verdicts) == 1 else None
