# SPDX-License-Identifier: Apache-2.0
"""The referee on games whose epsilon is known:
bounds that hold and are near, verdicts, and bounded memory.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest

from semveil.audit import Fault, Game, Verdict, at_twice_the_budget, less_noise, play
from semveil.audit.referee import PART
from semveil.privacy.guarantee import Basis, Guarantee


def claim(epsilon: float | None, *, delta: float = 0.0) -> Guarantee:
    if epsilon is None:
        return Guarantee.none("nothing", reason="a test")
    return Guarantee(epsilon, "a bit", Basis.PROVED, delta=delta)


def game(draw: Callable[[int, int], np.ndarray], epsilon: float | None, **more: object) -> Game:
    return Game("test", "two bits", claim(epsilon), draw, lambda y: {"value": y[:, 0]}, **more)


def randomised_response(epsilon: float, seed: int = 0) -> Callable[[int, int], np.ndarray]:
    """Tells the truth with probability e^epsilon / (1 + e^epsilon): exactly epsilon."""
    rng, lie = np.random.default_rng(seed), 1 / (1 + math.exp(epsilon))
    return lambda world, count: ((rng.random(count) < lie) ^ bool(world)).astype(float)[:, None]


def told_apart(epsilon: float) -> Fault:
    """Randomised response of twice the budget."""
    return at_twice_the_budget(randomised_response(2 * epsilon, seed=9))


def always(world: int, count: int) -> np.ndarray:
    return np.full((count, 1), float(world))


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 5.0])
def test_the_bound_holds_and_is_near(epsilon: float) -> None:
    found = play(game(randomised_response(epsilon), epsilon, faults=(told_apart(epsilon),)), draws=400_000)
    # relative error of the rarer probability: 200,000 draws, bounds 5.3 standard errors out, both
    # probabilities
    rare = 1 / (1 + math.exp(epsilon))
    assert epsilon - 2 * 6 / math.sqrt(200_000 * rare) < found.lower < epsilon
    assert found.verdict == Verdict.PASS
    assert found.event is not None


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 5.0])
def test_a_claim_too_low_is_violated(epsilon: float) -> None:
    found = play(game(randomised_response(2 * epsilon), epsilon), draws=400_000)
    assert found.verdict == Verdict.VIOLATED
    assert found.alarm


def test_tight_claims_are_seldom_called_violated() -> None:
    """300 tests of a true, tight claim with false alarms of 5 %; 31 and more would have probability 1e-4."""
    draw = randomised_response(1.0, seed=1)
    alarms = sum(play(game(draw, 1.0), draws=400, false_alarm=0.05).lower > 1.0 for _ in range(300))
    assert alarms <= 30


def test_a_claim_beyond_what_the_draws_can_show_is_not_testable() -> None:
    found = play(game(randomised_response(3.0), 20.0, faults=(told_apart(20.0),)), draws=2_000)
    assert found.lower < found.max_detectable_epsilon < 20.0
    assert (found.verdict, found.carried_by) == (Verdict.NOT_TESTABLE, None)
    assert "insufficient power at this number of draws to detect: epsilon doubled" in found.remark


def test_without_a_planted_fault_nothing_passes() -> None:
    found = play(game(randomised_response(1.0), 1.0), draws=20_000)
    assert found.verdict == Verdict.NOT_TESTABLE
    assert found.remark == "no fault was planted"


@pytest.mark.parametrize("draws", [600, 1_200, 2_400, 5_000, 20_000])
def test_passing_means_that_the_fault_is_caught_in_19_of_20_runs(draws: int) -> None:
    """The stated power is a lower bound of the share of 200 repetitions that refute the claim.

    Of a test with power .95, fewer than 178 of 200 do with probability 5e-4.
    """
    sound, twice = randomised_response(1.0), randomised_response(2.0, seed=3)
    found = play(game(sound, 1.0, faults=(at_twice_the_budget(twice),)), draws=draws)
    caught = sum(play(game(twice, 1.0), draws=draws).verdict == Verdict.VIOLATED for _ in range(200))
    assert (draws, found.verdict) in {
        (600, Verdict.NOT_TESTABLE),
        (20_000, Verdict.PASS),
    } or 600 < draws < 20_000
    if found.verdict == Verdict.PASS:
        assert caught >= 178
    (power,) = found.powers
    assert caught / 200 >= power.by_game - 4 * math.sqrt(0.25 / 200)


def test_a_game_that_cannot_tell_the_fault_is_not_testable_whatever_its_draws_could_show() -> None:
    """Perfect separation would show epsilon 6 here, and a fault that adds nothing to the game's one event is
    not seen.
    """
    found = play(game(randomised_response(1.0), 1.0, faults=(told_apart(0.5),)), draws=20_000)
    assert found.max_detectable_epsilon > 5
    assert found.verdict == Verdict.NOT_TESTABLE


def test_every_planted_fault_must_be_caught() -> None:
    faults = (told_apart(1.0), Fault("nothing", change=lambda world, outputs: outputs))
    found = play(game(randomised_response(1.0), 1.0, faults=faults), draws=50_000)
    assert [power.caught for power in found.powers] == [True, False]
    assert found.verdict == Verdict.NOT_TESTABLE and "to detect: nothing" in found.remark


def test_a_fault_has_draws_or_a_change() -> None:
    with pytest.raises(ValueError, match="not both"):
        Fault("neither")


def test_deterministic_outputs_have_no_finite_epsilon() -> None:
    found = play(game(always, None), draws=2_000)
    assert found.verdict == Verdict.NO_FINITE_EPSILON
    assert found.lower == found.max_detectable_epsilon
    assert play(game(always, 0.5), draws=2_000).verdict == Verdict.VIOLATED


def test_outputs_that_never_vary_refute_no_more_than_so_many_draws_can() -> None:
    """Randomised response of epsilon 50 always tells the truth in so few draws, and its claim is true."""
    found = play(game(randomised_response(50.0), 50.0, faults=(told_apart(50.0),)), draws=2_000)
    assert found.verdict == Verdict.NOT_TESTABLE
    assert found.lower == found.max_detectable_epsilon < 50


def test_one_output_for_both_inputs_is_private() -> None:
    shown = Fault("the input shown", change=lambda world, outputs: outputs + world)
    found = play(game(lambda world, count: np.ones((count, 1)), 0.0, faults=(shown,)), draws=2_000)
    assert (found.verdict, found.lower) == (Verdict.PASS, 0.0)


def test_no_claim_and_no_separation_is_not_testable() -> None:
    assert play(game(randomised_response(1.0), None), draws=2_000).verdict == Verdict.NOT_TESTABLE


def test_delta_forgives_what_is_rarer() -> None:
    rng = np.random.default_rng(0)

    def leaks(world: int, count: int) -> np.ndarray:
        return ((rng.random(count) < 0.01) * float(world))[:, None]

    shown = Fault("the input shown", change=lambda world, outputs: outputs + world)
    for delta, verdict in ((0.0, Verdict.VIOLATED), (0.02, Verdict.PASS)):
        claimed = claim(0.5, delta=delta)
        found = Game("test", "leaks", claimed, leaks, lambda y: {"value": y[:, 0]}, faults=(shown,))
        assert play(found, draws=100_000).verdict == verdict


def test_noise_of_twice_the_epsilon_costs_no_draws() -> None:
    rng = np.random.default_rng(0)
    inputs = np.array([0.0]), np.array([1.0])
    asked = []

    def noisy(world: int, count: int) -> np.ndarray:
        asked.append(count)
        return rng.laplace(inputs[world][0], 1.0, (count, 1))

    found = play(game(noisy, 1.0, faults=(less_noise(inputs, 2.0),)), draws=200_000)
    assert (found.verdict, found.carried_by) == (Verdict.PASS, "distinguishing game")
    assert sum(asked) == 2 * 200_000
    blind = play(game(noisy, 1.0, faults=(less_noise(inputs, 2.0),)), draws=200)
    assert blind.verdict == Verdict.NOT_TESTABLE


def test_draws_come_in_parts_and_progress_is_told() -> None:
    asked, told = [], []

    def draw(world: int, count: int) -> np.ndarray:
        asked.append(count)
        return np.zeros((count, 1))

    play(
        game(draw, 1.0, width=PART // 1000),
        draws=5_001,
        progress=lambda done, total: told.append((done, total)),
    )
    assert max(asked) == 1000
    assert sum(asked) == 2 * 5_001
    assert told[-1] == (10_002, 10_002)


def test_more_draws_than_memory_holds_only_count() -> None:
    from semveil.audit import referee

    found = play(game(randomised_response(1.0), 1.0), draws=2 * referee.LARGEST_CHOICE + 100_000)
    assert found.counted == found.draws - referee.LARGEST_CHOICE


def test_too_few_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 200 draws"):
        play(game(always, 1.0), draws=100)


def test_findings_are_plain_json() -> None:
    import json

    for epsilon in (None, 1.0):
        written = json.loads(json.dumps(play(game(always, epsilon), draws=500).as_dict(), allow_nan=False))
        assert written["claimed_epsilon"] == epsilon
        assert written["max_detectable_epsilon"] > 1
