# SPDX-License-Identifier: Apache-2.0
"""`semveil protect`, `faces`, `restore` and `certify` on clips."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from video.moving import find_squares, gliding, square_frames, write_clip

from semveil.bulk import clip_frames
from semveil.recognition.dlib_faces import Face

BLUR = ("--method", "blur", "--size", "32", "--detector", "dlib")


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(clip_frames, "find_faces", find_squares)
    return write_clip(tmp_path / "private name.mov", gliding(10), sound="aac")


def test_a_clip_is_protected_and_told_of(semveil: Callable, clip: Path, tmp_path: Path) -> None:
    answer = semveil("protect", clip, *BLUR, "--out", tmp_path / "out")
    assert answer.code == 0, answer.stderr
    assert "1 face found, 1 protected, 0 covered, 0 left; 10 frames (0.4 s)" in answer.stdout
    assert "1 clip: 1 protected" in answer.stdout and "a voice can identify a person" in answer.stdout
    assert "a known face missed in 0" in answer.stdout and "Missed:" not in answer.stdout
    quiet = semveil("protect", clip, *BLUR, "--out", tmp_path / "quiet", "--audio", "drop", "--json")
    told = json.loads(quiet.stdout)
    assert told["photos"] == {
        "found": 1, "clips": 1, "protected": 1, "done_before": 0, "skipped": 0, "copied": 0, "refused": 0
    }  # fmt: skip
    assert told["per_photo"][0]["clip"]["missed"] == 0
    certified = semveil("certify", tmp_path / "out" / "private name.mp4")
    assert (
        certified.code == 0
        and "guaranteed about this clip" in certified.stdout
        and "voices" in certified.stdout
    )


def test_sound_is_named_only_where_it_is_kept(
    semveil: Callable, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = write_clip(tmp_path / "silent.mp4", gliding(4))
    answer = semveil("protect", silent, *BLUR, "--out", tmp_path / "silent")
    assert answer.code == 0 and "voice" not in answer.stdout
    assert "Around the faces clips are unchanged" in answer.stdout
    clip.write_bytes(clip.read_bytes()[:500])
    refused = semveil("protect", clip, *BLUR, "--out", tmp_path / "refused")
    assert refused.code == 3 and "voice" not in refused.stdout


def test_a_missed_face_is_told_with_what_to_do(
    semveil: Callable, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clip_frames, "_finished", lambda frame, fates: (frame.pixels, []))
    monkeypatch.setenv("COLUMNS", "400")
    answer = semveil("protect", clip, *BLUR, "--out", tmp_path / "out")
    assert answer.code == 0 and "missed in 10 (00:00.000, 00:00.040," in answer.stdout
    assert "Missed: a known face is still found in private name.mov: --review look.html" in answer.stdout
    assert "--detector union (extra `detect`)" in answer.stdout and "cut out what still" in answer.stdout
    told = json.loads(semveil("protect", clip, *BLUR, "--out", tmp_path / "out", "--json").stdout)
    assert len(told["per_photo"][0]["clip"]["missed_at"]) == 10


def test_what_does_not_go_with_clips_is_one_line(
    semveil: Callable, failed: Callable, clip: Path, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "out")
    failed(semveil("protect", clip, *BLUR, "--crops", *out), 2, "clips are kept whole")
    failed(semveil("protect", clip, *BLUR, "--draw-per", "noise", *out), 2, "differences would be published")
    failed(semveil("protect", clip, *BLUR, "--audio", "mute", *out), 2, "allowed: keep, drop")
    failed(semveil("protect", clip, "--method", "noise-image", *out), 2, "cannot protect clips")
    failed(semveil("protect", clip, *BLUR, "--keep", "aligned", *out), 2, "are for photos")
    clip.write_bytes(clip.read_bytes()[:500])
    answer = semveil("protect", clip, *BLUR, *out)
    assert (
        answer.code == 3
        and "refused" in answer.stderr
        and "private name.mov' cannot be read as a clip" in answer.stderr
    )
    assert len(answer.stderr.splitlines()) == 1
    assert not list((tmp_path / "out").glob("*.mp4"))


def test_only_the_clip_that_was_sealed_is_taken_without_a_note(
    semveil: Callable, failed: Callable, clip: Path, tmp_path: Path
) -> None:
    key, out, back = tmp_path / "my.key", tmp_path / "out", tmp_path / "back.mov"
    assert semveil("keygen", "--out", key).code == 0
    assert semveil("protect", clip, *BLUR, "--out", out, "--reversible", "--key", key).code == 0
    made, sealed = out / "private name.mp4", out / "private name.mp4.sealed"
    opening = ("--sealed", sealed, "--key", key, "--out", back)
    failed(semveil("restore", tmp_path / "missing.mp4", *opening), 3, "no clip")
    assert not back.exists()
    renamed = made.rename(out / "clip.mov")  # the header of the sealed part says that it is a clip
    answer = semveil("restore", renamed, *opening)
    assert answer.code == 0 and "no certificate beside it" in answer.stderr
    assert back.read_bytes() == clip.read_bytes()
    renamed.rename(made)
    with made.open("ab") as file:
        file.write(b"edited")
    told = semveil("restore", made, *opening, "--json")
    assert "was edited since" in told.stderr and json.loads(told.stdout)["exact"] is True
    assert len(json.loads(told.stdout)["notes"]) == 1
    assert semveil("protect", clip, *BLUR, "--out", tmp_path / "two").code == 0
    assert "is another clip than" in semveil("restore", tmp_path / "two" / made.name, *opening).stderr


def test_the_original_comes_back_byte_for_byte(
    semveil: Callable, failed: Callable, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [tmp_path / "my.key", tmp_path / "other.key"]
    for key in keys:
        assert semveil("keygen", "--out", key).code == 0
    sealing = ("--reversible", "--key", keys[0])
    failed(
        semveil("protect", clip, *BLUR, "--out", tmp_path / "out", *sealing, "--sealed-in"),
        2,
        "lies beside it",
    )
    answer = semveil("protect", clip, *BLUR, "--out", tmp_path / "out", *sealing)
    assert answer.code == 0
    assert "original file of each clip is sealed beside it (FILE.mp4.sealed)" in answer.stdout
    assert "FILE.png" not in answer.stdout and "beside each picture" not in answer.stdout
    made, back = tmp_path / "out" / "private name.mp4", tmp_path / "here" / "private name.restored.mov"
    back.parent.mkdir()
    monkeypatch.chdir(back.parent)
    assert len(clip.read_bytes()) + 48 < Path(f"{made}.sealed").stat().st_size < len(clip.read_bytes()) + 600
    said = semveil("certify", made).stdout
    assert "the size of the original file in bytes" in said and "no forward secrecy" in said
    assert "there are no keys for single faces" in said
    assert "beside the clip" in said and "opens that face alone" not in said
    restored = semveil("restore", made, "--key", keys[0])
    assert restored.code == 0 and not restored.stderr
    assert back.read_bytes() == clip.read_bytes() and back.stat().st_mode & 0o777 == 0o600
    failed(semveil("restore", made, "--key", keys[1]), 7, "the key is another")
    for read_too in (made, Path(f"{made}.sealed"), Path(f"{made}.certificate.json")):
        failed(semveil("restore", made, "--key", keys[0], "--out", read_too), 5, "would be lost")
    failed(semveil("restore", made), 2, "--key FILE")
    failed(semveil("restore", made, "--key", tmp_path / "gone.key"), 7, "gone.key")
    failed(semveil("restore", made, "--key", keys[0], "--face", "1"), 2, "sealed whole")
    sealed = Path(f"{made}.sealed")
    sealed.write_bytes(sealed.read_bytes()[:-1])
    failed(semveil("restore", made, "--key", keys[0]), 7, "damaged or cut short")
    sealed.unlink()
    failed(semveil("restore", made, "--key", keys[0]), 7, "cannot read the sealed part")


def test_faces_of_clips_are_listed(
    semveil: Callable, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (face,) = json.loads(semveil("faces", clip, "--json", "--detector", "dlib").stdout)["photos"][0]["faces"]
    assert (face["number"], face["from_s"], face["to_s"]) == (0, 0.0, 0.36) and 36 <= face["px"] <= 44
    assert "seen 0.0 to 0.36 s" in semveil("faces", clip, "--detector", "dlib").stdout
    drawn = semveil("faces", clip, "--detector", "dlib", "--draw", tmp_path / "boxes")  # photos alone are
    assert drawn.code == 0 and "Drawn" not in drawn.stdout and not (tmp_path / "boxes").exists()


def test_a_face_too_small_to_be_protected_is_doubtful(
    semveil: Callable, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(*given: object, **more: object) -> list[Face]:
        found = find_squares(*given, **more)  # type: ignore[arg-type]
        return [replace(face, box=(*face.box[:2], face.box[0] + 20, face.box[1] + 20)) for face in found]

    monkeypatch.setattr(clip_frames, "find_faces", small)
    (face,) = json.loads(semveil("faces", clip, "--json", "--detector", "dlib").stdout)["photos"][0]["faces"]
    assert face["px"] < 32 and face["doubt"] == f"it has {face['px']} px, fewer than the 32 px needed"


def test_the_sum_over_frames_is_named_as_the_reason(semveil: Callable, clip: Path, tmp_path: Path) -> None:
    noise = ("--method", "pixel-noise", "--size", "32", "--detector", "dlib")
    anew = semveil("protect", clip, *noise, "--draw-per", "frame", "--out", tmp_path / "anew")
    assert anew.code == 0 and "nothing is promised; --draw-per track promises more" in anew.stdout
    once = semveil("protect", clip, *noise, "--out", tmp_path / "once")
    assert once.code == 0 and "--draw-per" not in once.stdout


def test_a_copied_clip_is_not_called_a_photo(semveil: Callable, clip: Path, tmp_path: Path) -> None:
    empty = write_clip(tmp_path / "empty.mp4", square_frames([[]] * 3))
    answer = semveil("protect", empty, *BLUR, "--on-no-face", "copy", "--out", tmp_path / "out")
    assert answer.code == 0 and "1 file without a detected face copied" in answer.stdout
