# SPDX-License-Identifier: Apache-2.0
"""Claims of a paper, checked against the results of a run."""

from dataclasses import dataclass

from semveil.attacks.intervals import Score


@dataclass(frozen=True)
class Claim:
    """A claim of a paper with its verdict.

    Attributes:
        text: the claim.
        ours: our result, in words with numbers.
        holds: the verdict; None if the run is inconclusive.
    """

    text: str
    ours: str
    holds: bool | None

    @property
    def verdict(self) -> str:
        return {True: "holds", False: "does not hold", None: "inconclusive"}[self.holds]


def side(rate: Score | None, border: float) -> bool | None:
    """Return whether a rate is above a limit; None if its interval contains the limit.

    Args:
        rate: rate with its interval; None if it was not measured, which gives None.
        border: limit, in the unit of the rate.
    """
    if rate is None or rate.low <= border <= rate.high:
        return None
    return rate.low > border


def agreed(verdicts: set[bool | None]) -> bool | None:
    """Return the common verdict; None if the verdicts differ.

    Args:
        verdicts: of the parts of a claim; None where a part was not measured.
    """
    return next(iter(verdicts)) if len(verdicts) == 1 else None
