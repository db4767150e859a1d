# SPDX-License-Identifier: Apache-2.0
"""People close together in a photo: no crop shows another's face, and each release counts for all who pass
through it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from semveil.bulk.enrolled import Enrolled
from semveil.bulk.run import protect_photos
from semveil.bulk.settings import Settings
from semveil.data.faces import load_aligned_faces
from semveil.data.paste import CENTRE, EDGE
from semveil.faces.template import TEMPLATE
from semveil.methods.release import Layout
from semveil.privacy.ledger import Ledger
from semveil.recognition.dlib_faces import Face

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[:300, :400])
SIDE = 120
NEAR, FAR = 0.75, 2.2  # sides between the two
CROPS = Settings("dp-pix", options=(("size", 32), ("block", 8)))


def at(x: float) -> Face:
    return Face((int(x) + 20, 80, int(x) + 100, 160), 1.0, TEMPLATE * SIDE + (x, 60) - 0.5)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def apart(sides: float) -> None:
        monkeypatch.setattr(
            "semveil.data.faces.find_faces", lambda photo, **how: [at(20), at(20 + sides * SIDE)]
        )

    return apart


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl")


@pytest.fixture
def people(album: Callable, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ada is the first face of every photo, Bea the second."""

    def who(self: Enrolled, images: Sequence) -> list[str | None]:
        return ["ada", "bea"][: len(images)]

    monkeypatch.setattr("semveil.bulk.enrolled.find_faces", lambda photo: [at(20)])
    monkeypatch.setattr(Enrolled, "who", who)
    return str(album("ada.jpg", "bea.jpg"))


def saved(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def with_another_neighbour(sides: float) -> np.ndarray:
    """The photo with what belongs to the second face and not to the first replaced."""
    rows, columns = np.mgrid[: PHOTO.shape[0], : PHOTO.shape[1]] + 0.5
    radii = [
        np.hypot(columns - 20 - shift - CENTRE[0] * SIDE, rows - 60 - CENTRE[1] * SIDE)
        for shift in (0, sides * SIDE)
    ]
    changed = PHOTO.copy()
    changed[(radii[1] < EDGE * SIDE) & (radii[1] < radii[0])] = np.random.default_rng(0).integers(0, 256, 3)
    return changed


def test_a_crop_does_not_show_the_neighbours_face(two: Callable, tmp_path: Path) -> None:
    two(NEAR)
    photos = [saved(tmp_path / "a.png", PHOTO), saved(tmp_path / "b.png", with_another_neighbour(NEAR))]
    one, other = (load_aligned_faces(path, size=64, selection="all") for path in photos)  # what `send` takes
    assert (one[0].aligned.pixels == other[0].aligned.pixels).all()
    # the control: the change is seen where it belongs
    assert (one[1].aligned.pixels != other[1].aligned.pixels).any()
    mosaic = Settings("mosaic", options=(("size", 64), ("block", 2)), face="0")
    for path in photos:
        protect_photos([path], tmp_path / "out", mosaic)
    made = [np.asarray(Image.open(tmp_path / f"out/{name}.face-0.png")) for name in "ab"]
    assert (made[0] == made[1]).all()


@pytest.mark.parametrize(("sides", "counted"), [(NEAR, 2), (FAR, 1)])
def test_a_release_counts_for_all_who_pass_through_it(
    two: Callable, people: str, book: Ledger, tmp_path: Path, sides: float, counted: int
) -> None:
    two(sides)
    photo = saved(tmp_path / "a.png", PHOTO)
    protect_photos([photo], tmp_path / "all", replace(CROPS, enrolled=people), ledger=book)
    for person in ("ada", "bea"):
        assert [entry.images for entry in book.releases(person)] == [1] * counted
        single = book.read()[0].certificate.guarantee.epsilon
        total = book.total(person)
        assert total is not None and single is not None and total.epsilon == pytest.approx(counted * single)


@pytest.mark.parametrize(("sides", "counted"), [(NEAR, 1), (FAR, 0)])
def test_who_is_not_chosen_counts_too_where_their_pixels_pass(
    two: Callable, people: str, book: Ledger, tmp_path: Path, sides: float, counted: int
) -> None:
    two(sides)
    protect_photos(
        [saved(tmp_path / "a.png", PHOTO)],
        tmp_path / "out",
        replace(CROPS, enrolled=people, face="0"),
        ledger=book,
    )
    assert (len(book.releases("ada")), len(book.releases("bea"))) == (1, counted)


@pytest.mark.parametrize("sides", [NEAR, FAR])
def test_who_stays_in_a_whole_photo_as_they_are_has_no_epsilon_any_more(
    two: Callable, people: str, book: Ledger, tmp_path: Path, sides: float
) -> None:
    two(sides)
    whole = replace(CROPS, enrolled=people, face="0", layout=Layout.WHOLE_PHOTO)
    protect_photos([saved(tmp_path / "a.png", PHOTO)], tmp_path / "out", whole, ledger=book)
    ada, bea = book.account("ada"), book.account("bea")
    assert ada is not None and bea is not None
    # the face; what is around it; other faces
    assert [part.epsilon is None for part in ada.sets] == [False, True, True]
    assert bea.whole.epsilon is None and all(part.epsilon is None for part in bea.sets)
    assert "left as it is" in bea.whole.reason


def test_in_a_whole_photo_each_face_counts_for_its_neighbour_too(
    two: Callable, people: str, book: Ledger, tmp_path: Path
) -> None:
    whole = replace(CROPS, enrolled=people, layout=Layout.WHOLE_PHOTO)
    for sides, images in ((NEAR, 2), (FAR, 1)):
        two(sides)
        ledger = Ledger(tmp_path / f"{sides}.jsonl")
        protect_photos([saved(tmp_path / "a.png", PHOTO)], tmp_path / f"out {sides}", whole, ledger=ledger)
        assert [entry.images for entry in ledger.releases("ada")] == [images]
