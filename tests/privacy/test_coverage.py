# SPDX-License-Identifier: Apache-2.0
"""Parts of a photo as values: what tells of what, what compares with what, and their words."""

import json

import pytest
from hypothesis import given
from privacy.certificate_cases import parts

from semveil.privacy.coverage import Coverage, Kind, Part

M, N = "0f" * 32, "1e" * 32
CROP, FACE, PHOTO, AROUND = (Part(kind) for kind in (Kind.CROP, Kind.FACE, Kind.PHOTO, Kind.SURROUNDINGS))
VALUES, VECTORS = Part(Kind.SINGULAR_VALUES, size=4), Part(Kind.SINGULAR_VECTORS)


def codes(*indices: int, model: str = M) -> Part:
    return Part(Kind.CODES, model, indices, 28)


def identity(model: str = M) -> Part:
    return Part(Kind.IDENTITY, model, size=64)


def attributes(model: str = M) -> Part:
    return Part(Kind.ATTRIBUTES, model)


@pytest.mark.parametrize(
    ("clear", "part", "told"),
    [
        (codes(6, 7), codes(0, 1), False),
        (codes(6, 7), codes(1, 6), True),
        (codes(6, 7), codes(0, 1, model=N), True),  # another function of the same photo
        (codes(6), identity(), True),
        (attributes(), identity(), False),
        (attributes(), identity(N), True),
        (attributes(), codes(0), True),
        (attributes(), CROP, True),
        (identity(), attributes(), False),
        (VECTORS, VALUES, False),
        (VECTORS, FACE, True),
        (AROUND, codes(0), False),
        (AROUND, FACE, False),
        (AROUND, CROP, True),  # its corners
        (AROUND, AROUND, True),
        (CROP, identity(), True),
        (FACE, codes(0), True),
        (PHOTO, AROUND, True),
        *((clear, PHOTO, True) for clear in (codes(0), attributes(), AROUND, CROP, Part.of("hair"))),
        (Part.of("hair"), codes(0), True),  # nobody knows what is computed from it
    ],
)
def test_what_is_in_clear_tells_of_what_is_computed_from_it(clear: Part, part: Part, told: bool) -> None:
    assert Coverage.of(Part.of("x"), clear).leaves_open(part) == told
    assert not Coverage.of(Part.of("x")).leaves_open(part)


def test_a_release_keeps_its_own_claim_where_only_words_are_known() -> None:
    skin = Coverage.of(Part.of("the skin codes"), Part.of("the hair codes"))
    assert not skin.leaves_open(Part.of("the skin codes")) and skin.leaves_open(Part.of("the eyes codes"))


def test_codes_that_are_not_private_are_in_clear() -> None:
    assert Coverage.of_codes(M, (1, 0, 1), 3) == Coverage.of(
        Part(Kind.CODES, M, (0, 1), 3), Part(Kind.CODES, M, (2,), 3)
    )
    assert Coverage.of_codes(M, range(3), 3).clear == ()


def test_words_follow_from_the_parts() -> None:
    some = Coverage.of_codes(M, (0, 1, 4, 5, 6), 28)
    assert some.words == "the private codes (shared 0, shared 1, skin shape, skin texture, eyes shape)"
    assert some.clear_words == ("the other codes, sent in clear and computed from the same photo",)
    assert codes(0, 1, 4, 5, 6).briefly() == "the codes shared, skin, eyes shape"
    assert codes(*range(4, 28)).briefly() == "all codes but shared, background"
    assert Part(Kind.CODES, M, (0, 2), 18).briefly() == "the codes 0, 2"
    assert str(identity()) == "the identity vector of 64 numbers" and str(codes(*range(28))) == "all codes"


def test_fixed_words_stand_for_one_part_always() -> None:
    others = Part(Kind.OTHER_FACES), Part(Kind.COVERED_FACES)
    for part in (CROP, FACE, PHOTO, AROUND, VECTORS, Part(Kind.NOTHING), *others):
        assert Part.of(str(part)) == part and Coverage.of(part).is_words_only
    assert not Coverage((Part.of("a"), Part.of("b"))).is_words_only  # "a and b" could be one thing
    assert not Coverage.of(attributes()).is_words_only and not Coverage.of(VALUES).is_words_only


@given(parts, parts)
def test_json_keeps_everything(one: Part, other: Part) -> None:
    coverage = Coverage.of(one, other)
    read = Coverage.from_dict(json.loads(json.dumps(coverage.as_dict())))
    assert read == coverage and (read.words, read.clear_words) == (coverage.words, coverage.clear_words)


@pytest.mark.parametrize(
    "change", [{"codes": [28]}, {"codes": ["1"]}, {"model": 3}, {"kind": "hair"}, {"size": True}, {"x": 1}]
)
def test_damaged_parts_are_refused(change: dict) -> None:
    content = codes(1).as_dict()
    assert Part.from_dict(content) == codes(1)
    with pytest.raises(ValueError):
        Part.from_dict(content | change)


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "codes"},
        {"kind": "crop", "codes": (1,)},
        {"kind": "other"},
        {"kind": "identity", "model": "/home/ada"},
    ],
)
def test_parts_that_say_nothing_or_too_much_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError):
        Part(**bad)
