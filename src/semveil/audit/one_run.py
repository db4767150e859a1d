# SPDX-License-Identifier: Apache-2.0
"""Audit of a private training in one run, with many canaries at once.

After Steinke, Nasr and Jagielski, NeurIPS 2023. Each canary is included in the training set by an independent
fair coin. Afterwards an auditor with the trained networks guesses the coins of some canaries. If the training
is (epsilon, delta)-private under adding or removing one image, the number of correct guesses is, up to delta,
stochastically bounded by that of independent guesses that are correct with probability e^epsilon / (e^epsilon
+ 1).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from semveil.audit.bounds import Floats
from semveil.audit.finding import Finding
from semveil.audit.power import Power
from semveil.audit.referee import FALSE_ALARM, Progress
from semveil.privacy.guarantee import Guarantee

# fractions of canaries that are guessed, the most confident ones; each is a separate test
SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)
RUNS = 20  # number of trainings with the fault
_LARGEST = 50.0  # upper end of the search for epsilon

Train = Callable[[NDArray[np.bool_]], Floats]


@dataclass(frozen=True, eq=False)
class TrainingGame:
    """Game of guessing from the trained networks which canaries were in the training set.

    Attributes:
        target, pair, claim: as in `Game`; neighbours are training sets with and without one canary.
        canaries: number of canaries.
        train: function from the included canaries, a mask (canaries,), to a score of each; higher means more
            likely included.
        fault: description and broken training, which doubles epsilon.
    """

    target: str
    pair: str
    claim: Guarantee
    canaries: int
    train: Train
    fault: tuple[str, Train]


def play_training(
    game: TrainingGame, *, false_alarm: float = FALSE_ALARM, progress: Progress = lambda done, total: None
) -> Finding:
    """Bound epsilon from below by one sound training, and estimate the power by 20 broken ones.

    The power is the fraction of broken trainings whose bound exceeds the claim.

    Args:
        game: game to play.
        false_alarm: upper bound on the probability of reporting a true claim as violated.
        progress: callback with the number of trainings done and their total.
    """
    started = time.process_time()
    rng = np.random.default_rng()

    def played(train: Train) -> tuple[float, int, int]:
        inside = rng.random(game.canaries) < 0.5
        scores = np.asarray(train(inside), np.float64)
        bounds = []
        for share in SHARES:
            right, guesses = right_guesses(scores, inside, max(1, round(game.canaries * share / 2)))
            epsilon = one_run_epsilon(
                game.canaries, guesses, right, game.claim.delta, false_alarm / len(SHARES)
            )
            bounds.append((epsilon, right, guesses))
        return max(bounds)

    lower, right, guesses = played(game.train)
    claimed, caught = game.claim.epsilon, 0
    progress(1, RUNS + 1)
    planted = claimed is not None and lower <= claimed
    for run in range(RUNS if planted else 0):
        caught += played(game.fault[1])[0] > (claimed or 0.0)
        progress(run + 2, RUNS + 1)
    most = one_run_epsilon(
        game.canaries, game.canaries, game.canaries, game.claim.delta, false_alarm / len(SHARES)
    )
    return Finding(
        target=game.target,
        pair=game.pair,
        claim=game.claim,
        draws=1,
        counted=guesses,
        false_alarm=false_alarm,
        lower=lower,
        max_detectable_epsilon=most,
        separated=right == guesses,
        event=f"the {guesses} most confident guesses of {game.canaries} canaries" if lower > 0 else None,
        hits=(right, guesses - right) if lower > 0 else None,
        powers=() if not planted else (Power(game.fault[0], caught / RUNS),),
        cpu_seconds=time.process_time() - started,
    )


def right_guesses(scores: Floats, inside: NDArray[np.bool_], each: int) -> tuple[int, int]:
    """Number of correct guesses and of all guesses.

    The highest scores are guessed included and the lowest excluded.

    Args:
        scores: (m,) score of each canary; higher means more likely included.
        inside: (m,) whether the canary was included.
        each: number of guesses in each direction, from 1 to m / 2.

    Example:
        >>> right_guesses(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, False, True, False]), 1)
        (2, 2)
    """
    order = np.argsort(scores, kind="stable")
    return int(inside[order[-each:]].sum() + (~inside[order[:each]]).sum()), 2 * each


def one_run_epsilon(canaries: int, guesses: int, right: int, delta: float, error: float) -> float:
    """Largest epsilon that this number of correct guesses refutes, a lower bound up to the error.

    Args:
        canaries: m, number of canaries.
        guesses: number of guesses.
        right: number of correct guesses.
        delta: of the claim.
        error: upper bound on the probability that the true epsilon is below the result.

    Example:
        Without delta, r correct guesses of r have probability (e^epsilon / (e^epsilon + 1))^r.

        >>> share = 1e-6 ** (1 / 100)
        >>> abs(one_run_epsilon(1000, 100, 100, 0.0, 1e-6) - math.log(share / (1 - share))) < 1e-6
        True
    """
    if chance_of_guesses(canaries, guesses, right, 0.0, delta) > error:
        return 0.0
    low, high = 0.0, _LARGEST
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if chance_of_guesses(canaries, guesses, right, middle, delta) <= error
            else (low, middle)
        )
    return low


def chance_of_guesses(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """Upper bound on the probability of at least this many correct guesses under (epsilon, delta).

    Theorem 5.2 of the paper: with W binomial of `guesses` and e^epsilon / (e^epsilon + 1), P[W >= v] + 2 m
    delta max_i P[v - i <= W < v] / i.

    Args:
        canaries: m, number of canaries.
        guesses: number of guesses, at most m.
        right: v, number of correct guesses.
        epsilon: of the claim, finite and at least 0.
        delta: of the claim, in [0, 1].
    """
    share = 1 / (1 + math.exp(-epsilon))
    chance = float(stats.binom.sf(right - 1, guesses, share))
    if delta > 0 and right > 0:
        steps = np.arange(1, right + 1)
        just_below = np.cumsum(stats.binom.pmf(right - steps, guesses, share))
        chance += 2 * canaries * delta * float((just_below / steps).max())
    return min(chance, 1.0)
