# SPDX-License-Identifier: Apache-2.0
"""Several clips and second runs: nobody is booked twice, what was done is kept, nothing is left over."""

from dataclasses import replace
from pathlib import Path

import pytest
from video.moving import find_squares, gliding, square_frames, write_clip

from semveil.bulk import clip as clip_module
from semveil.bulk import clip_frames
from semveil.bulk.enrolled import Enrolled
from semveil.bulk.protect import protection_settings
from semveil.bulk.run import protect_photos
from semveil.bulk.sealing import Sealing
from semveil.bulk.sources import FOLDER
from semveil.data.certified import read_certificate
from semveil.keys.secret import Secret, write_secret
from semveil.methods.release import Layout
from semveil.privacy.ledger import Ledger

NOISE = protection_settings("pixel-noise", size=8, sigma=60.0, detector="dlib")


@pytest.fixture(autouse=True)
def squares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Red squares are faces, for every detector, and stretches are short."""
    monkeypatch.setattr(clip_frames, "find_faces", find_squares)
    monkeypatch.setattr(clip_module, "FRAMES", 8)


@pytest.fixture
def enrolled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one enrolled person, whom nobody is recognised as."""
    from skimage.data import astronaut
    from skimage.io import imsave

    (tmp_path / "people").mkdir()
    imsave(tmp_path / "people" / "ada.png", astronaut()[:256, 96:352])
    monkeypatch.setattr(Enrolled, "who", lambda self, images: [None] * len(images))
    return tmp_path / "people"


def test_a_clip_of_strangers_is_done_and_not_refused(tmp_path: Path, enrolled: Path) -> None:
    path, out = write_clip(tmp_path / "glide.mp4", gliding(10)), tmp_path / "out"
    named, ledger = replace(NOISE, enrolled=str(enrolled)), Ledger(tmp_path / "ledger.jsonl")
    first = protect_photos([path], out, named, ledger=ledger)
    assert (first.protected, first.strangers, first.recorded) == (1, 1, 0)
    again = protect_photos([path], out, named, ledger=ledger)
    assert (again.done_before, again.recorded, again.refused) == (1, 0, ())
    # with another ledger it is not known whom the releases are about
    other = protect_photos([path], out, named, ledger=Ledger(tmp_path / "other.jsonl"))
    assert "is not found out again" in other.refused[0].reason


def test_somebody_who_is_missing_from_a_new_ledger_is_still_refused(
    tmp_path: Path, enrolled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Enrolled, "who", lambda self, images: ["ada"] * len(images))
    path, out = write_clip(tmp_path / "glide.mp4", gliding(10)), tmp_path / "out"
    named, ledger = replace(NOISE, enrolled=str(enrolled)), Ledger(tmp_path / "ledger.jsonl")
    assert protect_photos([path], out, named, ledger=ledger).recorded == 1
    (tmp_path / "ledger.jsonl").unlink()
    lost = protect_photos([path], out, named, ledger=Ledger(tmp_path / "ledger.jsonl"))
    assert "is not found out again" in lost.refused[0].reason


def test_a_clip_that_was_copied_is_a_release_about_its_subject(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "empty.mp4", square_frames([[]] * 6))
    copied, ledger = replace(NOISE, on_no_face="copy", subject="Ada"), Ledger(tmp_path / "ledger.jsonl")
    assert protect_photos([path], tmp_path / "out", copied, ledger=ledger).recorded == 1
    total = ledger.total("Ada")
    assert total is not None and total.epsilon is None
    (booked,) = ledger.releases("Ada")
    made = read_certificate(tmp_path / "out/empty.unprotected.mp4")
    assert booked.images == 1 and booked.certificate.release_id == made.release_id
    late = Ledger(tmp_path / "late.jsonl")
    assert protect_photos([path], tmp_path / "out", copied, ledger=late).recorded == 1
    assert protect_photos([path], tmp_path / "out", copied, ledger=late).recorded == 0


def test_a_refused_clip_leaves_nothing_of_the_others_behind(tmp_path: Path) -> None:
    folder, out = tmp_path / "folder", tmp_path / "out"
    folder.mkdir()
    write_clip(folder / "glide.mp4", gliding(10))
    write_clip(folder / "empty.mp4", square_frames([[]] * 6))
    assert protect_photos([folder], out, NOISE).protected == 1
    left = [path.name for path in (out / FOLDER).rglob("*") if path.is_file()]
    assert "draws" not in left and not any(name.startswith("frames-") for name in left)


def test_the_promise_of_a_run_is_that_of_its_weakest_clip(tmp_path: Path) -> None:
    """Clips drawn anew in each frame have as many epsilons as frames."""
    short, long = (write_clip(tmp_path / f"{n}.mp4", gliding(n)) for n in (3, 9))
    anew = replace(NOISE, draw_per="frame")

    def promised(*clips: Path) -> float:
        claim = protect_photos(clips, tmp_path / "out", anew).guarantee
        assert claim is not None and claim.epsilon is not None
        return claim.epsilon

    of_short, of_both = promised(short), promised(short, long)
    assert of_both == read_certificate(tmp_path / "out/9.mp4").guarantee.epsilon > of_short
    assert promised(long, short) == of_both  # both done before
    third = write_clip(tmp_path / "2.mp4", gliding(2))
    assert promised(third, long) == of_both  # one done before


def test_a_clip_too_large_to_be_sealed_is_refused_before_its_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, key = write_clip(tmp_path / "glide.mp4", gliding(10)), tmp_path / "my.key"
    write_secret(key, Secret.generate())
    monkeypatch.setattr("semveil.data.sealed_clip.LARGEST_CLIP", path.stat().st_size - 1)
    sealed = replace(NOISE, subject="Ada", layout=Layout.WHOLE_PHOTO, sealing=Sealing(str(key)))
    ledger = Ledger(tmp_path / "ledger.jsonl")
    refused = protect_photos([path], tmp_path / "out", sealed, ledger=ledger).refused[0]
    assert "cannot be sealed; cut it into parts" in refused.reason and not ledger.releases("Ada")
    monkeypatch.setattr("semveil.data.sealed_clip.LARGEST_CLIP", path.stat().st_size)
    assert protect_photos([path], tmp_path / "out", sealed, ledger=ledger).protected == 1


def test_copies_of_a_clip_in_one_run_are_one_release(tmp_path: Path) -> None:
    """They show the same draw; a copy that is protected later has a draw of its own."""
    folder, ledger = tmp_path / "folder", Ledger(tmp_path / "ledger.jsonl")
    folder.mkdir()
    first = write_clip(folder / "a.mp4", gliding(4))
    (folder / "b.mp4").write_bytes(first.read_bytes())
    named = replace(NOISE, subject="Ada")
    both = protect_photos([folder], tmp_path / "out", named, ledger=ledger)
    assert both.protected == 2 and len(ledger.releases("Ada")) == 1
    assert not any("further release" in note for note in both.notes)
    (folder / "c.mp4").write_bytes(first.read_bytes())
    late = protect_photos([folder], tmp_path / "out", named, ledger=ledger)
    assert any("further release" in note for note in late.notes) and len(ledger.releases("Ada")) == 2
