# SPDX-License-Identifier: Apache-2.0
"""The audit of what is around releases: draws, the ledger, group photos, DP-SGD; and faults planted in the
real code.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from flint import arb
from torch import Tensor

from semveil.audit import Finding, Game, TrainingGame, Verdict, play, play_training
from semveil.audit.games import groups as audit_groups
from semveil.audit.games import training as audit_training
from semveil.audit.games.draws import ONE_MORE, draws_games
from semveil.audit.games.groups import group_games
from semveil.audit.games.latents import latent_games
from semveil.audit.games.ledger import ledger_games, stated
from semveil.audit.games.mechanisms import release_games
from semveil.audit.games.sphere import sphere_release_games
from semveil.audit.games.training import training_games
from semveil.audit.laws import OFF_GRID
from semveil.audit.run import targets
from semveil.mechanisms import ExactRelease, PrivUnit, VonMisesFisher
from semveil.mechanisms.additive import laplace
from semveil.mechanisms.exact.sphere import RandomBits, certified_less, exact_uniform_cosine
from semveil.mechanisms.sphere.tails import cap_tail
from semveil.methods.dp_image import DPImage
from semveil.models.face import DEFAULT_MODEL, FaceModel, load_model
from semveil.privacy.guarantee import Guarantee

GAME, FIT = "distinguishing game", "goodness of fit"


@pytest.fixture(scope="module")
def model(tiny_model_folder: Path) -> FaceModel:
    return load_model(str(tiny_model_folder))


def named(games: Sequence[Game], pair: str) -> Game:
    return next(game for game in games if pair in game.pair)


def refuted(game: Game, draws: int) -> Finding:
    """A game on broken code; without its planted faults, which are for the sound one."""
    found = play(replace(game, faults=()), draws=draws)
    assert found.alarm
    return found


def test_they_are_targets() -> None:
    assert {"dp-image/draws", "ledger", "group-photo", "dp-sgd", "latent-dp/budget"} <= set(targets())


# At a photo's real size


def five_times_too_small(original: Callable[..., list[int]]) -> Callable[..., list[int]]:
    """In calls of 400 and more numbers, as single photos make them."""
    return lambda values, scales, step: original(
        values, [s / (5 if len(values) >= 400 else 1) for s in scales], step
    )


def test_noise_of_448_numbers_passes_by_its_fit_and_is_refuted_when_too_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    game = named(release_games("laplace", 1.0), "of 448 numbers")
    sound = play(game, draws=200)
    assert (sound.verdict, sound.carried_by, sound.lower) == (Verdict.PASS, FIT, 0.0)
    monkeypatch.setattr(laplace, "round_laplace", five_times_too_small(laplace.round_laplace))
    broken = refuted(game, draws=200)
    assert broken.carried_by == FIT
    assert broken.lower == 0.0, "no distinguishing game of this size could tell"


def test_dp_image_with_1792_numbers_is_refuted_when_its_noise_is_too_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (game,) = [
        g
        for g in latent_games("dp-image/all", DEFAULT_MODEL, 1.0)
        if g.pair == "opposite corners of faces-128"
    ]
    monkeypatch.setattr(laplace, "round_laplace", five_times_too_small(laplace.round_laplace))
    refuted(game, draws=200)


@pytest.mark.parametrize("variant", ["latent-dp/uniform", "dp-image/all"])
def test_float_noise_that_is_called_proved_is_refuted_by_the_stated_grid(
    variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = latent_games(variant, DEFAULT_MODEL, 5.0)[0]
    monkeypatch.setattr(ExactRelease, "__call__", lambda self, x: self.mechanism(x))
    found = refuted(game, draws=20_000)
    assert found.fit is not None and found.fit.statistic == OFF_GRID


def test_half_of_the_epsilon_in_the_claim_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = DPImage.guarantee

    def halved(self: DPImage, *, simulated: bool = False) -> Guarantee:
        claim = honest(self, simulated=simulated)
        return replace(claim, epsilon=(claim.epsilon or 0.0) / 2)

    monkeypatch.setattr(DPImage, "guarantee", halved)
    assert refuted(latent_games("dp-image/all", DEFAULT_MODEL, 1.0)[0], draws=20_000).carried_by == FIT


# On the sphere


@pytest.mark.parametrize("epsilon", [2.0, 5.0])
def test_a_von_mises_fisher_law_of_twice_the_epsilon_is_refuted(
    epsilon: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = sphere_release_games("von-mises-fisher", epsilon)[0]
    sound = play(game, draws=100_000)
    assert sound.verdict == Verdict.PASS
    twice = VonMisesFisher(8, epsilon)  # kappa is half of epsilon
    monkeypatch.setattr(
        VonMisesFisher, "exact_cosine", lambda self, draws, law=VonMisesFisher.exact_cosine: law(twice, draws)
    )
    refuted(game, draws=100_000)


def test_privunits_outside_branch_with_its_sign_wrong_is_refuted_at_both_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Outside the cap it draws below -threshold: a band has no density, and the true epsilon is infinite."""

    def wrong(self: PrivUnit, draws: RandomBits) -> arb:
        if not certified_less(draws.uniform(), arb(self.rest)):
            return cap_tail(self.threshold, self.dimension).exact(draws)
        while True:
            t = exact_uniform_cosine(draws, self.dimension)
            if certified_less(t, -arb(self.threshold)):
                return t

    games = sphere_release_games("privunit", 1.0)[:2]
    monkeypatch.setattr(PrivUnit, "exact_cosine", wrong)
    for game in games:
        refuted(game, draws=60_000)


# Draws


def test_a_draw_too_many_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    (game,) = draws_games(1.0)
    assert [fault.name for fault in game.faults] == ["epsilon doubled", ONE_MORE]
    assert not play(replace(game, faults=()), draws=20_000).alarm
    from semveil.methods import dp_image

    def one_more(self: DPImage, features: Tensor, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
        for _ in range(self.draws + 1):
            noisy = self._noisy(features, rng)
            picture = self.model.synthesize(noisy)
            if dp_image.ACCEPTANCE[self.accept](picture[0]):
                break
        return picture, noisy

    monkeypatch.setattr(DPImage, "_draw", one_more)
    refuted(game, draws=700_000)


# The ledger


def test_two_messages_that_each_show_what_the_other_covers_never_pass(model: FaceModel) -> None:
    """Both codes are in clear in one of two messages, so a ledger that states a finite epsilon for them is
    refuted.
    """
    found = play(ledger_games(1.0, model)[-1], draws=200)
    assert found.separated
    assert found.verdict in (Verdict.VIOLATED, Verdict.NO_FINITE_EPSILON)
    assert (found.verdict == Verdict.VIOLATED) == (found.claim.epsilon is not None)


def test_releases_that_are_not_booked_are_refuted(model: FaceModel) -> None:
    game = ledger_games(2.0, model)[0]
    sound = play(game, draws=500_000)
    assert (sound.verdict, sound.carried_by) == (Verdict.PASS, GAME)
    (fault,) = game.faults
    assert fault.draw is not None
    assert play(replace(game, draw=fault.draw, faults=()), draws=500_000).verdict == Verdict.VIOLATED


def test_what_a_ledger_states_of_nothing_but_one_release_is_that_release(model: FaceModel) -> None:
    from semveil.methods.latent_dp import LatentDP
    from semveil.methods.latent_model import LatentModel

    method = LatentDP(LatentModel.example(), epsilon=2.0)
    certificate = method.certificate(method.protect(torch.zeros(1, 3, 2, 2)))
    assert stated([certificate]).epsilon == certificate.guarantee.epsilon


# Group photos


def test_neighbours_that_are_not_blanked_are_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    game = group_games()[0]
    sound = play(game, draws=200)
    assert (sound.verdict, sound.carried_by) == (Verdict.PASS, GAME)
    shown = audit_groups.align_face
    monkeypatch.setattr(
        audit_groups, "align_apart", lambda photo, landmarks, size: [shown(photo, landmarks[0], size)]
    )
    refuted(game, draws=200)


# DP-SGD


@pytest.mark.slow
def test_gradients_keep_their_law_and_those_that_are_not_clipped_are_refuted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step, _ = training_games(2.0)
    assert isinstance(step, Game)
    sound = play(step, draws=100_000)
    assert (sound.verdict, sound.carried_by) == (Verdict.PASS, FIT)
    honest = audit_training.DPSGD
    # as much noise
    monkeypatch.setattr(audit_training, "DPSGD", lambda noise, clip: honest(noise / 20, 20 * clip))
    assert play(replace(step, faults=()), draws=100_000).verdict == Verdict.VIOLATED


@pytest.mark.slow
def test_one_training_without_noise_is_refuted_by_its_canaries() -> None:
    _, canaries = training_games(1.0)
    assert isinstance(canaries, TrainingGame)
    guessing = "nothing is learnt", lambda inside: torch.rand(len(inside)).numpy()
    sound: Finding = play_training(replace(canaries, fault=guessing))
    assert (sound.verdict, sound.powers[0].by_game) == (Verdict.NOT_TESTABLE, 0.0)
    loud: Any = lambda inside: audit_training._scores(inside, 0.01)  # noqa: E731
    assert play_training(replace(canaries, train=loud)).verdict == Verdict.VIOLATED
