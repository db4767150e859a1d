# SPDX-License-Identifier: Apache-2.0
"""Original faces sealed and put back: exactly, some or all, and never into another picture."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from semveil.core.errors import KeyProblem
from semveil.data.cover import cover_faces
from semveil.data.regions import Region
from semveil.data.save import save_png
from semveil.data.sealed_faces import CHUNK, SealedFaces, read_sealed, seal_faces, sealed_length, sealed_path
from semveil.keys.secret import Secret
from semveil.recognition.dlib_faces import Face

SECRET = Secret(bytes(range(32)))
FILE_KEY = {"kind": "file"}
ORIGINAL = np.random.default_rng(1).integers(0, 256, (50, 70, 3), dtype=np.uint8)


def face(left: int, top: int, side: int) -> Face:
    return Face((left, top, left + side - 1, top + side - 1), 1.0, np.zeros((5, 2)))


def altered(original: np.ndarray, faces: list[Face]) -> tuple[np.ndarray, list[tuple[int, Region]]]:
    """A picture with faces covered; overlapping ones share no pixel."""
    protected, regions = cover_faces(original, faces)
    return protected, [(i, region) for i, region in enumerate(regions) if region is not None]


def sealed(
    original: np.ndarray, protected: np.ndarray, regions: list[tuple[int, Region]], secret: Secret = SECRET
) -> bytes:
    return seal_faces(original, protected, regions, secret, source=FILE_KEY, release_id="ab" * 16)


PROTECTED, REGIONS = altered(ORIGINAL, [face(5, 5, 20), face(20, 15, 24)])
SEALED = sealed(ORIGINAL, PROTECTED, REGIONS)

places = st.lists(st.builds(face, st.integers(-10, 60), st.integers(-10, 40), st.integers(1, 40)), max_size=4)


@settings(max_examples=60)
@given(places, st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_all_faces_give_the_original_in_every_pixel(faces: list[Face], seed: int, flat: int) -> None:
    original = np.random.default_rng(seed).integers(0, 256 >> (4 * flat), (50, 70, 3), dtype=np.uint8)
    protected, regions = altered(original, faces)
    found = SealedFaces.parse(sealed(original, protected, regions))
    restored = found.restore(protected, [found.key(SECRET, number) for number in found.numbers])
    assert (restored == original).all()
    assert (protected == altered(original, faces)[0]).all()  # the input stays as it is


def test_one_face_gives_its_own_pixels_and_nothing_of_its_neighbour() -> None:
    found = SealedFaces.parse(SEALED)
    for number, region in REGIONS:
        restored = found.restore(PROTECTED, [found.key(SECRET, number)])
        own = np.zeros(PROTECTED.shape[:2], bool)
        region.mark(own)
        assert (restored[own] == ORIGINAL[own]).all() and (restored[~own] == PROTECTED[~own]).all()
        plain = found.sealed.open(number, found.key(SECRET, number).value)
        pixels = np.frombuffer(plain, np.uint8)[-3 * region.mask.size :].reshape(*region.mask.shape, 3)
        # what belongs to the other face is not even in the sealed part
        assert (pixels[~region.mask] == 0).all()
    assert (REGIONS[0][1].mask.mean(), REGIONS[1][1].mask.mean()) == (1.0, pytest.approx(0.9, abs=0.2))
    assert not REGIONS[1][1].mask.all()  # they do overlap


def test_the_length_is_a_function_of_the_boxes_alone() -> None:
    black = np.zeros_like(ORIGINAL)
    other = sealed(black, altered(black, [face(5, 5, 20), face(20, 15, 24)])[0], REGIONS, Secret.generate())
    assert len(other) == len(SEALED)
    sizes = [(region.mask.shape[1], region.mask.shape[0]) for _, region in REGIONS]
    assert len(SEALED) - sealed_length(sizes) == len(SealedFaces.parse(SEALED).sealed.header_bytes) + 21


@pytest.mark.parametrize("where", [(0, 0), (49, 69), (12, 12)])
def test_a_picture_edited_by_one_level_is_refused_and_restored_anyway_on_request(
    where: tuple[int, int],
) -> None:
    edited = PROTECTED.copy()
    edited[where][1] ^= 1
    found = SealedFaces.parse(SEALED)
    keys = [found.key(SECRET, number) for number in found.numbers]
    with pytest.raises(KeyProblem, match=r"re-encoded or edited since.*--anyway"):
        found.restore(edited, keys)
    anyway = found.restore(edited, keys, anyway=True)
    assert (anyway == ORIGINAL).mean() > 0.999
    with pytest.raises(KeyProblem, match=r"has 69 x 50 pixels, .* 70 x 50"):
        found.restore(edited[:, 1:], keys, anyway=True)


def test_a_key_serves_one_picture_and_one_face() -> None:
    found, other = SealedFaces.parse(SEALED), SealedFaces.parse(sealed(ORIGINAL, PROTECTED, REGIONS))
    with pytest.raises(KeyProblem, match=r"another than the one"):
        found.key(Secret.generate(), 0)
    with pytest.raises(KeyProblem, match=r"no face 7 .* there are: 0, 1"):
        found.key(SECRET, 7)
    with pytest.raises(KeyProblem, match=r"another than the one"):  # of the same release, sealed once more
        found.restore(PROTECTED, [other.key(SECRET, 0)])
    stranger = SealedFaces.parse(
        seal_faces(ORIGINAL, PROTECTED, REGIONS, SECRET, source=FILE_KEY, release_id="cd" * 16)
    )
    with pytest.raises(KeyProblem, match="belongs to another picture"):
        found.restore(PROTECTED, [stranger.key(SECRET, 0)])


def test_what_was_altered_outside_the_regions_is_never_promised_back() -> None:
    elsewhere = PROTECTED.copy()
    elsewhere[49, 69] ^= 1
    with pytest.raises(ValueError, match="differs from the original outside"):
        sealed(ORIGINAL, elsewhere, REGIONS)
    with pytest.raises(ValueError, match="two faces"):
        sealed(ORIGINAL, PROTECTED, [*REGIONS, (2, REGIONS[0][1])])


def test_the_sealed_part_is_found_beside_or_inside(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    save_png(picture, PROTECTED)
    with pytest.raises(KeyProblem, match=r"has no sealed part.*--sealed FILE"):
        read_sealed(picture)
    save_png(picture, PROTECTED, chunks={CHUNK: SEALED})
    with Image.open(picture) as opened:
        assert (np.asarray(opened) == PROTECTED).all()
    assert read_sealed(picture).numbers == (0, 1)
    Image.open(picture).save(picture)  # as an upload does
    with pytest.raises(KeyProblem, match="has no sealed part"):
        read_sealed(picture)
    sealed_path(picture).write_bytes(SEALED)
    assert read_sealed(picture).numbers == (0, 1)
    sealed_path(picture).rename(tmp_path / "elsewhere")
    assert read_sealed(picture, tmp_path / "elsewhere").numbers == (0, 1)
    with pytest.raises(KeyProblem, match="cannot read"):
        read_sealed(picture, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"bits":8', b'"bits":9'),
        (b'"box":[0,', b'"box":[9,'),
        (b'"number":1', b'"number":0'),
        (b"[50,70]", b"[50,40]"),
    ],
)
def test_headers_that_do_not_hold_together_are_refused(before: bytes, after: bytes) -> None:
    assert before in SEALED
    with pytest.raises(KeyProblem, match=r"not valid|damaged or cut short"):
        SealedFaces.parse(SEALED.replace(before, after, 1))
