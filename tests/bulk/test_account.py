# SPDX-License-Identifier: Apache-2.0
"""No face is missed in silence: doubtful ones are covered, counted and named, and the originals come back
with the key.
"""

import hmac
import json
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semveil.bulk.account import Account, Fate, Mark
from semveil.bulk.enrolled import Enrolled
from semveil.bulk.log_key import log_key
from semveil.bulk.review import write_review
from semveil.bulk.run import protect_photos
from semveil.bulk.sealing import Sealing
from semveil.bulk.settings import Settings
from semveil.bulk.sources import FOLDER, LOG
from semveil.core.errors import KeyProblem
from semveil.data import faces as faces_module
from semveil.data.certified import read_certificate
from semveil.data.faces import find_faces
from semveil.data.photos import load_photo
from semveil.data.sealed_faces import read_sealed, sealed_path
from semveil.keys.secret import Secret, write_secret
from semveil.methods.release import Layout
from semveil.privacy.certificate import Certificate, CertificateError
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.explain import explain
from semveil.privacy.guarantee import Basis, Guarantee
from semveil.privacy.ledger import Ledger
from semveil.privacy.sealed_claim import with_sealed_part

MOSAIC = Settings("mosaic", options=(("size", 32),), layout=Layout.WHOLE_PHOTO, detector="dlib")
NOISE = Settings("pixel-noise", options=(("size", 32),), layout=Layout.WHOLE_PHOTO, detector="dlib")


@pytest.fixture(scope="module")
def faces() -> dict:
    return {}


@pytest.fixture
def group(twice: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faces: dict) -> Path:
    """Two faces, of which the second is doubtful."""
    path = tmp_path / "group.png"
    twice.save(path)
    if not faces:
        first, second = find_faces(load_photo(path))
        faces["found"] = [
            first,
            replace(second, doubtful="it is seen from the side", detector="yunet", score=0.6),
        ]
    monkeypatch.setattr(faces_module, "find_faces", lambda photo, **how: faces["found"])
    return path


def visible(out: Path) -> list[str]:
    return sorted(p.name for p in out.iterdir() if p.is_file() and not p.name.endswith(".certificate.json"))


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def middle(pixels: np.ndarray, mark: Mark) -> np.ndarray:
    left, top, right, bottom = mark.box
    return pixels[top : bottom + 1, left : right + 1]


def test_a_doubtful_face_is_covered_and_counted(group: Path, tmp_path: Path) -> None:
    summary = protect_photos([group], tmp_path / "out", MOSAIC)
    assert (
        summary.exit_code, summary.faces_found, summary.faces_protected, summary.faces_covered,
        summary.faces_left,
    ) == (
        0, 2, 1, 1, 0,
    )  # fmt: skip
    (account,) = summary.accounts
    assert account.line() == "group.png: 2 faces found, 1 protected, 1 covered, 0 left"
    first, second = account.marks
    assert (first.fate, second.fate, second.doubt) == (
        Fate.PROTECTED,
        Fate.COVERED,
        "is doubtful: it is seen from the side",
    )
    before, after = pixels_of(group), pixels_of(tmp_path / "out/group.png")
    assert len(np.unique(middle(after, second).reshape(-1, 3), axis=0)) <= 25
    assert np.abs(middle(before, second).astype(int) - middle(after, second)).mean() > 5
    claim = read_certificate(tmp_path / "out/group.png").guarantee
    assert Part(Kind.COVERED_FACES) in claim.coverage.clear and "only covered by a mosaic" in " ".join(
        claim.not_covered
    )


def test_what_becomes_of_it_is_the_users_choice(group: Path, tmp_path: Path) -> None:
    refused = protect_photos([group], tmp_path / "refuse", replace(MOSAIC, doubtful="refuse"))
    assert (refused.exit_code, visible(tmp_path / "refuse")) == (4, [])
    assert "face 1 in 'group.png' is doubtful: it is seen from the side" in refused.refused[0].reason
    kept = protect_photos([group], tmp_path / "keep", replace(MOSAIC, doubtful="keep"))
    assert (kept.faces_covered, kept.faces_left, visible(tmp_path / "keep")) == (
        0,
        1,
        ["group.partly-unprotected.png"],
    )
    mark = kept.accounts[0].marks[1]
    same = middle(pixels_of(tmp_path / "keep/group.partly-unprotected.png"), mark) == middle(
        pixels_of(group), mark
    )
    assert mark.fate == Fate.LEFT and same.mean() > 0.95
    crops = protect_photos([group], tmp_path / "crops", replace(MOSAIC, layout=Layout.CROPS))
    assert crops.accounts[0].line() == "group.png: 2 faces found, 1 protected, 0 covered, 0 left, 1 left out"
    assert crops.accounts[0].marks[1].fate == Fate.OUT and crops.accounts[0].all_protected
    assert visible(tmp_path / "crops") == ["group.face-0.png"] and "doubtful" in crops.small_faces[0].reason
    with pytest.raises(ValueError, match="did you mean 'cover'"):
        replace(MOSAIC, doubtful="covr")


def test_a_photo_of_doubtful_faces_alone_is_covered_and_claims_nothing(group: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = protect_photos([group], out, replace(MOSAIC, face="1"))
    assert (summary.faces_protected, summary.faces_covered, visible(out)) == (
        0,
        1,
        ["group.partly-unprotected.png"],
    )
    assert summary.guarantee is None
    certificate = read_certificate(out / "group.partly-unprotected.png")
    assert (certificate.guarantee.basis, certificate.guarantee.epsilon) == (Basis.NONE, None)


def test_a_later_run_and_a_log_of_an_earlier_version_are_accounted_for(group: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = protect_photos([group], out, MOSAIC)
    again = protect_photos([group], out, MOSAIC)
    assert (again.done_before, again.accounts, again.faces_covered) == (1, first.accounts, 1)
    assert again.as_dict()["per_photo"][0]["faces"][1]["fate"] == "covered"
    log = out / FOLDER / LOG
    header, line = log.read_bytes().splitlines()
    log.write_bytes(header + b"\n" + line.replace(b'"covered"', b'"protected"') + b"\n")
    forged = protect_photos([group], tmp_path / "out", MOSAIC)
    assert forged.done_before == 0 and any(
        "were not written by this program" in note for note in forged.notes
    )


@pytest.mark.parametrize(("lacking", "done"), [("marks", 1), ("small", 0)])
def test_what_a_log_without_marks_says_is_done_is_not_released_again(
    group: Path, tmp_path: Path, lacking: str, done: int
) -> None:
    out = tmp_path / "out"
    protect_photos([group], out, MOSAIC)
    header, line = (out / FOLDER / LOG).read_bytes().splitlines()
    old = {name: value for name, value in json.loads(line).items() if name not in (lacking, "tag")}
    tag = hmac.new(
        log_key().value, b"semveil photo log line\n" + json.dumps(old, sort_keys=True).encode(), "sha256"
    )
    (out / FOLDER / LOG).write_bytes(
        header + b"\n" + json.dumps(old | {"tag": tag.hexdigest()}).encode() + b"\n"
    )
    again = protect_photos([group], out, MOSAIC)
    assert again.done_before == done


@pytest.fixture
def key(tmp_path: Path) -> tuple[Path, Secret]:
    secret = Secret.generate()
    write_secret(tmp_path / "k.key", secret)
    return tmp_path / "k.key", secret


@pytest.mark.parametrize("inside", [False, True])
def test_protected_and_covered_faces_come_back_exactly(
    group: Path, tmp_path: Path, key: tuple[Path, Secret], inside: bool
) -> None:
    out = tmp_path / "out"
    protect_photos(
        [group], out, replace(NOISE, sealing=Sealing(str(key[0]), inside=inside), certificate_in_png=inside)
    )
    picture = out / "group.png"
    assert visible(out) == (["group.png"] if inside else ["group.png", "group.png.sealed"])
    found = read_sealed(picture)
    assert found.numbers == (0, 1)
    restored = found.restore(pixels_of(picture), [found.key(key[1], number) for number in (0, 1)])
    assert (restored == pixels_of(group)).all() and (pixels_of(picture) != pixels_of(group)).any()
    certificate = read_certificate(picture)
    assert certificate.release_id == found.sealed.header["release_id"]
    assert certificate.sealed is not None
    assert (certificate.guarantee.basis, certificate.sealed.basis) == (Basis.PROVED, Basis.COMPUTATIONAL)
    assert certificate.guarantee.epsilon == certificate.sealed.epsilon
    told = " ".join(explain(certificate))
    assert "With the sealed originals" in told and "no forward secrecy" in told and "passphrase" not in told


def test_the_sealed_length_does_not_depend_on_the_photo(
    group: Path, tmp_path: Path, key: tuple[Path, Secret]
) -> None:
    settings = replace(NOISE, sealing=Sealing(str(key[0])))
    protect_photos([group], tmp_path / "a", settings)
    Image.fromarray(255 - pixels_of(group)).save(group)
    protect_photos([group], tmp_path / "b", settings)
    sizes = {sealed_path(tmp_path / run / "group.png").stat().st_size for run in "ab"}
    assert len(sizes) == 1


def test_another_key_does_photos_anew_and_the_same_does_not(
    group: Path, tmp_path: Path, key: tuple[Path, Secret]
) -> None:
    out, settings = tmp_path / "out", replace(NOISE, sealing=Sealing(str(key[0])))
    protect_photos([group], out, settings)
    assert protect_photos([group], out, settings).done_before == 1
    write_secret(tmp_path / "other.key", Secret.generate())
    assert (
        protect_photos([group], out, replace(NOISE, sealing=Sealing(str(tmp_path / "other.key")))).protected
        == 1
    )
    with pytest.raises(KeyProblem, match="no key at"):
        protect_photos([group], out, replace(NOISE, sealing=Sealing(str(tmp_path / "none.key"))))
    with pytest.raises(ValueError, match="only whole photos can be reversible"):
        replace(NOISE, sealing=Sealing(str(key[0])), layout=Layout.CROPS)
    with pytest.raises(ValueError, match="'noise-image' makes new pictures; they cannot be reversible"):
        Settings("noise-image", sealing=Sealing(str(key[0])))


def test_the_ledger_books_what_holds_with_the_sealed_part(
    group: Path, tmp_path: Path, key: tuple[Path, Secret]
) -> None:
    book = Ledger(tmp_path / "book.jsonl")
    protect_photos(
        [group],
        tmp_path / "out",
        replace(NOISE, sealing=Sealing(str(key[0])), subject="Ada", face="0"),
        ledger=book,
    )
    together = book.account("Ada")
    assert together is not None and together.whole.epsilon is None
    assert [part.basis for part in together.sets if part.epsilon is not None] == [Basis.COMPUTATIONAL]


def test_what_a_later_run_books_is_what_holds_with_the_sealed_part(
    group: Path, tmp_path: Path, key: tuple[Path, Secret]
) -> None:
    settings = replace(NOISE, sealing=Sealing(str(key[0])), face="0")
    protect_photos([group], tmp_path / "out", settings)
    book = Ledger(tmp_path / "book.jsonl")
    late = protect_photos([group], tmp_path / "out", replace(settings, subject="Ada"), ledger=book)
    (entry,) = book.releases("Ada")
    assert (late.done_before, late.recorded, entry.certificate.guarantee.basis) == (1, 1, Basis.COMPUTATIONAL)


@pytest.mark.parametrize("late", [False, True])
def test_known_people_behind_a_mosaic_are_booked_as_shown(
    group: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    monkeypatch.setattr(Enrolled, "who", lambda self, crops: ["ada", "bob"])
    monkeypatch.setattr("semveil.bulk.enrolled.find_faces", lambda photo, **how: find_faces(photo)[:1])
    (tmp_path / "people").mkdir()
    for name in ("ada", "bob"):
        (tmp_path / "people" / f"{name}.png").write_bytes(group.read_bytes())
    settings, book = replace(NOISE, enrolled=str(tmp_path / "people")), Ledger(tmp_path / "book.jsonl")
    if late:
        protect_photos([group], tmp_path / "out", settings)
    summary = protect_photos([group], tmp_path / "out", settings, ledger=book)
    assert (summary.done_before, summary.faces_covered) == (int(late), 1)
    ada, bob = book.account("ada"), book.account("bob")
    assert ada is not None and any(part.epsilon is not None for part in ada.sets)
    assert bob is not None and all(part.epsilon is None for part in (bob.whole, *bob.sets))
    assert "mosaic" in bob.whole.reason


def test_a_subject_behind_a_mosaic_alone_is_booked(group: Path, tmp_path: Path) -> None:
    book = Ledger(tmp_path / "book.jsonl")
    settings = replace(NOISE, face="1", subject="Ada")
    summary = protect_photos([group], tmp_path / "out", settings, ledger=book)
    assert (summary.exit_code, summary.faces_covered, summary.recorded) == (0, 1, 1)
    total = book.total("Ada")
    assert total is not None and total.epsilon is None


def test_faces_under_a_mosaic_leave_a_face_covered_and_a_crop_open() -> None:
    beside = Coverage.of(Part(Kind.FACE), Part(Kind.COVERED_FACES))
    assert not beside.leaves_open(Part(Kind.FACE)) and beside.leaves_open(Part(Kind.CROP))


@pytest.mark.parametrize("basis", [Basis.PROVED, Basis.OBSERVED_SENSITIVITY, Basis.NONE])
def test_the_sealed_part_never_strengthens_a_claim(basis: Basis) -> None:
    epsilon = None if basis == Basis.NONE else 2.0
    claim = Guarantee(epsilon, "the face", basis)
    joint = with_sealed_part(claim, passphrase=True)
    assert joint.epsilon == epsilon
    assert joint.basis == {Basis.PROVED: Basis.COMPUTATIONAL}.get(basis, basis)
    assert "try guesses without limit" in joint.assumptions[-1]
    made = Certificate(release="image", method="blur", protection="blur", guarantee=claim, sealed=joint)
    assert Certificate.from_json(made.to_json()) == made
    plain = {
        name: value for name, value in made.as_dict().items() if name not in ("bounds_hash", "perceptual")
    }
    plain |= {"certificate_version": 1}
    with pytest.raises(CertificateError, match="a certificate of version 1 has no sealed"):
        Certificate.from_dict(plain)
    del plain["sealed"]
    assert Certificate.from_dict(plain).sealed is None


def test_the_review_page_shows_originals_only_when_asked(group: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    accounts = protect_photos([group], out, MOSAIC).accounts
    strange = Account("<script>x</script>.jpg", (), (Mark(0, (1, 1, 9, 9), "dlib", 1.0, Fate.LEFT),))
    write_review(tmp_path / "plain.html", [*accounts, strange], out, refused=["<b>no</b>"])
    plain = (tmp_path / "plain.html").read_text()
    assert plain.count("<img") == 1 and "UNPROTECTED photos" not in plain
    assert "<script>" not in plain and "<b>no" not in plain and "http" not in plain
    assert "2 faces found, 1 protected, 1 covered, 0 left" in plain and "seen from the side" in plain
    write_review(tmp_path / "both.html", accounts, out, originals={"group.png": group})
    both = (tmp_path / "both.html").read_text()
    assert both.count("<img") == 2 and "holds UNPROTECTED photos" in both
    assert stat.S_IMODE((tmp_path / "both.html").stat().st_mode) == 0o600
