# SPDX-License-Identifier: Apache-2.0
"""Faces that still show in a clip's output are named with their times; the review page shows the frames."""

import base64
import io
import re
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from video.moving import find_squares, gliding, square_frames, write_clip

from semveil.bulk import clip as clip_module
from semveil.bulk import clip_frames
from semveil.bulk.account import ClipFacts, Fate
from semveil.bulk.protect import protection_settings
from semveil.bulk.review import write_review
from semveil.bulk.run import protect_photos
from semveil.bulk.summary import Summary
from semveil.data.photos import Photo
from semveil.recognition.dlib_faces import Face

NOISE = protection_settings("pixel-noise", size=8, sigma=60.0, detector="dlib")
FRAMES = 20


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_frames, "find_faces", find_squares)
    monkeypatch.setattr(clip_module, "FRAMES", 8)


@pytest.fixture
def glide(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "glide.mp4", gliding(FRAMES))


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault on purpose: frames 3, 4 and 8 are written as they are."""
    really, done = clip_frames._finished, []

    def finished(frame: object, fates: object) -> object:
        done.append(1)
        return (frame.pixels, []) if len(done) in (4, 5, 9) else really(frame, fates)  # type: ignore[attr-defined,arg-type]

    monkeypatch.setattr(clip_frames, "_finished", finished)


def run(path: Path, out: Path) -> Summary:
    return protect_photos([path], out, NOISE)


def facts(summary: Summary) -> ClipFacts:
    (account,) = summary.accounts
    assert account.clip is not None
    return account.clip


def pictures(page: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))).astype(int) for one in found]


def reds(page: str) -> list[int]:
    """Number of pixels of the square's colour in each picture."""
    masks = [(p[..., 0] > 190) & (p[..., 1] < 70) & (p[..., 2] < 70) for p in pictures(page)]
    return [int(mask.sum()) for mask in masks]


def test_missed_frames_are_named_by_their_times(glide: Path, tmp_path: Path, forgetful: None) -> None:
    summary = run(glide, tmp_path / "out")
    clip = facts(summary)
    assert clip.missed == 3 and clip.missed_at == (0.12, 0.16, 0.32)  # at 25 frames a second
    assert "missed in 3 (00:00.120, 00:00.160, 00:00.320)" in summary.accounts[0].line()
    assert summary.as_dict()["per_photo"][0]["clip"]["missed_at"] == [0.12, 0.16, 0.32]
    assert facts(run(glide, tmp_path / "out")) == clip  # told again by a run that finds the clip done


def test_a_line_names_a_handful_of_times_and_json_all(glide: Path, tmp_path: Path) -> None:
    many = replace(facts(run(glide, tmp_path / "out")), missed=7, missed_at=tuple(map(float, range(7))))
    assert "(00:00.000, 00:01.000, 00:02.000, 00:03.000, 00:04.000 and 2 more)" in many.line()
    assert len(many.as_dict()["missed_at"]) == 7 and ClipFacts.from_dict(many.as_dict()) == many
    old = {"frames": 9, "seconds": 0.4, "hidden": 0, "missed": 1, "elsewhere": 0}
    assert (
        ClipFacts.from_dict(old).missed_at == () and "missed in 1, other" in ClipFacts.from_dict(old).line()
    )


@pytest.mark.parametrize("who", ["dlib", "yunet", "union", "nobody"])
@pytest.mark.usefixtures("forgetful")
def test_each_detector_by_itself_counts(
    who: str, glide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the source was searched, one of the detectors sees the faces and the others do not."""
    asked: list[str] = []

    def seeing(photo: Photo, *, thorough: bool = False, detector: str = "dlib") -> list[Face]:
        asked.append(detector)
        if len(asked) <= FRAMES or detector == who:
            return find_squares(photo)
        return []

    monkeypatch.setattr(clip_frames, "resolve_detector", lambda name: "union")
    monkeypatch.setattr(clip_frames, "find_faces", seeing)
    assert facts(run(glide, tmp_path / "out")).missed == (0 if who == "nobody" else 3)
    assert set(asked[FRAMES:]) == {"union", "dlib", "yunet"}


def test_without_yunet_only_dlib_is_asked(
    glide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def seeing(photo: Photo, *, thorough: bool = False, detector: str = "dlib") -> list[Face]:
        asked.append(detector)
        return find_squares(photo)

    monkeypatch.setattr(clip_frames, "resolve_detector", lambda name: "dlib")
    monkeypatch.setattr(clip_frames, "find_faces", seeing)
    run(glide, tmp_path / "out")
    assert asked == ["dlib"] * (2 * FRAMES)


def test_the_page_shows_frames_of_a_clip(glide: Path, tmp_path: Path, forgetful: None) -> None:
    summary, page = run(glide, tmp_path / "out"), tmp_path / "look.html"
    write_review(page, summary.accounts, tmp_path / "out")
    text = page.read_text()
    assert [still.frame for still in facts(summary).stills] == [0, 3, 4, 8, 10, 19]
    assert re.findall(r"after: ([\d:.]+), frame (\d+): ([^;<]+)", text) == [
        (f"00:00.{frame * 40:03d}", str(frame), "1 protected, 0 covered, 0 left")
        for frame in (0, 3, 4, 8, 10, 19)
    ]
    assert text.count("is MISSED") == 3 and "class=mind" in text
    assert "Face 0: protected: epsilon" in text and "basis: " in text
    assert [count > 500 for count in reds(text)] == [False, True, True, True, False, False]
    assert "before:" not in text and "UNPROTECTED photos" not in text and "http" not in text


def test_unprotected_frames_stand_beside_only_when_asked(glide: Path, tmp_path: Path) -> None:
    summary, page = run(glide, tmp_path / "out"), tmp_path / "both.html"
    write_review(page, summary.accounts, tmp_path / "out", originals={"glide.mp4": glide})
    text = page.read_text()
    assert [count > 500 for count in reds(text)] == [True, False] * 3
    assert "holds UNPROTECTED photos or frames" in text and "MISSED" not in text
    assert re.findall(r"caption>(before|after)", text) == ["before", "after"] * 3
    assert stat.S_IMODE(page.stat().st_mode) == 0o600


def test_the_frame_with_most_covered_faces_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = [[(10, 10), *([(100, 60)] if t in (9, 10) else [])] for t in range(40)]
    path = write_clip(tmp_path / "two.mp4", square_frames(there))

    def doubting(photo: Photo, **more: object) -> list[Face]:
        return [
            replace(face, doubtful="it is seen from the side") if face.box[0] > 60 else face
            for face in find_squares(photo)
        ]

    monkeypatch.setattr(clip_frames, "find_faces", doubting)
    stills = facts(run(path, tmp_path / "out")).stills
    (shown,) = (still for still in stills if any(mark.fate == Fate.COVERED for mark in still.marks))
    assert 0 < shown.frame < 20 and {0, 20, 39} < {still.frame for still in stills} and len(stills) == 4


def test_a_page_stays_small_however_long_a_clip_misses_a_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(tmp_path / "long.mp4", gliding(40))
    monkeypatch.setattr(clip_frames, "_finished", lambda frame, fates: (frame.pixels, []))
    clip = facts(run(path, tmp_path / "out"))
    assert clip.missed == len(clip.missed_at) == 40 and len(clip.stills) <= 9


def test_a_clip_that_is_gone_from_the_output_is_one_line_on_the_page(glide: Path, tmp_path: Path) -> None:
    summary = run(glide, tmp_path / "out")
    for file in (tmp_path / "out").glob("glide.mp4*"):
        file.unlink()
    write_review(tmp_path / "gone.html", summary.accounts, tmp_path / "out")
    text = (tmp_path / "gone.html").read_text()
    assert "<img" not in text and "glide.mp4" in text
