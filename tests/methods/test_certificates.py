# SPDX-License-Identifier: Apache-2.0
"""The certificate of a message tells what the method knows, and nothing that the message keeps closed."""

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from channels.message_cases import message

from semveil.channels import KeyedPart
from semveil.mechanisms import CALIBRATIONS, ClipBox, Laplace
from semveil.mechanisms.budget import part_budget
from semveil.mechanisms.exact.release import ExactRelease
from semveil.methods.certificates import certificate_of
from semveil.privacy.caveats import Caveat
from semveil.privacy.certificate import CertificateError
from semveil.privacy.guarantee import Basis, Guarantee
from semveil.protection.modulo import Modulo

BOX = ClipBox(-1.487, 3.432, source="quantiles of public faces")
CLEAR = ("the other codes, sent in clear and computed from the same photo",)


def noisy(mechanism, sensitivity, budget=None):
    """What `certificate_of` reads of a method with genuine noise."""
    protector = SimpleNamespace(mechanism=mechanism, release=ExactRelease(mechanism), sensitivity=sensitivity)
    return SimpleNamespace(model=SimpleNamespace(box=BOX), protector=protector, budget=budget)


def keyed(authenticated=True):
    part = KeyedPart(
        nonce=bytes(range(32)), source={"kind": "passphrase", "salt": "5a" * 16}, parameters={},
        sealed=b"\x91" * 40,
        authenticated=authenticated,
    )  # fmt: skip
    claim = Guarantee(0.0, "the private codes", Basis.COMPUTATIONAL, delta=1e-9, not_covered=CLEAR)
    return message(
        protection="rotation",
        calibration=None,
        nominal_epsilon=None,
        pair_hash=None,
        keyed=part,
        guarantee=claim.as_dict(),
    )


def test_genuine_noise_is_described_so_that_epsilon_can_be_computed_again():
    calibration = CALIBRATIONS["corrected"](10.0, BOX, perturbed=12, total=24)
    method = noisy(Laplace(calibration.scale), calibration.sensitivity)
    claim = method.protector.release.guarantee(
        calibration.sensitivity, covers="the private codes", not_covered=CLEAR
    )
    made = certificate_of(message(protection="laplace", pair_hash=None, guarantee=claim.as_dict()), method)
    assert made.guarantee == claim
    assert made.sensitivity.value / made.scale == pytest.approx(made.guarantee.epsilon)
    assert (made.mechanism, made.grid_step, made.bounds.source) == (
        "laplace",
        method.protector.release.step,
        BOX.source,
    )
    assert (made.bounds.lower, made.bounds.upper, made.private_codes) == (BOX.lower, BOX.upper, (0, 2))
    assert Caveat.CODES_IN_CLEAR in made.caveats


def test_simulated_noise_lies_on_no_grid():
    calibration = CALIBRATIONS["corrected"](10.0, BOX, perturbed=12, total=24)
    claim = Laplace(calibration.scale).guarantee(
        calibration.sensitivity, covers="the private codes", not_covered=CLEAR
    )
    made = certificate_of(
        message(protection="laplace", pair_hash=None, guarantee=claim.as_dict()),
        noisy(Laplace(calibration.scale), calibration.sensitivity),
    )
    assert (made.grid_step, made.guarantee.basis) == (None, Basis.SIMULATION)


def test_budgets_by_part_have_no_single_scale():
    plan = part_budget({"skin": 5.0, "eyes": 3.0, "shared": 2.0}, BOX, 6)
    method = noisy(plan.mechanism, plan.sensitivity, plan.epsilons)
    claim = method.protector.release.guarantee(
        plan.sensitivity, covers="the private codes", not_covered=CLEAR
    )
    sent = message(
        protection="laplace",
        calibration=None,
        nominal_epsilon=10.0,
        pair_hash=None,
        guarantee=claim.as_dict(),
    )
    made = certificate_of(sent, method)
    assert dict(made.part_budgets) == plan.epsilons
    assert made.scale is None and made.sensitivity.norm == "l1"
    assert sum(made.part_budgets.values()) == pytest.approx(made.guarantee.epsilon)


def test_a_keyed_message_has_no_secret_and_no_nonce_in_its_certificate():
    sent = keyed()
    text = certificate_of(sent).to_json()
    for hidden in (sent.keyed.nonce, sent.keyed.sealed, bytes.fromhex(sent.keyed.source["salt"])):
        assert hidden.hex()[:16] not in text
    for number in [*sent.gains.flatten().tolist(), *torch.view_as_real(sent.symbols).flatten().tolist()]:
        assert f"{number:.5g}" not in text
    assert {Caveat.KEY, Caveat.MALLEABLE, Caveat.CODES_IN_CLEAR} <= set(certificate_of(sent).caveats)


@pytest.mark.parametrize("epsilon", [None, 2.0])
def test_keyed_noise_is_described_too(epsilon):
    protection = Modulo(BOX, (2, 6), epsilon=epsilon or 0.0)
    method = SimpleNamespace(
        model=SimpleNamespace(box=BOX), protector=SimpleNamespace(protection=protection), budget=None
    )
    sent = replace(keyed(), protection="modulo")
    made = certificate_of(sent, method)
    assert (made.mechanism, made.grid_step) == ("modulo", protection.step)
    assert made.scale == (None if epsilon is None else protection.scale)


def test_a_deniable_message_says_so():
    assert Caveat.DENIABLE in certificate_of(keyed(authenticated=False)).caveats
    assert Caveat.DENIABLE not in certificate_of(keyed()).caveats


def test_all_parties_number_a_release_alike_and_two_releases_apart():
    sent = keyed()
    assert certificate_of(sent).release_id == certificate_of(sent).release_id
    assert certificate_of(sent).release_id != certificate_of(replace(sent, gains=sent.gains * 2)).release_id
    assert certificate_of(sent).release_id not in hashlib.sha256(sent.keyed.nonce).hexdigest()


def test_an_unprotected_message_names_no_private_codes_in_clear():
    claim = Guarantee.none(
        "nothing", reason="the latents are sent as they are", not_covered=("the whole photo",)
    )
    made = certificate_of(
        message(
            protection="none",
            calibration=None,
            nominal_epsilon=None,
            pair_hash=None,
            guarantee=claim.as_dict(),
        )
    )
    assert made.caveats == (Caveat.REPEATED_RELEASES,) and made.mechanism is None


def test_bounds_for_each_code_are_told_by_their_extremes():
    claim = Guarantee.none("the private codes", reason="a test", not_covered=CLEAR)
    bounds = certificate_of(message(guarantee=claim.as_dict())).bounds
    assert bounds.per_coordinate and bounds.source == "stated in the message"


@pytest.mark.parametrize("guarantee", [{}, {"epsilon": 1}, {"epsilon": None, "basis": "none", "covers": "x"}])
def test_a_message_without_a_valid_guarantee_is_not_certified(guarantee):
    with pytest.raises(CertificateError, match="cannot be certified"):
        certificate_of(message(guarantee=guarantee))
