# SPDX-License-Identifier: Apache-2.0
"""Faces of identity-dp are pasted in along the face, with the certificate's word; those of other methods as a
public disc; and faces that are too large for their model are told, blurred or refused.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semveil.bulk.account import LARGEST, Account, Fate, Mark
from semveil.bulk.run import protect_photos
from semveil.bulk.sealing import Sealing
from semveil.bulk.settings import Settings
from semveil.cli.main import main
from semveil.data.certified import read_certificate
from semveil.data.faces import find_faces
from semveil.data.grain import grains
from semveil.data.paste import EDGE, Circle, align_apart
from semveil.data.photos import load_photo
from semveil.data.sealed_faces import read_sealed
from semveil.keys.secret import Secret, write_secret
from semveil.methods.release import Layout
from semveil.privacy.coverage import Kind, Part

IDENTITY = Settings("identity-dp")
NOISE = Settings("pixel-noise", options=(("size", 32),), layout=Layout.WHOLE_PHOTO)


@pytest.fixture
def portrait(face: Image.Image, tmp_path: Path) -> Path:
    face.resize((face.width * 2, face.height * 2), Image.Resampling.BICUBIC).save(tmp_path / "portrait.png")
    return tmp_path / "portrait.png"


def changed(before: Path, after: Path) -> np.ndarray:
    return (load_photo(before).pixels != load_photo(after).pixels).any(-1)


def disc(path: Path) -> np.ndarray:
    """Pixels in the disc around the face of a photo that shows one."""
    photo = load_photo(path)
    (found,) = find_faces(photo)
    (aligned,) = align_apart(photo.pixels, [found.landmarks], 64)
    circle = Circle.of(aligned)
    rows, columns = np.mgrid[: photo.pixels.shape[0], : photo.pixels.shape[1]] + 0.5
    return np.hypot(columns - circle.x, rows - circle.y) < EDGE * circle.side


def test_with_the_look_in_clear_the_face_alone_is_replaced(portrait: Path, tmp_path: Path) -> None:
    summary = protect_photos([portrait], tmp_path / "out", IDENTITY)
    touched, inside = changed(portrait, tmp_path / "out/portrait.png"), disc(portrait)
    assert not (touched & ~inside).any()
    assert 0.3 < touched[inside].mean() < 0.8  # hair, ears and background inside the disc stay as they are
    claim = read_certificate(tmp_path / "out/portrait.png").guarantee
    assert claim == summary.guarantee and "the outline of the old face" in claim.not_covered
    assert claim.epsilon == 1 and claim.whole_record_epsilon is None
    assert not claim.coverage.leaves_open(
        next(part for part in claim.coverage.covered if part.kind == Kind.IDENTITY)
    )


def test_a_method_that_covers_the_crop_replaces_the_whole_disc(portrait: Path, tmp_path: Path) -> None:
    protect_photos([portrait], tmp_path / "out", NOISE)
    assert changed(portrait, tmp_path / "out/portrait.png")[disc(portrait)].mean() > 0.9
    claim = read_certificate(tmp_path / "out/portrait.png").guarantee
    assert not any(part.kind == Kind.OUTLINE for part in claim.coverage.clear)
    assert not claim.coverage.leaves_open(Part(Kind.FACE))


def test_what_the_outline_tells() -> None:
    claim = Settings("identity-dp").build().guarantee().coverage  # type: ignore[attr-defined]
    outline = Part(Kind.OUTLINE)
    beside = replace(claim, clear=(outline,))
    assert not beside.leaves_open(claim.covered[0])
    for part in (Part(Kind.CROP), Part(Kind.FACE), Part(Kind.PHOTO)):
        assert beside.leaves_open(part)
    assert Part.from_dict(outline.as_dict()) == outline


def test_the_way_back_puts_every_pixel_back(portrait: Path, tmp_path: Path) -> None:
    secret = Secret.generate()
    write_secret(tmp_path / "my.key", secret)
    protect_photos([portrait], tmp_path / "out", replace(IDENTITY, sealing=Sealing(str(tmp_path / "my.key"))))
    made = tmp_path / "out/portrait.png"
    found = read_sealed(made)
    before = load_photo(portrait).pixels
    assert (load_photo(made).pixels != before).any()
    assert (
        found.restore(load_photo(made).pixels, [found.key(secret, number) for number in found.numbers])
        == before
    ).all()


@pytest.mark.parametrize("oversize", ["keep", "blur", "refuse"])
def test_a_face_too_large_for_its_model(portrait: Path, tmp_path: Path, oversize: str) -> None:
    out = tmp_path / "out"
    summary = protect_photos([portrait], out, replace(IDENTITY, oversize=oversize))
    if oversize == "refuse":
        assert summary.exit_code == 4 and not (out / "portrait.png").exists()
        assert "larger than the model's 128 px: face 0 " in summary.refused[0].reason
        return
    assert summary.exit_code == 0
    (account,) = summary.accounts
    (mark,) = account.marks
    circle = np.sqrt(disc(portrait).sum() / np.pi) / EDGE  # the crop's side in the photo
    assert (
        mark.oversize and mark.enlarged == pytest.approx(circle / 128, rel=0.02) and mark.enlarged > LARGEST
    )
    assert (
        "too large for the model" if oversize == "blur" else f"face 0 {mark.enlarged:.1f} times"
    ) in account.line()
    assert summary.as_dict()["per_photo"][0]["faces"][0]["enlarged"] == mark.enlarged


def test_blurred_faces_have_no_features(portrait: Path, tmp_path: Path) -> None:
    rough = {}
    for oversize in ("keep", "blur"):
        protect_photos([portrait], tmp_path / oversize, replace(IDENTITY, oversize=oversize))
        pixels = load_photo(tmp_path / oversize / "portrait.png").pixels[::4, ::4]
        (found,) = find_faces(load_photo(portrait))
        left, top, right, bottom = (v // 4 for v in found.box)
        middle = pixels[top + 12 : bottom - 12, left + 12 : right - 12]
        rough[oversize] = np.median(grains(middle, np.ones(middle.shape[:2], bool)))
    assert rough["blur"] < 0.5 * rough["keep"]


def test_a_face_no_larger_than_its_model_makes_it_is_not_told_of(face: Image.Image, tmp_path: Path) -> None:
    small = face.resize((face.width // 2, face.height // 2), Image.Resampling.LANCZOS)
    small.save(tmp_path / "small.png")
    summary = protect_photos([tmp_path / "small.png"], tmp_path / "out", replace(IDENTITY, oversize="refuse"))
    assert (
        summary.exit_code == 0
        and not summary.accounts[0].oversize
        and summary.accounts[0].line().endswith("0 left")
    )


def test_methods_without_a_model_make_any_size(portrait: Path, tmp_path: Path) -> None:
    summary = protect_photos([portrait], tmp_path / "out", replace(NOISE, oversize="refuse"))
    assert summary.exit_code == 0 and not summary.accounts[0].oversize


def test_marks_of_earlier_logs_are_read() -> None:
    mark = Mark(0, (9, 9, 60, 60), "dlib", 1.2, Fate.PROTECTED, enlarged=3.0)
    assert Mark.from_dict(mark.as_dict()) == mark
    earlier = {name: value for name, value in mark.as_dict().items() if name not in ("enlarged", "blurred")}
    assert not Mark.from_dict(earlier).oversize
    assert Account("a.jpg", (), (Mark.from_dict(earlier),)).line().endswith("0 left")


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ValueError, match="oversize has no choice 'blurr' \\(did you mean 'blur'"):
        Settings("blur", oversize="blurr")


def test_the_command_line_says_which_faces_are_too_large(
    portrait: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    told = ["protect", str(portrait), "--method", "identity-dp", "--out", str(tmp_path / "out")]
    assert main(told) == 0
    assert "enlarged from the model's size, so it looks soft: face 0 " in capsys.readouterr().out
    assert main([*told[:-1], str(tmp_path / "refused"), "--oversize", "refuse"]) == 4
    assert "see --oversize" in capsys.readouterr().err
