# SPDX-License-Identifier: Apache-2.0
"""What an earlier run released without a ledger is booked by the next one, or it says that it cannot; limits
refuse before.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from semveil.bulk.enrolled import Enrolled
from semveil.bulk.run import protect_photos
from semveil.bulk.settings import Settings
from semveil.data import faces as faces_module
from semveil.data.certified import certificate_path
from semveil.data.faces import find_faces
from semveil.data.photos import Photo
from semveil.methods.release import Layout
from semveil.privacy.ledger import BudgetIsFixed, Ledger
from semveil.recognition.dlib_faces import Face

PIX = Settings("dp-pix", options=(("size", 32), ("block", 8)))
ADA = replace(PIX, subject="Ada")


@pytest.fixture(scope="module")
def found() -> dict:
    return {}


@pytest.fixture(autouse=True)
def each_face_is_looked_for_once(monkeypatch: pytest.MonkeyPatch, found: dict) -> None:
    def remembered(photo: Photo, *, thorough: bool = False, detector: str = "dlib") -> list[Face]:
        key = thorough, detector, photo.pixels.shape, photo.pixels.tobytes()
        if key not in found:
            found[key] = find_faces(photo, thorough=thorough, detector=detector)
        return found[key]

    monkeypatch.setattr(faces_module, "find_faces", remembered)
    monkeypatch.setattr("semveil.bulk.enrolled.find_faces", remembered)


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl")


@pytest.fixture
def group(twice: Image.Image, tmp_path: Path) -> Path:
    twice.save(tmp_path / "group.png")
    return tmp_path / "group.png"


def test_a_forgotten_subject_is_made_good(album: Callable, tmp_path: Path, book: Ledger) -> None:
    folder, out = album("a.jpg", "b.jpg"), tmp_path / "out"
    protect_photos([folder], out, PIX)
    pictures = {path: path.read_bytes() for path in out.rglob("*.png")}
    late = protect_photos([folder], out, ADA, ledger=book)
    assert (late.recorded, late.done_before, late.protected, late.exit_code) == (2, 2, 0, 0)
    assert any("began a new ledger" in note for note in late.notes)
    again = protect_photos([folder], out, ADA, ledger=book)
    assert again.recorded == 0 and not again.notes and len(book.releases("Ada")) == 2
    assert {path: path.read_bytes() for path in out.rglob("*.png")} == pictures  # nothing was released anew
    other = Ledger(tmp_path / "other.jsonl")
    assert protect_photos([folder], out, ADA, ledger=other).recorded == 2  # another ledger lacks them too


def test_what_cannot_be_booked_is_said(group: Path, album: Callable, tmp_path: Path, book: Ledger) -> None:
    out = tmp_path / "out"
    protect_photos([group], out, PIX)
    late = protect_photos([group], out, ADA, ledger=book)
    assert (late.exit_code, late.recorded, late.done_before) == (8, 0, 0)
    assert "shows several chosen faces" in late.refused[0].reason
    photo = album("a.jpg") / "a.jpg"
    protect_photos([photo], out, PIX)
    certificate_path(out / "a.png").write_text("{}")
    # its certificate is not what was put there: a new release
    late = protect_photos([photo], out, ADA, ledger=book)
    assert (late.exit_code, late.protected, late.recorded) == (0, 1, 1) and "done again" in late.notes[0]


@pytest.mark.parametrize("layout", [Layout.CROPS, Layout.WHOLE_PHOTO])
def test_people_who_are_enrolled_later_are_booked(
    group: Path,
    album: Callable,
    tmp_path: Path,
    book: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    layout: Layout,
) -> None:
    people, out, seen = album("ada.jpg"), tmp_path / "out", ["ada", None]
    monkeypatch.setattr(Enrolled, "who", lambda self, images: seen[: len(images)])
    settings = replace(PIX, layout=layout)
    protect_photos([group], out, settings)
    late = protect_photos([group], out, replace(settings, enrolled=str(people)), ledger=book)
    assert (late.exit_code, late.recorded) == (0, len(book.releases("ada"))) and late.recorded >= 1
    direct = Ledger(tmp_path / "direct.jsonl")
    protect_photos([group], tmp_path / "direct", replace(settings, enrolled=str(people)), ledger=direct)
    assert [entry.images for entry in book.releases("ada")] == [
        entry.images for entry in direct.releases("ada")
    ]
    assert protect_photos([group], out, replace(settings, enrolled=str(people)), ledger=book).recorded == 0


def test_a_photo_that_was_copied_is_a_release_about_its_subject(tmp_path: Path, book: Ledger) -> None:
    Image.new("RGB", (100, 80), (90, 120, 30)).save(tmp_path / "meadow.png")
    copied = replace(ADA, on_no_face="copy")
    assert protect_photos([tmp_path / "meadow.png"], tmp_path / "out", copied, ledger=book).recorded == 1
    total = book.total("Ada")
    assert total is not None and total.epsilon is None and "copied as it is" in total.reason


def test_a_limit_refuses_photos_before_they_are_there(album: Callable, tmp_path: Path, book: Ledger) -> None:
    folder, out = album("a.jpg", "b.jpg", "c.jpg"), tmp_path / "out"
    single = protect_photos([folder / "a.jpg"], tmp_path / "first", PIX).guarantee
    assert single is not None and single.epsilon is not None
    limited = protect_photos([folder], out, ADA, ledger=book, limit=2 * single.epsilon)
    assert (limited.protected, limited.recorded, limited.exit_code) == (2, 2, 8)
    assert "refused before the release" in limited.refused[0].reason
    assert sorted(path.name for path in out.glob("*.png")) == ["a.png", "b.png"]
    assert not list((out / ".semveil").rglob("*.png"))  # what was made for it is gone
    total = book.total("Ada")
    assert total is not None and total.epsilon == pytest.approx(2 * single.epsilon)
    pasted = replace(ADA, layout=Layout.WHOLE_PHOTO)  # no finite epsilon for the photo, so no limit allows it
    # the limit is kept
    assert protect_photos([folder / "c.jpg"], tmp_path / "whole", pasted, ledger=book).exit_code == 8
    with pytest.raises(BudgetIsFixed):
        protect_photos([folder / "c.jpg"], tmp_path / "whole", ADA, ledger=book, limit=1e9)
    with pytest.raises(ValueError, match="a limit needs a ledger"):
        protect_photos([folder], out, PIX, limit=1.0)


def test_a_limit_cannot_refuse_what_an_earlier_run_released(
    album: Callable, tmp_path: Path, book: Ledger
) -> None:
    folder, out = album("a.jpg", "b.jpg"), tmp_path / "out"
    done = protect_photos([folder / "a.jpg"], out, PIX).guarantee
    assert done is not None and done.epsilon is not None
    late = protect_photos([folder], out, ADA, ledger=book, limit=0.5 * done.epsilon)
    # the first is booked, the second refused
    assert (late.done_before, late.recorded, late.exit_code) == (1, 1, 8)
    assert not (out / "b.png").exists()


@pytest.mark.parametrize("before", ["somebody else enrolled", "a subject"])
def test_people_who_are_enrolled_besides_others_are_booked(
    twice: Image.Image,
    group: Path,
    album: Callable,
    tmp_path: Path,
    book: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    before: str,
) -> None:
    """The releases are known to the ledger, about others."""
    people, out, seen = album("ada.jpg"), tmp_path / "out", ["ada", None]
    monkeypatch.setattr(Enrolled, "who", lambda self, images: seen[: len(images)])
    settings = replace(PIX, enrolled=str(people), face="largest", layout=Layout.WHOLE_PHOTO)
    first = settings if before != "a subject" else replace(settings, enrolled=None, subject="ada")
    protect_photos([group], out, first, ledger=book)
    assert len(book.releases("ada")) == 1 and not book.releases("bob")
    assert protect_photos([group], out, first, ledger=book).recorded == 0
    (people / "bob.jpg").write_bytes((people / "ada.jpg").read_bytes())
    seen[1] = "bob"
    direct = Ledger(tmp_path / "direct.jsonl")
    protect_photos([group], tmp_path / "direct", settings, ledger=direct)
    late = protect_photos([group], out, settings, ledger=book)
    assert (late.exit_code, late.done_before) == (0, 1)
    assert late.recorded == len(book.releases("bob")) == len(direct.releases("bob")) == 1
    assert len(book.releases("ada")) == 1
    monkeypatch.setattr("semveil.bulk.kept.people_of", lambda *known: pytest.fail("found out again"))
    assert protect_photos([group], out, settings, ledger=book).recorded == 0


def test_a_limit_is_fixed_for_everybody_who_is_enrolled(
    album: Callable, tmp_path: Path, book: Ledger
) -> None:
    known = album("astronaut.jpg").rename(tmp_path / "known")
    people = replace(PIX, enrolled=str(known))
    assert protect_photos([album("a.jpg")], tmp_path / "out", people, ledger=book, limit=1e-3).exit_code == 8
    assert [fixed.budget for fixed in book.budgets("astronaut")] == [1e-3] and not book.releases("astronaut")
