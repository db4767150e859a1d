# SPDX-License-Identifier: Apache-2.0
"""A certificate says what holds, survives its file, and has no place for what must stay private."""

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from privacy.certificate_cases import CLAIM, CLEAR, FULL, certificates, claims

from semveil.privacy.caveats import VOID_WHOLE_PHOTO, Caveat
from semveil.privacy.certificate import Bounds, Certificate, CertificateError, guarantee_from_dict
from semveil.privacy.coverage import Kind, Part
from semveil.privacy.guarantee import Basis, Guarantee

CROP = Part(Kind.CROP)


@given(certificates)
def test_what_is_written_is_what_is_read(certificate):
    assert Certificate.from_json(certificate.to_json()) == certificate
    assert Certificate.from_json(certificate.to_json()).to_json() == certificate.to_json()


def test_a_full_certificate_survives_as_plain_json():
    assert Certificate.from_json(FULL.to_json()) == FULL
    content = json.loads(FULL.to_json())
    assert (content["guarantee"]["basis"], content["sensitivity"]["norm"], content["bounds"]["lower"]) == (
        "proved",
        "l1",
        -1.0,
    )
    assert content["guarantee"]["whole_record_epsilon"] is None


def test_it_has_fields_for_nothing_private():
    """A new field is added here after thinking about what it gives away."""
    assert {f.name for f in fields(Certificate)} == {
        "release", "method", "protection", "guarantee", "images", "model", "model_hash", "perceptual",
        "mechanism",
        "calibration", "nominal_epsilon", "scale", "grid_step", "bounds", "bounds_hash", "sensitivity",
        "private_codes",
        "part_budgets", "caveats", "sealed", "release_id", "output", "software_version", "commit",
        "certificate_version",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "quantiles of /home/ada/photos",
        "quantiles of ~/photos",
        "quantiles of ../photos/a",
        r"quantiles of C:\photos",
        r"a folder\of\photos",
        "photos/of/ada lovelace",
        "measured on 'ada.jpg'",
        "Ada Lovelace.PNG",
        "latents in ada.npy",
    ],
)
def test_paths_and_file_names_are_refused_wherever_a_text_stands(text):
    with pytest.raises(ValueError, match="without paths"):
        replace(FULL, bounds=Bounds(-1.0, 3.0, text))
    with pytest.raises(ValueError, match="without paths"):
        replace(FULL, guarantee=replace(CLAIM, assumptions=(text,)))
    with pytest.raises(ValueError, match="without paths"):
        replace(FULL, guarantee=replace(CLAIM, not_covered=(text,)))
    with pytest.raises(ValueError):
        replace(FULL, model=text)


@pytest.mark.parametrize(
    "text", ["scale = sensitivity/epsilon", "[DPSC] Eqs. 17 and 19", "1.5 / 2", "and/or", "e.g. skin"]
)
def test_ordinary_words_are_no_paths(text):
    assert replace(FULL, bounds=Bounds(-1.0, 3.0, text)).bounds.source == text


def changed(*path, value=None, drop=False):
    content = json.loads(FULL.to_json())
    place = content
    for key in path[:-1]:
        place = place[key]
    if drop:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[1]", "no certificate_version"),
        ("{}", "no certificate_version"),
        ('{"certificate_version": true}', "no certificate_version"),
        ("[" * 100_000, "not JSON"),
        (" " * 300_000, "at most"),
        (changed("certificate_version", value=3), "upgrade semveil"),
        (changed("certificate_version", value=0), "has version 0"),
        (changed("seed", value=7), "unknown field 'seed'"),
        (changed("sensitvity", value=None), "did you mean 'sensitivity'"),
        (changed("guarantee", "noise", value=[1.0]), "unknown field 'noise'"),
        (changed("bounds", "path", value="x"), "unknown field 'path'"),
        (changed("scale", drop=True), "lacks scale"),
        (changed("guarantee", "basis", drop=True), "lacks basis"),
        (changed("guarantee", "epsilon", value=float("nan")), "NaN is not allowed"),
        (changed("guarantee", "epsilon", value=-1), "epsilon must be"),
        (changed("guarantee", "epsilon", value="2"), "epsilon, a finite number"),
        (changed("guarantee", "epsilon", value=None), "a reason exactly where"),
        (changed("guarantee", "epsilon", value=10**400), "epsilon, a finite number"),
        (changed("guarantee", "basis", value="none"), "carries no finite epsilon"),
        (changed("guarantee", "basis", value="sure"), "sure"),
        (
            changed("guarantee", "whole_record_epsilon", value=2.0),
            "whole_record_epsilon is 2.0, but None follows",
        ),
        (changed("guarantee", "not_covered", value="hair"), "a list of str"),
        (changed("guarantee", "not_covered", value=[]), "whole_record_epsilon is None, but 2.0 follows"),
        (changed("guarantee", value=None), "a guarantee"),
        (changed("guarantee", "gaussian", value={"sensitivity": 1.0}), "GaussianNoise lacks sigma"),
        (changed("guarantee", "gaussian", value={"sensitivity": 1.0, "sigma": 0.0}), "sigma > 0"),
        (changed("guarantee", "coverage", value={"covered": []}), "the fields covered and clear"),
        (
            changed("guarantee", "coverage", value={"covered": [CROP.as_dict()], "clear": []}),
            "words that fit its coverage",
        ),
        (changed("bounds_hash", value="AB"), "bounds_hash"),
        (changed("sensitivity", "norm", value="l3"), "l3"),
        (changed("sensitivity", "dimension", value=2.0), "dimension, int"),
        (changed("sensitivity", "value", value=True), "value, float"),
        (changed("bounds", "lower", value=9), "bounds"),
        (changed("private_codes", value=[1.0]), "a list of int"),
        (changed("part_budgets", value=[]), "part_budgets"),
        (changed("part_budgets", value={"skin": 3}), "add up to 3"),
        (changed("caveats", value=["past-back"]), "did you mean 'paste-back'"),
        (changed("images", value=0), "images"),
        (changed("scale", value=0), "scale"),
        (changed("output", "of", value="name"), "file or pixels"),
        (changed("output", "sha256", value="AB" * 32), "SHA-256"),
        (changed("release", value="video"), "video"),
        (changed("method", value="../x"), "method"),
        (changed("release_id", value="1"), "release_id"),
        (changed("commit", value="main"), "commit"),
        (FULL.to_json().replace('"images": 2', '"images": 2, "images": 1'), "twice"),
    ],
)
def test_reading_is_strict_and_answers_in_one_line(text, words):
    with pytest.raises(CertificateError, match="certificate") as caught:
        Certificate.from_json(text)
    assert words in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400


@pytest.mark.parametrize("caveat", VOID_WHOLE_PHOTO)
def test_a_whole_photo_is_not_covered_where_something_passes_by(caveat):
    whole = replace(CLAIM, not_covered=())
    assert (
        Certificate(
            release="image", method="m", protection="laplace", guarantee=whole
        ).guarantee.whole_record_epsilon
        == 2.0
    )
    with pytest.raises(ValueError, match=r"whole photo cannot be covered.*not_covered"):
        Certificate(release="image", method="m", protection="laplace", guarantee=whole, caveats=(caveat,))


def test_caveats_follow_from_the_claim():
    keyed = replace(FULL, guarantee=replace(CLAIM, basis=Basis.COMPUTATIONAL), part_budgets={}, caveats=())
    assert keyed.caveats == (Caveat.REPEATED_RELEASES, Caveat.KEY, Caveat.MALLEABLE)
    assert replace(keyed, release="image", caveats=()).caveats == (Caveat.REPEATED_RELEASES, Caveat.KEY)
    assert replace(FULL, caveats=()).caveats == (Caveat.REPEATED_RELEASES,)


def test_parts_that_spend_more_than_is_claimed_are_refused():
    with pytest.raises(ValueError, match=r"add up to 2\.5"):
        replace(FULL, part_budgets={"skin": 2.0, "shared": 0.5})
    with pytest.raises(ValueError, match="they compose by adding"):
        replace(FULL, guarantee=Guarantee.none("the skin codes", reason="a test"))


def test_a_picture_made_from_a_release_keeps_its_claim_and_number():
    picture = FULL.for_picture()
    assert (picture.guarantee.epsilon, picture.guarantee.not_covered, picture.release) == (
        2.0,
        CLEAR,
        "image",
    )
    assert (picture.release_id, picture.output, picture.images) == (FULL.release_id, None, 1)


def test_a_picture_with_the_protection_undone_claims_nothing():
    bob = FULL.for_opened_picture()
    assert (bob.guarantee.epsilon, bob.guarantee.basis, bob.guarantee.not_covered) == (
        None,
        Basis.NONE,
        ("the whole photo",),
    )
    assert (bob.scale, bob.sensitivity, bob.mechanism, dict(bob.part_budgets)) == (None, None, None, {})
    assert bob.release_id == FULL.release_id


def test_releases_get_numbers_of_their_own():
    made = [
        Certificate(release="image", method="m", protection="p", guarantee=CLAIM).release_id for _ in range(3)
    ]
    assert len(set(made)) == 3


@given(claims)
def test_guarantees_are_read_as_they_were(claim):
    assert guarantee_from_dict(json.loads(json.dumps(claim.as_dict()))) == claim
