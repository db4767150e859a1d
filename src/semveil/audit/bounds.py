# SPDX-License-Identifier: Apache-2.0
"""Lower bounds on epsilon from counts, by Clopper-Pearson bounds on two probabilities."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainccinv, betaincinv, ndtri

from semveil.mechanisms import gaussian_epsilon

Floats = NDArray[np.floating[Any]]


def at_least(hits: ArrayLike, draws: int, error: float) -> Floats:
    """Clopper-Pearson lower bounds on probabilities.

    Each exceeds the true value with probability at most `error`.

    Args:
        hits: number of draws in each event, 0 to `draws`.
        draws: number of independent draws, at least 1.
        error: in (0, 1), for each bound on its own.

    Example:
        Ten hits of ten: p >= error^(1/10).

        >>> round(float(at_least(10, 10, 0.05)), 4), round(0.05 ** (1 / 10), 4)
        (0.7411, 0.7411)
    """
    hits = np.asarray(hits, float)
    return np.where(hits > 0, betaincinv(np.maximum(hits, 1), draws - hits + 1, error), 0.0)


def at_most(hits: ArrayLike, draws: int, error: float) -> Floats:
    """Clopper-Pearson upper bounds on probabilities.

    Each is below the true value with probability at most `error`.

    Args:
        hits: number of draws in each event, 0 to `draws`.
        draws: number of draws.
        error: in (0, 1), for each bound on its own.
    """
    hits = np.asarray(hits, float)
    return np.where(hits < draws, betainccinv(hits + 1, np.maximum(draws - hits, 1), error), 1.0)


def forced_epsilon(likely: ArrayLike, unlikely: ArrayLike, delta: float = 0.0) -> Floats:
    """Smallest epsilon >= 0 with likely <= exp(epsilon) unlikely + delta.

    Args:
        likely: lower bound on an event's probability under one input.
        unlikely: upper bound on its probability under the other, > 0.
        delta: of the claim.

    Example:
        >>> round(float(forced_epsilon(0.5, 0.25)), 4)
        0.6931
    """
    excess = np.maximum(np.asarray(likely, float) - delta, 0.0)
    return np.log(np.maximum(excess / np.asarray(unlikely, float), 1.0))


def forced_mu(likely: ArrayLike, unlikely: ArrayLike) -> Floats:
    """Smallest mu >= 0 of Gaussian differential privacy whose trade-off curve allows the two probabilities.

    Normal noise of standard deviation sigma on inputs Delta apart satisfies Phi^-1(p) - Phi^-1(q) <= mu =
    Delta / sigma for every event (Dong, Roth and Su 2022).

    Args:
        likely: p, probability of each event under one input, in [0, 1].
        unlikely: q, probability of the same events under the other input.
    """
    return np.maximum(ndtri(np.asarray(likely, float)) - ndtri(np.asarray(unlikely, float)), 0.0)


def epsilon_of_mu(mu: float, delta: float) -> float:
    """Epsilon of Gaussian noise with Delta / sigma = mu; 0 where mu is not positive.

    Args:
        mu: ratio of the L2 distance of the inputs to the standard deviation.
        delta: in (0, 1).
    """
    return gaussian_epsilon(delta, 1 / mu) if mu > 0 else 0.0


def max_detectable_epsilon(draws: int, error: float, delta: float, *, gaussian: bool = False) -> float:
    """Largest lower bound on epsilon that a test of this size can give.

    It is the bound for outputs that separate the inputs perfectly.

    Args:
        draws: number of draws under each input.
        error: of each one-sided bound, in (0, 1).
        delta: of the claim, in [0, 1).
        gaussian: also compute the bound for normal noise, and return the larger one.

    Example:
        >>> round(max_detectable_epsilon(500_000, 1e-6 / 4, 0.0), 2)
        10.4
    """
    likely, unlikely = at_least(draws, draws, error), at_most(0, draws, error)
    detected = float(forced_epsilon(likely, unlikely, delta))
    return max(detected, epsilon_of_mu(float(forced_mu(likely, unlikely)), delta)) if gaussian else detected


def error_of_a_bound(false_alarm: float, statistics: int) -> float:
    """Error of each one-sided bound such that all hold together with probability 1 - `false_alarm`.

    By the union bound `false_alarm / (4 * statistics)`: each statistic gives one event in each of two
    directions, and each event needs two probabilities.

    Args:
        false_alarm: probability in (0, 1) of refuting a true claim.
        statistics: number of statistics, at least 1.

    Raises:
        ValueError: `false_alarm` is not in (0, 1).
    """
    if not (0 < false_alarm < 1 and math.isfinite(false_alarm)):
        raise ValueError(f"the probability of a false alarm must lie in (0, 1), got {false_alarm}")
    return false_alarm / (4 * statistics)
