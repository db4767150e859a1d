# SPDX-License-Identifier: Apache-2.0
"""The audit of what is done in a subspace: claims pass, what is broken on purpose is caught."""

from typing import Any

import pytest
import torch
from audit.planted import with_fault

from semveil import mechanisms
from semveil.audit import Verdict, play
from semveil.audit.games import subspace as audit_subspace
from semveil.audit.games.subspace import VARIANTS, subspace_games
from semveil.audit.run import targets
from semveil.mechanisms import Laplace, PerCoordinateLaplace, PrivUnitG
from semveil.mechanisms.nearest import Nearest
from semveil.methods.subspace_noise import BallGaussian, DirectionPrivUnitG
from semveil.privacy.guarantee import Basis

DRAWS = 60_000  # of which the games play a share


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_refutes_what_is_claimed(variant: str) -> None:
    finding = play(subspace_games(variant, 5.0)[0], draws=2 * DRAWS if "nearest" in variant else DRAWS)
    assert finding.claim.basis == Basis.PROVED
    assert not finding.alarm and finding.verdict == Verdict.PASS, finding


def test_a_release_is_new_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not play(subspace_games("dp-image/subspace-laplace", 5.0)[1], draws=DRAWS // 3).alarm
    exact = mechanisms.ExactRelease.__call__
    drawn: dict[bytes, torch.Tensor] = {}

    def once_for_each(self: Any, x: torch.Tensor) -> torch.Tensor:
        return drawn.setdefault(x.numpy().tobytes(), exact(self, x))

    monkeypatch.setattr(mechanisms.ExactRelease, "__call__", once_for_each)
    assert (
        play(subspace_games("dp-image/subspace-laplace", 5.0)[1], draws=DRAWS // 3).verdict
        == Verdict.VIOLATED
    )


def test_they_are_among_the_targets() -> None:
    assert set(VARIANTS) <= set(targets())


def less_noise(method: Any) -> None:
    assert method.release is not None
    smaller = (
        Laplace(method.scale / 9)
        if hasattr(method, "scale")
        else PerCoordinateLaplace(method.noise.scales / 9)
    )
    method.release = mechanisms.ExactRelease(smaller)


def less_normal_noise(method: Any) -> None:
    law = method.law
    method.law = BallGaussian(law.space, type(law.mechanism)(law.mechanism.sigma / 9, law.mechanism.delta))


def no_ball(method: Any) -> None:
    """The record is not clipped before the noise."""
    law = method.law
    object.__setattr__(law, "clip", lambda coordinates: 30 * coordinates / law.space.deviations)


def louder(method: Any) -> None:
    method.law = DirectionPrivUnitG(method.law.space, PrivUnitG.calibrate(4, 9.0))


def louder_choice(method: Any) -> None:
    method.choice = Nearest.calibrate(audit_subspace.FACES, 9.0, dimension=4)


def residual_of_the_photo(method: Any) -> None:
    """What a photo has along the second direction, in clear: as if one direction were forgotten."""
    own, space = method.subspace.latents, method.subspace.space
    seen: list[torch.Tensor] = []
    coordinates = method.subspace.coordinates

    def remembered(latents: torch.Tensor) -> torch.Tensor:
        seen[:] = [latents]
        return coordinates(latents)

    def leaking(found: torch.Tensor, *, rng: Any) -> torch.Tensor:
        return own(found, rng=rng) + 0.2 * space.latents(space.coordinates(seen[0])).to(found)

    object.__setattr__(method.subspace, "coordinates", remembered)
    object.__setattr__(method.subspace, "latents", leaking)


@pytest.mark.parametrize(
    ("variant", "fault"),
    [
        ("dp-image/subspace-laplace", less_noise),
        ("latent-dp/subspace-laplace", less_noise),
        ("dp-image/subspace-laplace", residual_of_the_photo),
        ("dp-image/subspace-gaussian", less_normal_noise),
        ("latent-dp/subspace-gaussian", no_ball),
        ("latent-dp/subspace-privunit-g", louder),
        ("latent-dp/subspace-nearest", louder_choice),
    ],
)
def test_planted_faults_are_caught(variant: str, fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        audit_subspace, "VARIANTS", {**VARIANTS, variant: with_fault(VARIANTS[variant], fault)}
    )
    assert play(subspace_games(variant, 1.0)[0], draws=DRAWS).verdict == Verdict.VIOLATED
