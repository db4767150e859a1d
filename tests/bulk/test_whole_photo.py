# SPDX-License-Identifier: Apache-2.0
"""Faces pasted back into photos, subjects and the ledger, and methods that look for no faces."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from semveil.bulk import enrolled
from semveil.bulk.enrolled import Enrolled, enrol
from semveil.bulk.run import protect_photos
from semveil.bulk.settings import Settings
from semveil.bulk.sources import FOLDER, LOG, SourceError
from semveil.core.errors import OutputError
from semveil.data import faces as faces_module
from semveil.data.certified import read_certificate
from semveil.data.faces import find_faces
from semveil.data.photos import Photo, load_photo
from semveil.mechanisms import gaussian_epsilon
from semveil.methods.registry import METHODS
from semveil.methods.release import Layout, Release
from semveil.privacy.certificate import Certificate
from semveil.privacy.explain import explain
from semveil.privacy.guarantee import Guarantee
from semveil.privacy.ledger import Ledger
from semveil.recognition.dlib_faces import Face

MOSAIC = Settings("mosaic", options=(("size", 32),), layout=Layout.WHOLE_PHOTO)
NOISE = Settings("pixel-noise", options=(("size", 32),), layout=Layout.WHOLE_PHOTO)


@pytest.fixture(autouse=True)
def each_face_is_looked_for_once(monkeypatch: pytest.MonkeyPatch, found: dict) -> None:
    def remembered(photo: Photo, *, thorough: bool = False, detector: str = "dlib") -> list[Face]:
        key = thorough, detector, photo.pixels.shape, photo.pixels.tobytes()
        if key not in found:
            found[key] = find_faces(photo, thorough=thorough, detector=detector)
        return found[key]

    monkeypatch.setattr(faces_module, "find_faces", remembered)
    monkeypatch.setattr(enrolled, "find_faces", remembered)


@pytest.fixture(scope="module")
def found() -> dict:
    return {}


@pytest.fixture
def group(twice: Image.Image, tmp_path: Path) -> Path:
    twice.save(tmp_path / "group.png")
    return tmp_path / "group.png"


def visible(out: Path) -> list[str]:
    found = (str(path.relative_to(out)) for path in out.rglob("*.png") if path.is_file())
    return sorted(path for path in found if not path.startswith(FOLDER))


def pixels_of(path: Path) -> np.ndarray:
    return load_photo(path).pixels.astype(int)


def boxes(path: Path) -> list[tuple[slice, slice]]:
    found = faces_module.find_faces(load_photo(path), thorough=True)
    return [(slice(f.box[1], f.box[3]), slice(f.box[0], f.box[2])) for f in found]


def test_all_faces_change_and_nothing_else_does(group: Path, tmp_path: Path) -> None:
    summary = protect_photos([group], tmp_path / "out", MOSAIC)
    assert (summary.exit_code, summary.faces_found, summary.faces_protected, summary.faces_left) == (
        0,
        2,
        2,
        0,
    )
    assert visible(tmp_path / "out") == ["group.png"]
    before, after = pixels_of(group), pixels_of(tmp_path / "out/group.png")
    changed = (before != after).any(-1)
    for box in boxes(group):
        assert changed[box].mean() > 0.9
        # dlib knows boxes in steps of a fifth; the disc follows the landmarks
        around = 2 * (box[0].stop - box[0].start) // 3
        changed[
            box[0].start - around : box[0].stop + around, box[1].start - around : box[1].stop + around
        ] = False
    assert not changed.any()

    certificate = read_certificate(tmp_path / "out/group.png")
    assert (certificate.images, certificate.guarantee) == (2, summary.guarantee)
    assert "paste-back" in [caveat.value for caveat in certificate.caveats]
    assert certificate.guarantee.whole_record_epsilon is None
    assert "made from 2 faces of a photo" in " ".join(explain(certificate))


def test_a_claim_for_the_crops_is_none_for_the_photo(group: Path, tmp_path: Path) -> None:
    claim = protect_photos([group], tmp_path / "out", NOISE).guarantee
    assert claim is not None and claim.epsilon is not None and claim.whole_record_epsilon is None
    assert any("around the faces" in part for part in claim.not_covered)
    crops = protect_photos([group], tmp_path / "crops", replace(NOISE, layout=Layout.CROPS)).guarantee
    assert crops is not None and crops.whole_record_epsilon == claim.epsilon


@pytest.mark.parametrize(("chosen", "kept"), [("0", [1]), ("1", [0]), ("largest", [1]), ("0,1,0", [])])
def test_faces_that_are_not_chosen_stay_as_they_are(
    group: Path, tmp_path: Path, chosen: str, kept: list[int]
) -> None:
    summary = protect_photos([group], tmp_path / "out", replace(MOSAIC, face=chosen))
    assert (summary.exit_code, summary.faces_left, summary.as_dict()["faces"]["left_as_they_are"]) == (
        0,
        len(kept),
        len(kept),
    )
    before, after = pixels_of(group), pixels_of(next((tmp_path / "out").glob("group*.png")))
    assert (tmp_path / "out/group.png").exists() == (summary.faces_left == 0)
    for i, box in enumerate(boxes(group)):
        assert (before[box] == after[box]).all() == (i in kept)


def test_a_face_too_small_to_protect_keeps_the_photo_out_unless_it_is_left_on_purpose(
    group: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semveil.bulk.task.SMALLEST_FACE", 80)
    for policy in ("error", "copy"):
        refused = protect_photos(
            [group], tmp_path / "out", replace(MOSAIC, on_no_face=policy, doubtful="refuse")
        )
        assert (refused.exit_code, refused.faces_protected, visible(tmp_path / "out")) == (4, 0, [])
    assert "face 1 in 'group.png'" in refused.refused[0].reason and "--face 0)" in refused.refused[0].reason
    assert protect_photos([group], tmp_path / "out", replace(MOSAIC, face="0")).faces_left == 1
    absent = protect_photos([group], tmp_path / "other", replace(MOSAIC, face="0,2,7"))
    assert "has no face 2, 7; it shows 0: " in absent.refused[0].reason


def test_faces_smaller_than_the_crops_are_large_enough(group: Path, tmp_path: Path) -> None:
    # as crops the smaller one would be refused
    large = replace(MOSAIC, options=(("size", 512), ("block", 64)))
    assert protect_photos([group], tmp_path / "out", large).faces_protected == 2


def test_turned_grey_and_transparent_photos_come_out_upright_and_plain(
    face: Image.Image, tmp_path: Path, album: Callable
) -> None:
    folder, out = tmp_path / "odd", tmp_path / "out"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    face.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.png", exif=exif)
    face.convert("L").save(folder / "grey.png")
    glass = face.convert("RGBA")
    glass.putalpha(Image.new("L", face.size, 255))
    glass.putpixel((0, 0), (0, 0, 0, 0))
    glass.save(folder / "glass.png")
    face.convert("LA").save(folder / "grey glass.png")
    face.save(folder / "upright.png")
    noise = replace(NOISE, options=(("sigma", 5.0), ("size", 64)))
    assert protect_photos([folder], out, noise).protected == 5
    for name in ("turned", "upright", "glass"):
        after = pixels_of(out / f"{name}.png")
        assert after.shape == (face.height, face.width, 3)
        assert (after[-1] == np.asarray(face)[-1]).all()  # the lowest row is beyond the face
    assert pixels_of(out / "glass.png")[0, 0].tolist() == [255, 255, 255]
    for name in ("grey", "grey glass"):
        after = pixels_of(out / f"{name}.png")
        assert (after == after[..., :1]).all()
    with Image.open(out / "turned.png") as picture:
        assert picture.info == {}


def test_what_is_done_stays_and_another_layout_replaces_it(group: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    protect_photos([group], out, replace(NOISE, layout=None))
    assert visible(out) == ["group.face-0.png", "group.face-1.png"]
    assert protect_photos([group], out, NOISE).protected == 1
    assert visible(out) == ["group.png"]
    first = (out / "group.png").read_bytes()
    assert protect_photos([group], out, NOISE).done_before == 1
    assert (out / "group.png").read_bytes() == first
    protect_photos([group], out, replace(NOISE, keep=("aligned",)))
    assert visible(out) == [
        "group.png",
        "unprotected/group.face-0.aligned.png",
        "unprotected/group.face-1.aligned.png",
    ]


def test_releases_about_the_subject_go_into_the_ledger_once(
    album: Callable, group: Path, tmp_path: Path
) -> None:
    folder, out = album("a.jpg", "b.jpg"), tmp_path / "out"
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ada = replace(NOISE, subject="Ada Lovelace")
    assert protect_photos([folder], out, ada, ledger=ledger).recorded == 2
    assert protect_photos([folder], out, ada, ledger=ledger).recorded == 0  # both were done
    single = protect_photos([folder / "a.jpg"], tmp_path / "one", ada, ledger=ledger).guarantee
    total = ledger.total("ADA  lovelace")
    assert single is not None and single.epsilon is not None and total is not None
    account = ledger.account("ada lovelace")
    assert account is not None and total.epsilon is None and len(account.sets) == 3
    # three times sigma 49 on 32 px
    face, exact = account.sets[0], gaussian_epsilon(1e-5, 49 / (255 * 3072**0.5 * 3**0.5))
    assert face.covers == "the face without what is around it" and face.epsilon == pytest.approx(
        exact, rel=1e-6
    )
    assert face.epsilon < 3 * single.epsilon
    several = protect_photos([group], tmp_path / "group", ada, ledger=ledger)
    assert "2 chosen faces, the subject is one person" in several.refused[0].reason
    assert protect_photos([group], tmp_path / "group", replace(ada, face="0"), ledger=ledger).recorded == 1
    for path in (out / FOLDER / LOG, *out.rglob("*.json")):
        assert "lovelace" not in path.read_text().lower()
    with pytest.raises(ValueError, match="needs to know whom"):
        protect_photos([folder], out, NOISE, ledger=ledger)


def test_nothing_is_visible_that_the_ledger_does_not_know(
    album: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")

    def full(*arguments: object, **options: object) -> None:
        raise OutputError("cannot write into the ledger: no space left")

    monkeypatch.setattr(ledger, "record_all", full)
    with pytest.raises(OutputError, match="no space"):
        protect_photos([album("a.jpg")], tmp_path / "out", replace(NOISE, subject="Ada"), ledger=ledger)
    assert visible(tmp_path / "out") == []


def test_enrolled_people_are_recognised(
    group: Path, album: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = album("Eileen C/1.jpg", "Eileen C/2.jpg", "eileen d.jpg")
    ledger = Ledger(tmp_path / "ledger.jsonl")
    settings = replace(NOISE, enrolled=str(people))
    monkeypatch.setattr(Enrolled, "who", lambda self, images: ["eileen c", None])
    summary = protect_photos([group], tmp_path / "out", settings, ledger=ledger)
    assert (summary.recorded, summary.strangers) == (1, 1)
    assert [entry.images for entry in ledger.releases("eileen  c")] == [1]
    monkeypatch.setattr(Enrolled, "who", lambda self, images: ["eileen d", "eileen d"])
    protect_photos([group], tmp_path / "twice", settings, ledger=ledger)
    assert [entry.images for entry in ledger.releases("Eileen D")] == [2]  # both faces of one photo count
    group.rename(people / "three.png")
    with pytest.raises(SourceError, match=r"'three.png' shows 2 faces"):
        protect_photos([people / "eileen d.jpg"], tmp_path / "third", settings, ledger=ledger)


def test_the_nearest_person_counts_and_nobody_who_is_far(face: Image.Image, tmp_path: Path) -> None:
    face.save(tmp_path / "Eileen.png")
    known = enrol(str(tmp_path), enrolled.enrolment_digest(tmp_path))
    assert known.names == ("eileen",)
    there = known.embeddings[0]
    more = Enrolled(("bob", "eileen"), torch.stack([there + 0.05, there]))
    photo = load_photo(tmp_path / "Eileen.png")
    crop = enrolled.align_face(photo.pixels, faces_module.find_faces(photo)[0].landmarks, 256).pixels
    images = enrolled.to_tensor([crop, np.full_like(crop, 128)])
    assert more.who(images) == ["eileen", None]
    with pytest.raises(SourceError, match="changed"):
        enrol(str(tmp_path), "0" * 64)
    assert Enrolled(("bob",), there[None] + 0.06).who(images[:1]) == [None]  # 0.06 * sqrt(128) = 0.68 away


class Named:
    """A face for each subject's name."""

    name: ClassVar[str] = "named"
    layout: ClassVar[Layout] = Layout.WHOLE_PHOTO
    size: ClassVar[int] = 32
    model_digest: ClassVar[None] = None
    needs_subjects: ClassVar[bool] = True
    calls: ClassVar[list[list[str]]] = []

    def protect(
        self, images: torch.Tensor, *, subjects: Sequence[str], rng: torch.Generator | None = None
    ) -> Release:
        self.calls.append(list(subjects))
        return Release(
            images * 0 + len(subjects[0]) / 100, None, Guarantee.none("faces", reason="one for each subject")
        )

    def certificate(self, release: Release) -> Certificate:
        return Certificate(
            release="image",
            method="named",
            protection="named",
            guarantee=release.guarantee,
            images=len(release),
        )


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    monkeypatch.setitem(METHODS._entries, "named", Named)
    monkeypatch.setattr(Named, "calls", [])
    return Named.calls


def test_a_method_that_needs_subjects_gets_them_and_strangers_get_names_that_never_come_again(
    named: list, group: Path, face: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="needs to know here who is shown"):
        protect_photos([group], tmp_path / "out", Settings("named"))
    protect_photos([group], tmp_path / "out", Settings("named", subject="Ada", face="1"))
    assert named == [["Ada"]]
    assert (
        protect_photos([group], tmp_path / "out", Settings("named", subject=" ada", face="1")).done_before
        == 1
    )
    assert (
        protect_photos([group], tmp_path / "out", Settings("named", subject="Bob", face="1")).protected == 1
    )

    people = tmp_path / "people"
    people.mkdir()
    face.save(people / "ada.png")
    monkeypatch.setattr(Enrolled, "who", lambda self, images: ["ada", None])
    settings = Settings("named", enrolled=str(people))
    protect_photos([group], tmp_path / "a", settings)
    protect_photos([group], tmp_path / "b", settings)
    assert [names[0] for names in named[-2:]] == ["ada", "ada"]
    assert named[-1][1] != named[-2][1] and len(named[-1][1]) == 32
    face.save(people / "bob.jpg")  # somebody more may be recognised now, so photos are done anew
    assert protect_photos([group], tmp_path / "a", settings).protected == 1


class Whole(Named):
    name: ClassVar[str] = "whole"
    layout: ClassVar[Layout] = Layout.PICTURE
    needs_subjects: ClassVar[bool] = False

    def protect(self, images: torch.Tensor, *, rng: torch.Generator | None = None) -> Release:  # type: ignore[override]
        return Release(-images, None, Guarantee.none("pictures", reason="they are only inverted"))


def test_methods_for_whole_pictures_look_for_no_faces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS._entries, "whole", Whole)
    monkeypatch.setattr(faces_module, "find_faces", lambda photo, **how: pytest.fail("looked for faces"))
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :16] = picture[:, 80:] = 255  # beyond the middle square
    Image.fromarray(picture).save(tmp_path / "house.png")
    Image.new("L", (1, 1), 9).save(tmp_path / "dot.png")
    summary = protect_photos(
        [tmp_path / "house.png", tmp_path / "dot.png"], tmp_path / "out", Settings("whole")
    )
    assert (summary.protected, summary.faces_found) == (2, 0)
    with Image.open(tmp_path / "out/house.png") as made:
        assert made.size == (32, 32) and np.asarray(made).min() == 255
    assert read_certificate(tmp_path / "out/house.png").guarantee == summary.guarantee
    for wrong in ({"face": "0"}, {"on_no_face": "skip"}, {"enrolled": "people"}, {"layout": Layout.CROPS}):
        with pytest.raises(ValueError, match=r"looks for no faces|whole pictures"):
            Settings("whole", **wrong)
    with pytest.raises(ValueError, match="'mosaic' protects faces"):
        Settings("mosaic", layout=Layout.PICTURE)
    with pytest.raises(ValueError, match="not both"):
        Settings("mosaic", subject="Ada", enrolled="people")
