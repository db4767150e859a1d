# SPDX-License-Identifier: Apache-2.0
"""Are the mechanisms on the sphere audited, and would the audit notice if they broke their claims?"""

from collections.abc import Callable

import pytest
import torch

from semveil.audit import Game, Verdict, play
from semveil.audit.games.sphere import DIMENSION, sphere_games, sphere_release_games
from semveil.audit.run import targets
from semveil.mechanisms import SPHERE_MECHANISMS, VonMisesFisher
from semveil.privacy.guarantee import Basis

every_mechanism = pytest.mark.parametrize("name", list(SPHERE_MECHANISMS))
MADE_FOR_IT = [name for name in SPHERE_MECHANISMS if "laplace" not in name]
SAME = "same record again or a different one"


def played(games: list[Game], draws: int = 40_000) -> dict[str, Verdict]:
    return {game.pair: play(game, draws=draws).verdict for game in games if game.pair != SAME}


def test_every_mechanism_and_its_release_are_audited() -> None:
    there = set(targets())
    assert {f"{kind}/{name}" for name in SPHERE_MECHANISMS for kind in ("sphere", "release/sphere")} <= there


def test_a_law_of_another_package_is_audited_without_a_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(VonMisesFisher):
        name = "own"

    class Leaky(Own):
        name = "leaky"

        def release(self, x: torch.Tensor) -> torch.Tensor:
            return VonMisesFisher.calibrate(self.dimension, 4 * self.epsilon).release(x)

    verdicts = []
    for kind in (Own, Leaky):
        monkeypatch.setitem(SPHERE_MECHANISMS._entries, kind.name, kind)
        game = sphere_release_games(kind.name, 3.0)[0]
        verdicts.append(play(game, draws=100_000).verdict)
    assert verdicts == [Verdict.NOT_TESTABLE, Verdict.VIOLATED]  # few draws, and no fit


@every_mechanism
def test_simulated_vectors_keep_their_claim(name: str) -> None:
    """False alarm: 1e-6 a game. That low bits are not seen to break a claim proves nothing; its basis is
    `simulation`.
    """
    found = played(sphere_games(name, 2.0, rng=torch.Generator().manual_seed(0)))
    assert set(found.values()) == {Verdict.PASS}


@pytest.mark.parametrize("name", MADE_FOR_IT)
def test_released_vectors_keep_their_claim(name: str) -> None:
    games = sphere_release_games(name, 3.0)
    assert played(games[:1], 100_000) == {"opposite poles": Verdict.PASS}
    assert set(played(games[1:], 10_000).values()) <= {Verdict.PASS, Verdict.NOT_TESTABLE}
    assert {game.claim.basis for game in games} == {Basis.PROVED}


@pytest.mark.parametrize(
    ("name", "pair"),
    [(n, "opposite poles") for n in MADE_FOR_IT]
    + [("l2-laplace", "opposite poles"), ("privunit", "near poles")],
)
def test_less_noise_than_claimed_is_caught(name: str, pair: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vectors of three times the budget, under the smaller one's claim."""
    kind = SPHERE_MECHANISMS[name]
    claim, honest = kind.calibrate(DIMENSION, 1.5).guarantee(), kind.calibrate
    monkeypatch.setattr(kind, "calibrate", classmethod(lambda cls, d, e: honest(d, 3 * e)))
    monkeypatch.setattr(kind, "guarantee", lambda self, **_: claim)
    found = played(sphere_games(name, 1.5, rng=torch.Generator().manual_seed(0))[:2], 100_000)
    assert found[pair] == Verdict.VIOLATED


def test_a_seed_that_comes_again_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def again(name: str) -> Game:
        return next(game for game in sphere_games(name, 1.0) if game.pair == SAME)

    sound = play(again("privunit"), draws=40_000)
    assert sound.lower <= 1.0
    assert {power.fault: power.caught for power in sound.powers}["nonce reused"]
    kind = SPHERE_MECHANISMS["privunit"]
    seeded: Callable = kind.__call__
    monkeypatch.setattr(
        kind, "__call__", lambda self, x, rng=None: seeded(self, x, rng=torch.Generator().manual_seed(1))
    )
    assert play(again("privunit"), draws=40_000).verdict == Verdict.VIOLATED
