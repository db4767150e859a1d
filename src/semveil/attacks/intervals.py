# SPDX-License-Identifier: Apache-2.0
"""Rates and areas under ROC curves with 95 % intervals over independent units."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, rankdata

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Score:
    """An estimate with its 95 % interval.

    Attributes:
        value: the estimate.
        low: lower end of the interval.
        high: upper end of the interval.
        count: number of independent units (photos or people).
    """

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def rate(hits: ArrayLike, *, units: int | None = None) -> Score:
    """Success rate with the Clopper-Pearson interval.

    Args:
        hits: booleans, one per trial.
        units: number of independent units (people, if a person contributes several trials); the number of
            trials where None.

    Raises:
        ValueError: there are no trials.

    Example:
        >>> str(rate([False] * 10))
        '0.000 [0.000, 0.308]'
    """
    flags = np.asarray(hits, bool)
    if flags.size == 0:
        raise ValueError("a rate needs at least one trial")
    n, tail = units or flags.size, (1 - LEVEL) / 2
    share = float(flags.mean())
    k = share * n
    low = float(beta.ppf(tail, k, n - k + 1)) if k > 0 else 0.0
    high = float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
    return Score(share, low, high, n)


def auc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Area under the ROC curve: P(positive > negative) + P(tie) / 2.

    This is the Mann-Whitney U statistic divided by the number of pairs.

    Args:
        positive: scores of the positives, at least one.
        negative: scores of the negatives, at least one.

    Raises:
        ValueError: either is empty.

    Example:
        >>> auc([3, 4], [1, 2]), auc([1, 2], [1, 2])
        (1.0, 0.5)
    """
    p, n = np.asarray(positive, float).ravel(), np.asarray(negative, float).ravel()
    if not (p.size and n.size):
        raise ValueError(f"an AUC needs both kinds, got {p.size} positives and {n.size} negatives")
    ranks = rankdata(np.concatenate([p, n]))
    return float((ranks[: p.size].sum() - p.size * (p.size + 1) / 2) / (p.size * n.size))


def resampled(statistic: Callable[[NDArray[np.intp]], float], count: int) -> Score:
    """Statistic of `count` units with a percentile-bootstrap interval.

    Resampling is seeded, so equal data give equal results.

    Args:
        statistic: maps indices of units, repeats included, to a number; NaN for a resample on which it is
            undefined.
        count: number of units.
    """
    draws = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
    low, high = np.nanquantile([statistic(rows) for rows in draws], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Score(statistic(np.arange(count)), float(low), float(high), count)
