# SPDX-License-Identifier: Apache-2.0
"""The audit of dp-image and latent-dp: what they claim passes, what is broken on purpose is caught."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from audit.planted import with_fault

from semveil import mechanisms
from semveil.audit import Verdict, play
from semveil.audit.games import latents as audit_latents
from semveil.audit.games.latents import VARIANTS, latent_games, takes_epsilon
from semveil.mechanisms import ClipBox, Laplace, PerCoordinateLaplace
from semveil.methods.dp_image import DPImage
from semveil.methods.latent_dp import LatentDP
from semveil.models.face import DEFAULT_MODEL
from semveil.privacy.guarantee import Basis

DRAWS = 100_000  # of which the games play a share


def verdict(variant: str, epsilon: float | None, draws: int = DRAWS) -> Verdict:
    return play(latent_games(variant, DEFAULT_MODEL, epsilon)[0], draws=draws).verdict


@pytest.mark.parametrize("variant", sorted(set(VARIANTS) - {"dp-image/observed", "latent-dp/none"}))
def test_nothing_refutes_what_is_claimed(variant: str) -> None:
    first, *others = [game for game in latent_games(variant, DEFAULT_MODEL, 1.0) if game.width < 100]
    finding = play(first, draws=DRAWS)
    assert finding.claim.basis == Basis.PROVED
    if variant == "latent-dp/exponential":  # a choice of eight tells less than so few draws can show
        assert not finding.alarm
    else:
        assert (finding.verdict, finding.carried_by) == (Verdict.PASS, "goodness of fit"), finding
    assert not any(play(game, draws=DRAWS // 10).alarm for game in others)


@pytest.mark.parametrize("variant", audit_latents.ON_THE_MODEL)
def test_real_latents_are_played_with_too(variant: str) -> None:
    (game,) = [
        g for g in latent_games(variant, DEFAULT_MODEL, 0.5) if g.pair == "opposite corners of faces-128"
    ]
    outputs = game.draw(0, 2)
    assert outputs.shape == (2, 28 * 64)
    assert all(values.shape == (2,) for values in game.measure(outputs).values())


def test_a_pair_that_is_looked_for_lies_apart_and_keeps_the_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_latents, "SEARCH_ROUNDS", 6)
    (game,) = audit_latents.searched_games("latent-dp/uniform", 1.0)
    assert (game.target, game.pair) == ("search/latent-dp/uniform", "worst pair found by search")
    assert play(game, draws=DRAWS // 2).verdict == Verdict.PASS


def test_clipping_alone_has_no_finite_epsilon() -> None:
    assert not takes_epsilon("latent-dp/none")
    assert verdict("latent-dp/none", None) == Verdict.NO_FINITE_EPSILON


def test_an_observed_sensitivity_is_refuted_by_an_unseen_photo_without_an_alarm() -> None:
    """A black and a white photo lie farther apart than any two of the public latents,
    and nothing clips them.
    """
    game = latent_games("dp-image/observed", DEFAULT_MODEL, 1.0)[0]
    finding = play(game, draws=DRAWS)
    assert finding.verdict == Verdict.VIOLATED
    assert game.claim.basis == Basis.OBSERVED_SENSITIVITY
    assert not finding.alarm


def less_noise(method: DPImage | LatentDP) -> None:
    if isinstance(method, DPImage):
        method.release = mechanisms.ExactRelease(Laplace(method.scale / 40))
    else:
        assert method.noise is not None
        method.release = mechanisms.ExactRelease(PerCoordinateLaplace(method.noise.scales / 40))


def no_first_clip(method: DPImage | LatentDP) -> None:
    object.__setattr__(method, "_clipped", lambda latents: latents)


def wider_box(method: DPImage | LatentDP) -> None:
    """Clips to a larger box than the noise is made for."""
    method.box = ClipBox(-10.0, 10.0)


def louder_choice(method: DPImage | LatentDP) -> None:
    assert isinstance(method, LatentDP) and method.choice is not None
    method.choice = type(method.choice)(method.choice.rate * 100)


@pytest.mark.parametrize(
    ("variant", "fault"),
    [
        ("dp-image/all", less_noise),
        ("dp-image/all", no_first_clip),
        ("dp-image/identity", less_noise),
        ("latent-dp/uniform", less_noise),
        ("latent-dp/least-variance", wider_box),
        ("latent-dp/exponential", louder_choice),
    ],
)
def test_planted_faults_are_caught(
    variant: str, fault: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        audit_latents, "VARIANTS", {**VARIANTS, variant: with_fault(VARIANTS[variant], fault)}
    )
    assert verdict(variant, 1.0) == Verdict.VIOLATED


def seeded_noise(mechanism: Any, x: torch.Tensor) -> torch.Tensor:
    return mechanism(x, rng=torch.Generator().manual_seed(0))


def test_a_seeded_stream_is_caught_by_repeating(monkeypatch: pytest.MonkeyPatch) -> None:
    def seeded(model: Any, epsilon: float | None) -> Any:
        method = DPImage(model, epsilon=epsilon)
        noise = method.mechanism
        released = type(
            "Seeded",
            (mechanisms.ExactRelease,),
            {"__call__": lambda self, x: seeded_noise(self.mechanism, x)},
        )
        method.release = released(noise)
        claim = DPImage(model, epsilon=epsilon).guarantee()
        object.__setattr__(method, "guarantee", lambda simulated=False: claim)
        return method

    monkeypatch.setattr(audit_latents, "VARIANTS", {**VARIANTS, "dp-image/all": seeded})
    repeat = latent_games("dp-image/all", DEFAULT_MODEL, 1.0)[1]
    assert play(repeat, draws=DRAWS).verdict == Verdict.VIOLATED
