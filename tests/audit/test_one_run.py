# SPDX-License-Identifier: Apache-2.0
"""One-run auditing against closed forms, exact enumeration and trainings of known epsilon."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from semveil.audit import TrainingGame, Verdict, play_training
from semveil.audit.one_run import chance_of_guesses, one_run_epsilon, right_guesses
from semveil.privacy.guarantee import Basis, Guarantee


def responding(epsilon: float, rng: np.random.Generator) -> object:
    """Each canary's score is its coin, told truly with probability e^epsilon / (e^epsilon + 1): exactly
    epsilon.
    """
    lie = 1 / (1 + math.exp(epsilon))

    def train(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
        return (inside ^ (rng.random(len(inside)) < lie)) + rng.random(len(inside)) / 2

    return train


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 2.0])
def test_without_delta_the_chance_is_the_binomial_tail(epsilon: float) -> None:
    share = 1 / (1 + math.exp(-epsilon))
    assert chance_of_guesses(500, 100, 80, epsilon, 0.0) == pytest.approx(stats.binom.sf(79, 100, share))


def test_delta_adds_the_largest_share_of_what_lies_just_below() -> None:
    share, m, r, v, delta = 1 / (1 + math.exp(-1.0)), 30, 10, 8, 1e-4
    law = stats.binom(r, share)
    most = max(sum(law.pmf(k) for k in range(v - i, v)) / i for i in range(1, v + 1))
    assert chance_of_guesses(m, r, v, 1.0, delta) == pytest.approx(law.sf(v - 1) + 2 * m * delta * most)


def test_the_bound_falls_with_delta_and_wrong_guesses_and_rises_with_right_ones() -> None:
    assert one_run_epsilon(1000, 200, 190, 0.0, 1e-4) > one_run_epsilon(1000, 200, 180, 0.0, 1e-4) > 0
    assert one_run_epsilon(1000, 200, 190, 1e-8, 1e-4) < one_run_epsilon(1000, 200, 190, 0.0, 1e-4)
    assert one_run_epsilon(1000, 200, 100, 0.0, 1e-4) == 0.0


def test_a_true_epsilon_is_seldom_exceeded_and_nearly_reached() -> None:
    """At false alarms of 5 %, of 300 runs: 31 and more would have probability 1e-4."""
    rng = np.random.default_rng(0)
    bounds = []
    for _ in range(300):
        inside = rng.random(2_000) < 0.5
        right, guesses = right_guesses(responding(1.0, rng)(inside), inside, 500)  # type: ignore[operator]
        bounds.append(one_run_epsilon(2_000, guesses, right, 0.0, 0.05))
    assert sum(bound > 1.0 for bound in bounds) <= 30
    assert np.median(bounds) > 0.8


def game(true: float, claimed: float, *, seed: int) -> TrainingGame:
    rng = np.random.default_rng(seed)
    claim = Guarantee(claimed, "a canary", Basis.SIMULATION)
    fault = "epsilon doubled", responding(2 * claimed, rng)
    return TrainingGame("test", "canaries", claim, 2_000, responding(true, rng), fault)  # type: ignore[arg-type]


def test_verdicts() -> None:
    sound = play_training(game(1.0, 1.0, seed=1))
    assert (sound.verdict, sound.powers[0].by_game) == (Verdict.PASS, 1.0)
    assert play_training(game(2.0, 1.0, seed=2)).verdict == Verdict.VIOLATED
    beyond = play_training(game(5.0, 8.0, seed=3))  # 2,000 coins show no more than about 5
    assert beyond.verdict == Verdict.NOT_TESTABLE and beyond.max_detectable_epsilon < 8.0
