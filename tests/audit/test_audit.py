# SPDX-License-Identifier: Apache-2.0
"""What the audit covers, and whole methods with a planted bug."""

from pathlib import Path

import pytest
import torch

from semveil.audit import Game, Verdict, play
from semveil.audit.games.mechanisms import corners, release_games, simulated_games
from semveil.audit.games.methods import method_games
from semveil.audit.run import audit, choose, targets
from semveil.mechanisms import MECHANISMS
from semveil.methods.protections import PROTECTIONS
from semveil.methods.registry import METHODS
from semveil.models.face import FaceModel, load_model
from semveil.privacy.guarantee import Basis

KEYED = [name for name, kind in PROTECTIONS.items() if kind.keyed]


@pytest.fixture(scope="module")
def model(tiny_model_folder: Path) -> FaceModel:
    return load_model(str(tiny_model_folder))


def test_every_registered_mechanism_method_and_protection_is_audited() -> None:
    there = set(targets())
    assert {*MECHANISMS, *(f"release/{name}" for name in MECHANISMS), *KEYED} <= there
    assert {f"dp-semcom/{protection}" for protection in PROTECTIONS} <= there
    assert set(METHODS) <= {name.partition("/")[0] for name in there}


def test_targets_are_chosen_by_name_or_group() -> None:
    available = targets()
    assert choose([], available) == list(available)
    assert choose(["dp-semcom"], available) == [f"dp-semcom/{protection}" for protection in PROTECTIONS]
    assert choose(["modulo", "modulo"], available) == ["modulo"]
    with pytest.raises(ValueError, match="did you mean 'laplace'"):
        choose(["laplacee"], available)


@pytest.mark.parametrize("name", list(MECHANISMS))
def test_corners_are_as_far_apart_as_the_sensitivity(name: str) -> None:
    _, sensitivity = MECHANISMS[name].example()
    first, second = corners(sensitivity)
    loss = MECHANISMS[name].calibrate(sensitivity, 1.0)
    assert len(first) == len(second)
    assert not first.any()
    assert loss.guarantee(sensitivity).epsilon == pytest.approx(1.0)


@pytest.mark.parametrize("name", list(MECHANISMS))
def test_simulated_noise_keeps_its_law_and_loses_its_low_bits(name: str) -> None:
    found = {
        g.pair: play(g, draws=40_000)
        for g in simulated_games(name, 1.0, rng=torch.Generator().manual_seed(0))
    }
    wrong = {pair for pair, finding in found.items() if finding.verdict == Verdict.VIOLATED}
    assert wrong == {"low bits of float64 outputs"}
    assert not any(finding.alarm for finding in found.values()), "the claim is for ideal noise"


def test_released_noise_has_no_low_bits_to_lose() -> None:
    found = [play(g, draws=20_000) for g in release_games("laplace", 1.0) if g.width < 100]
    assert {finding.verdict for finding in found} <= {Verdict.PASS, Verdict.NOT_TESTABLE}
    assert found[0].verdict == Verdict.PASS
    assert found[0].claim.basis == Basis.PROVED


def test_codes_in_clear_leave_the_whole_photo_without_an_epsilon(model: FaceModel) -> None:
    for protection in ("rotation", "laplace"):
        *_, whole = method_games(protection, None, model)
        assert play(whole, draws=200).verdict == Verdict.NO_FINITE_EPSILON


@pytest.mark.parametrize("protection", ["nn", "none"])
def test_deterministic_protection_has_no_finite_epsilon(model: FaceModel, protection: str) -> None:
    for game in method_games(protection, None, model):
        assert play(game, draws=200).verdict == Verdict.NO_FINITE_EPSILON


@pytest.mark.parametrize("name", sorted(set(METHODS) & set(targets())))
def test_image_methods_keep_what_they_claim(name: str) -> None:
    games = [game for game in targets()[name].games(None) if isinstance(game, Game)]
    # larger ones take seconds
    games = [game for game in games if game.width < 100 or game.claim.epsilon is None]
    for finding in (play(game, draws=20_000) for game in games):
        deterministic = finding.claim.epsilon is None
        assert finding.verdict in (
            {Verdict.NO_FINITE_EPSILON} if deterministic else {Verdict.PASS, Verdict.NOT_TESTABLE}
        )


@pytest.mark.parametrize("protection", KEYED)
def test_a_method_that_reuses_its_nonce_is_caught(
    model: FaceModel, protection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """False alarm on the sound one: 1e-6."""
    again = next(g for g in method_games(protection, None, model) if g.pair.startswith("same record"))
    assert play(again, draws=200).verdict == Verdict.PASS
    monkeypatch.setattr("semveil.methods.protectors.new_nonce", lambda: bytes(32))
    assert play(again, draws=200).verdict == Verdict.VIOLATED


def test_a_method_that_does_not_clip_is_caught(model: FaceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = next(g for g in method_games("laplace", 1.0, model) if g.pair == "opposite corners")
    assert play(outside, draws=100_000).verdict == Verdict.PASS
    monkeypatch.setattr("semveil.mechanisms.bounds.clip.ClipBox.clip", lambda self, x: x.clone())
    assert play(outside, draws=100_000).alarm


def test_an_audit_is_plain_json() -> None:
    told = []
    result = audit(["laplace"], epsilons=[1.0], draws=10_000, progress=lambda *words: told.append(words))
    assert [finding["asked_epsilon"] for finding in result["findings"]] == [1.0] * len(result["findings"])
    assert result["alarms"] == 0
    assert told[0][0] == "laplace, one number, epsilon 1"
    assert all(finding["cpu_seconds"] >= 0 for finding in result["findings"])
