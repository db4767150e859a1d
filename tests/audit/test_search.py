# SPDX-License-Identifier: Apache-2.0
"""Is a pair found that fixed pairs miss?"""

import numpy as np
import pytest

from semveil.audit import Floats, Game, Verdict, contrasts, less_noise, play
from semveil.audit.search import Pair, searched_game
from semveil.privacy.guarantee import Basis, Guarantee

N = 4
LOWER, UPPER = np.zeros(N), np.ones(N)
CLAIM = Guarantee(1.0, "a record", Basis.PROVED)


def make(pair: Pair, *, broken: bool, rng: np.random.Generator) -> Game:
    """Laplace noise for L1 distance 4; broken, a twentieth of it for records low in one number and high in
    another.
    """

    def draw(world: int, count: int) -> Floats:
        x = pair[world]
        small = broken and x[0] < 0.3 and x[2] > 0.7
        return x + rng.laplace(scale=N * (0.05 if small else 1.0), size=(count, N))

    return Game(
        "test", "a pair", CLAIM, draw, lambda y: contrasts(y, *pair), faults=(less_noise(pair, 2.0),), width=N
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_fault_that_opposite_corners_do_not_show_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fixed = play(make((LOWER, UPPER), broken=True, rng=rng), draws=10_000)
    assert fixed.lower <= 1.0
    found = searched_game(
        lambda pair: make(pair, broken=True, rng=rng), LOWER, UPPER, rounds=60, draws=400, rng=rng
    )
    assert found.pair == "worst pair found by search"
    assert play(found, draws=20_000).verdict == Verdict.VIOLATED


def test_what_is_found_of_a_sound_release_keeps_its_claim_and_lies_far_apart() -> None:
    rng = np.random.default_rng(0)
    tried: list[Pair] = []

    def proposed(pair: Pair) -> Game:
        tried.append(pair)
        return make(pair, broken=False, rng=rng)

    found = searched_game(proposed, LOWER, UPPER, rounds=60, draws=400, rng=rng)
    assert play(found, draws=40_000).lower <= 1.0
    assert all((x >= LOWER).all() and (x <= UPPER).all() for pair in tried for x in pair)
    assert len(tried) > 50
