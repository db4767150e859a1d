# SPDX-License-Identifier: Apache-2.0
"""The audit of identity-dp: what it claims passes, what it does not cover shows, what is broken on purpose is
caught.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from audit.planted import with_fault

from semveil.audit import Verdict, play
from semveil.audit.games import identity as audit_identity
from semveil.audit.games.identity import (
    PRIVATE_ATTRIBUTES,
    PSEUDONYM,
    VARIANTS,
    identity_games,
    takes_epsilon,
)
from semveil.audit.run import targets
from semveil.methods.identity_dp import IdentityDP
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel
from semveil.privacy.guarantee import Basis

DRAWS = 100_000  # of which the games play a share


def test_every_variant_is_a_target_and_the_plain_method_is_none() -> None:
    there = targets()
    assert set(VARIANTS) <= set(there) and "identity-dp" not in there


@pytest.mark.parametrize(
    "variant", ["identity-dp/privunit", "identity-dp/repel", "identity-dp/as-published", PRIVATE_ATTRIBUTES]
)
def test_nothing_refutes_what_is_claimed_and_attributes_in_clear_show(variant: str) -> None:
    games = identity_games(variant, 1.0)
    findings = [play(game, draws=DRAWS) for game in games[:2]]
    assert {finding.verdict for finding in findings} <= {Verdict.PASS, Verdict.NOT_TESTABLE}, findings
    assert findings[0].claim.basis == Basis.PROVED
    assert (len(games) == 2) == (variant == PRIVATE_ATTRIBUTES)
    for whole in games[2:]:
        assert play(whole, draws=4 * DRAWS).verdict == Verdict.NO_FINITE_EPSILON


def test_pseudonyms_of_two_people_are_told_apart() -> None:
    assert not takes_epsilon(PSEUDONYM)
    assert play(identity_games(PSEUDONYM, None)[0], draws=DRAWS).verdict == Verdict.NO_FINITE_EPSILON


def larger_budget(method: IdentityDP) -> None:
    method.law = type(method.law).calibrate(method.dimension, 8.0)  # type: ignore[union-attr]


def seeded(method: IdentityDP) -> None:
    perturb = method.perturb
    object.__setattr__(
        method, "perturb", lambda x, rng=None: perturb(x, rng=torch.Generator().manual_seed(0))
    )


def louder_choice(method: IdentityDP) -> None:
    method.look = LatentDP(
        LatentModel.example(), epsilon=100.0, mechanism="exponential", gallery=audit_identity.GALLERY
    )


@pytest.mark.parametrize(
    ("variant", "fault", "game"),
    [
        ("identity-dp/privunit", larger_budget, 0),
        ("identity-dp/repel", larger_budget, 0),
        ("identity-dp/privunit", seeded, 1),
        (PRIVATE_ATTRIBUTES, louder_choice, 0),
    ],
)
def test_planted_faults_are_caught(
    variant: str, fault: Callable[[Any], None], game: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        audit_identity, "VARIANTS", {**VARIANTS, variant: with_fault(VARIANTS[variant], fault)}
    )
    assert play(identity_games(variant, 0.5)[game], draws=4 * DRAWS).verdict == Verdict.VIOLATED
