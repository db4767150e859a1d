# SPDX-License-Identifier: Apache-2.0
"""What choosing among draws costs, against exact laws of a small mechanism."""

import itertools
import math

import pytest

from semveil.mechanisms.draws import OUTPUT_ONLY, best_of, until_accepted
from semveil.privacy.guarantee import Basis, Guarantee

ONCE = Guarantee(1.0, "all codes", Basis.PROVED)
E = math.e
SECOND = [0.49, 0.01, 0.5]
FIRST = [1 - 0.01 * E - 0.5 / E, 0.01 * E, 0.5 / E]
LAWS = (FIRST, SECOND)
ROUNDING = 1e-9


def largest_loss(first: list[float], second: list[float]) -> float:
    return max(abs(math.log(p / q)) for p, q in zip(first, second, strict=True))


def chosen(law: list[float], draws: int) -> list[float]:
    """Law of the smallest of several draws: a rule that favours outputs which one record makes likelier."""
    found = [0.0] * len(law)
    for outcome in itertools.product(range(len(law)), repeat=draws):
        found[min(outcome)] += math.prod(law[i] for i in outcome)
    return found


def test_the_small_mechanism_loses_at_most_one() -> None:
    assert 1.0 - ROUNDING < largest_loss(*LAWS) < 1.0 + ROUNDING


@pytest.mark.parametrize("draws", [1, 2, 3, 4])
def test_the_best_of_several_draws_loses_more_but_no_more_than_all_of_them(draws: int) -> None:
    loss = largest_loss(*(chosen(law, draws) for law in LAWS))
    claimed = best_of(ONCE, draws).epsilon
    assert claimed == draws
    assert loss <= claimed + ROUNDING
    if draws > 1:
        assert loss > 1.0, "one draw's epsilon would be broken"


def test_redrawing_until_accepted_loses_up_to_twice() -> None:
    """Outputs 1 and 2 are accepted; conditioned on that, output 1 loses more than one draw's epsilon."""
    conditioned = [[law[1] / (law[1] + law[2]), law[2] / (law[1] + law[2])] for law in LAWS]
    loss = largest_loss(*conditioned)
    assert 1.8 < loss <= until_accepted(ONCE).epsilon == 2.0


def test_running_into_a_limit_can_lose_every_draw() -> None:
    """A test that accepts all but output 2 fails k times in a row with a chance that changes by exp(k
    epsilon).
    """
    first, second = LAWS[0][2], LAWS[1][2]
    for draws in (2, 5):
        assert math.log(second**draws / first**draws) == pytest.approx(best_of(ONCE, draws).epsilon)


def test_what_is_assumed_is_said() -> None:
    for claim in (best_of(ONCE, 2), until_accepted(ONCE)):
        assert OUTPUT_ONLY in claim.assumptions
    assert any("stays hidden" in text for text in until_accepted(ONCE).assumptions)
    assert best_of(ONCE, 1) is ONCE


def test_deltas_and_no_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="delta"):
        until_accepted(Guarantee(1.0, "all codes", Basis.PROVED, delta=1e-5))
    with pytest.raises(ValueError, match="at least 1"):
        best_of(ONCE, 0)
