# SPDX-License-Identifier: Apache-2.0
"""Clips go through whole: one draw for a face, booked before anything is written; nothing is drawn or lost
twice.
"""

import errno
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from video.moving import SIDE, astronaut_frames, find_squares, frames_in, gliding, square_frames, write_clip

from semveil.bulk import clip as clip_module
from semveil.bulk import clip_frames
from semveil.bulk.account import Fate
from semveil.bulk.clip_frames import as_photo, protect_frames
from semveil.bulk.clip_store import Released
from semveil.bulk.pool import Pool
from semveil.bulk.protect import protect, protection_settings
from semveil.bulk.run import protect_photos
from semveil.bulk.settings import Settings
from semveil.bulk.sources import FOLDER
from semveil.bulk.summary import Summary
from semveil.core.errors import OutputError
from semveil.data.align import align_face
from semveil.data.certified import read_certificate
from semveil.data.paste import align_apart, pasted_region
from semveil.data.regions import Region
from semveil.faces.pixels import to_tensor
from semveil.methods.baselines import DPPix, PixelNoise
from semveil.methods.registry import load_method
from semveil.methods.release import draw_once
from semveil.privacy.caveats import Caveat
from semveil.privacy.certificate import Certificate, ReleaseKind
from semveil.privacy.composition import compose
from semveil.privacy.coverage import Kind
from semveil.privacy.explain import explain
from semveil.privacy.ledger import Ledger
from semveil.recognition.dlib_faces import Face
from semveil.video.clip import read_clip
from semveil.video.encode import write_stretch as really_write
from semveil.video.tracks import Place, Shown

# large cells: they outlive the encoder
NOISE = protection_settings("pixel-noise", size=8, sigma=60.0, detector="dlib")
FRAMES = 20


@pytest.fixture
def squares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Red squares are faces, for every detector, and stretches are short."""
    monkeypatch.setattr(clip_frames, "find_faces", find_squares)
    monkeypatch.setattr(clip_module, "FRAMES", 8)


@pytest.fixture
def glide(tmp_path: Path, squares: None) -> Path:
    return write_clip(tmp_path / "glide.mp4", gliding(FRAMES), sound="aac")


def run(path: Path | list[Path], out: Path, settings: Settings = NOISE, **more: object) -> Summary:
    given = path if isinstance(path, list) else [path]
    return protect_photos(given, out, settings, **more)  # type: ignore[arg-type]


def outputs(out: Path) -> list[str]:
    return sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file() and FOLDER not in p.parts)


def left_behind(out: Path) -> list[str]:
    """What is kept of clips under way."""
    return sorted(p.name for p in (out / FOLDER).rglob("*") if p.is_file() and p.name != "manifest.jsonl")


def faces_in(path: Path) -> np.ndarray:
    """What stands in the square's place in each frame, (T, h, w, 3)."""
    frames = frames_in(path)
    return np.stack([frame[44:76, 34 + t : 66 + t].astype(float) for t, frame in enumerate(frames)])


def test_a_face_has_one_draw_that_all_frames_show(glide: Path, tmp_path: Path) -> None:
    summary = run(glide, tmp_path / "out")
    assert (summary.exit_code, summary.photos, summary.clips, summary.protected) == (0, 1, 1, 1)
    assert (summary.faces_found, summary.faces_protected, summary.faces_left) == (1, 1, 0)
    assert outputs(tmp_path / "out") == ["glide.mp4", "glide.mp4.certificate.json"] and not left_behind(
        tmp_path / "out"
    )
    (account,) = summary.accounts
    assert account.clip is not None
    assert vars(account.clip) | {"stills": ()} == {
        "frames": FRAMES,
        "seconds": FRAMES / 25,
        "hidden": 0,
        "missed": 0,
        "elsewhere": 0,
        "sound": account.clip.sound,
        "missed_at": (),
        "stills": (),
    }
    assert "20 frames (0.8 s)" in account.line() and account.marks[0].fate == Fate.PROTECTED
    one_draw = np.diff(faces_in(tmp_path / "out/glide.mp4"), axis=0)
    anew = replace(NOISE, draw_per="frame")
    run(glide, tmp_path / "anew", anew)
    many_draws = np.diff(faces_in(tmp_path / "anew/glide.mp4"), axis=0)
    assert np.abs(many_draws).mean() > 3 * np.abs(one_draw).mean()  # the check sees noise that changes


def test_the_certificate_says_what_holds_for_the_clip(glide: Path, tmp_path: Path) -> None:
    run(glide, tmp_path / "out")
    made = read_certificate(tmp_path / "out/glide.mp4")
    one = PixelNoise(size=8, sigma=60.0).protect(torch.zeros(1, 3, 8, 8)).guarantee
    assert made.release == ReleaseKind.CLIP and made.images == 1
    assert (made.guarantee.epsilon, made.guarantee.delta) == (one.epsilon, one.delta)
    assert made.guarantee.whole_record_epsilon is None and {Caveat.CLIP, Caveat.PASTE_BACK} <= set(
        made.caveats
    )
    clear = {part.kind for part in made.guarantee.coverage.clear}
    assert clear == {Kind.SURROUNDINGS, Kind.OTHER_FACES, Kind.SOUND}
    words = "\n".join(explain(made))
    assert (
        "part of the clip has epsilon 1985 and delta 1e-05 in this clip: protects nobody" in words
        and "take any two clips that agree" in words
    )
    assert "each face has one draw" in words and "voices" in words
    assert Certificate.from_json(made.to_json()) == made

    run(glide, tmp_path / "quiet", replace(NOISE, audio="drop"))
    quiet = read_certificate(tmp_path / "quiet/glide.mp4")
    assert Kind.SOUND not in {part.kind for part in quiet.guarantee.coverage.clear}


def test_draws_in_each_frame_add_up(tmp_path: Path, squares: None) -> None:
    """A face of 20 frames and one of 8: the clip's epsilon is that of the longer one."""
    there = [[(20, 10), *([(100, 70)] if t < 8 else [])] for t in range(FRAMES)]
    path = write_clip(tmp_path / "two.mp4", square_frames(there, (160, 140)))
    settings = protection_settings("dp-pix", size=32, epsilon=0.5, detector="dlib", draw_per="frame")
    summary = run(path, tmp_path / "out", settings)
    certificate = read_certificate(tmp_path / "out/two.mp4")
    single = DPPix(size=32, epsilon=0.5).protect(torch.zeros(1, 3, 32, 32)).guarantee
    assert summary.faces_protected == certificate.images == 2
    assert (
        certificate.guarantee.epsilon
        == compose(single, times=[FRAMES]).epsilon
        == FRAMES * (single.epsilon or 0)
    )
    assert "at most 20 times" in " ".join(certificate.guarantee.assumptions)
    run(path, tmp_path / "once", replace(settings, draw_per="track"))
    assert read_certificate(tmp_path / "once/two.mp4").guarantee.epsilon == single.epsilon


def test_the_same_noise_on_changing_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="differences would be published without noise"):
        protection_settings("pixel-noise", draw_per="noise")
    with pytest.raises(ValueError, match="did you mean 'track'"):
        protection_settings("pixel-noise", draw_per="tracks")
    with pytest.raises(ValueError, match="allowed: keep, drop"):
        protection_settings("pixel-noise", audio="mute")


def test_a_release_is_booked_before_the_first_frame_is_written(
    glide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, written = Ledger(tmp_path / "ledger.jsonl"), []

    def watched(path: str, *rest: object) -> None:
        written.append(len(ledger.releases("Ada")))
        really_write(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(clip_frames, "write_stretch", watched)
    named = replace(NOISE, subject="Ada")
    assert run(glide, tmp_path / "out", named, ledger=ledger).recorded == 1
    assert written == [1, 1, 1]  # three stretches, after the one line
    refused = run(glide, tmp_path / "limited", named, ledger=ledger, limit=1.0)
    assert refused.refused[0].exit_code == 8 and "refused before the release" in refused.refused[0].reason
    assert len(written) == 3 and not outputs(tmp_path / "limited") and len(ledger.releases("Ada")) == 1
    assert "draws" not in left_behind(tmp_path / "limited")


def test_a_run_that_was_killed_goes_on_with_the_same_draw(
    glide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, out = Ledger(tmp_path / "ledger.jsonl"), tmp_path / "out"
    written: list[str] = []
    looked: list[int] = []
    drawn: list[int] = []

    def killed_at(count: int) -> Callable[..., None]:
        def write(path: str, *rest: object) -> None:
            if len(written) == count:
                raise KeyboardInterrupt
            written.append(Path(path).name)
            really_write(path, *rest)  # type: ignore[arg-type]

        return write

    def looking(stretch: object, detector: str) -> object:
        looked.append(1)
        return clip_frames.look_for_faces(stretch, detector)  # type: ignore[arg-type]

    def drawing(*given: object) -> object:
        drawn.append(1)
        return draw_once(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(clip_module, "look_for_faces", looking)
    monkeypatch.setattr(clip_module, "draw_once", drawing)
    monkeypatch.setattr(clip_frames, "write_stretch", killed_at(2))
    named = replace(NOISE, subject="Ada")
    with pytest.raises(KeyboardInterrupt):
        run(glide, out, named, ledger=ledger)
    assert not outputs(out) and len(ledger.releases("Ada")) == 1
    (kept,) = (p for p in (out / FOLDER).rglob("draws"))
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.parent.stat().st_mode & 0o777 == 0o700

    monkeypatch.setattr(clip_frames, "write_stretch", killed_at(-1))
    summary = run(glide, out, named, ledger=ledger)
    assert summary.exit_code == 0 and len(written) == 3 and len(looked) == 3 and len(drawn) == 1
    (booked,) = ledger.releases("Ada")  # neither drawn nor booked twice
    assert booked.certificate.release_id == read_certificate(out / "glide.mp4").release_id
    assert np.abs(np.diff(faces_in(out / "glide.mp4"), axis=0)).mean() < 12  # before and after the kill alike
    assert not left_behind(out) and run(glide, out, named, ledger=ledger).done_before == 1


def test_a_disk_that_fills_up_in_mid_clip_leaves_nothing_half_written(
    glide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says why; when there is room again, what is done is kept, and so is the draw."""
    out, tried = tmp_path / "out", []

    def full(path: str, frames: Iterable, *rest: object) -> None:
        tried.append(Path(path).name)
        if len(tried) == 2:
            next(iter(frames))
            raise OutputError(f"cannot write {path!r}: No space left on device")
        really_write(path, frames, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(clip_frames, "write_stretch", full)
    with pytest.raises(OutputError, match="No space left on device"):
        run(glide, out)
    assert not outputs(out) and len(tried) == 2
    (kept,) = (out / FOLDER).rglob("draws")
    drawn = Released.from_bytes(kept.read_bytes().partition(b"\n")[2]).certificate.release_id
    assert run(glide, out).exit_code == 0
    assert tried[2:] == sorted(set(tried))[1:]  # the first stretch is not done again
    assert read_certificate(out / "glide.mp4").release_id == drawn and not left_behind(out)


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        ({}, ""),  # without sound
        ({"pts": [0, 3, 4, 9, 10, 11, 20, 21, 25, 40], "base": Fraction(1, 90)}, ""),
        ({"pix_fmt": "yuv420p10le"}, "10 bits for each colour become 8"),
        ({"rotation": 90}, ""),
    ],
    ids=["silent", "variable rate", "ten bits", "turned"],
)
def test_odd_clips_go_through_whole(
    tmp_path: Path, squares: None, changed: dict[str, Any], note: str
) -> None:
    path = write_clip(tmp_path / "odd.mkv", gliding(10), **changed)
    summary = run(path, tmp_path / "out")
    assert (summary.exit_code, summary.faces_protected) == (0, 1) and note in " ".join(summary.notes)
    before, after = read_clip(path), read_clip(tmp_path / "out/odd.mp4")
    assert [p * after.time_base for p in after.pts] == [p * before.time_base for p in before.pts]
    assert after.size == before.size and after.audio is None


def test_draws_that_somebody_altered_count_for_nothing(
    glide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def full(*given: object) -> None:
        raise OutputError("cannot write 'x': No space left on device") from OSError(
            errno.ENOSPC, "No space left on device"
        )

    monkeypatch.setattr(clip_frames, "write_stretch", full)
    with pytest.raises(OutputError, match="No space left"):
        run(glide, out)
    assert not outputs(out)
    (kept,) = (out / FOLDER).rglob("draws")
    data = bytearray(kept.read_bytes())
    data[-1] ^= 1
    kept.write_bytes(data)
    old = Released.from_bytes(bytes(data).partition(b"\n")[2]).certificate.release_id
    monkeypatch.setattr(clip_frames, "write_stretch", really_write)
    assert run(glide, out).exit_code == 0
    assert read_certificate(out / "glide.mp4").release_id != old


def test_frames_without_a_sighting_show_no_face(
    tmp_path: Path, squares: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The detector misses frames of the source; on the output it sees all that is left."""
    path = write_clip(tmp_path / "glide.mp4", gliding(FRAMES))
    seen: list[int] = []

    def blinking(photo: object, **more: object) -> list[Face]:
        seen.append(1)
        blind = {*range(5), 9, 10} if len(seen) <= FRAMES else set()
        return [] if len(seen) - 1 in blind else find_squares(photo)  # type: ignore[arg-type]

    monkeypatch.setattr(clip_frames, "find_faces", blinking)
    summary = run(path, tmp_path / "out")
    (account,) = summary.accounts
    assert account.clip is not None and (
        account.clip.hidden,
        account.clip.missed,
        account.clip.elsewhere,
    ) == (5, 0, 0)
    pairs = list(zip(faces_in(path), faces_in(tmp_path / "out/glide.mp4"), strict=True))
    assert min(np.abs(before - after).mean() for before, after in pairs) > 20  # nowhere is it the source's
    assert all(after[..., 0].max() < 130 for _, after in pairs[:5])  # hidden: no red at all


def test_a_face_that_shows_is_counted_as_missed(
    glide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault on purpose: three frames are written as they are."""
    really = clip_frames._finished
    done: list[int] = []

    def forgetful(frame: object, fates: object) -> object:
        done.append(1)
        return (frame.pixels, []) if len(done) in (4, 5, 9) else really(frame, fates)  # type: ignore[attr-defined,arg-type]

    monkeypatch.setattr(clip_frames, "_finished", forgetful)
    (account,) = run(glide, tmp_path / "out").accounts
    assert account.clip is not None and (account.clip.missed, account.clip.elsewhere) == (3, 0)


def test_chosen_left_and_doubtful_faces_are_accounted_for(
    tmp_path: Path, squares: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [[(10, 10), (100, 60)] for _ in range(8)]
    path = write_clip(tmp_path / "two.mp4", square_frames(there))
    summary = run(path, tmp_path / "out", replace(NOISE, face="1"))
    assert (summary.faces_protected, summary.faces_left) == (1, 1)
    assert outputs(tmp_path / "out")[0] == "two.partly-unprotected.mp4"
    (account,) = summary.accounts
    # left as chosen
    assert account.clip is not None and (account.clip.missed, account.clip.elsewhere) == (0, 0)
    assert (
        "has no face 2; it shows 0: frames 0 to 7"
        in run(path, tmp_path / "o2", replace(NOISE, face="2")).refused[0].reason
    )

    def doubting(photo: object, **more: object) -> list[Face]:
        return [replace(face, doubtful="it is seen from the side") for face in find_squares(photo)]  # type: ignore[arg-type]

    monkeypatch.setattr(clip_frames, "find_faces", doubting)
    covered = run(path, tmp_path / "covered")
    assert (covered.faces_protected, covered.faces_covered) == (0, 2) and "two.covered.mp4" in outputs(
        tmp_path / "covered"
    )
    nothing = read_certificate(tmp_path / "covered/two.covered.mp4")
    assert nothing.guarantee.epsilon is None and nothing.protection == "mosaic"
    refused = run(path, tmp_path / "refused", replace(NOISE, doubtful="refuse"))
    assert refused.refused[0].exit_code == 4 and "seen from the side" in refused.refused[0].reason


def test_a_subject_is_one_person(tmp_path: Path, squares: None) -> None:
    """Two faces at once cannot both be Ada; two after each other are two draws about her."""
    ledger, named = Ledger(tmp_path / "ledger.jsonl"), replace(NOISE, subject="Ada")
    both = write_clip(tmp_path / "both.mp4", square_frames([[(10, 10), (100, 60)]] * 4))
    assert (
        "at once, the subject is one person"
        in run(both, tmp_path / "out", named, ledger=ledger).refused[0].reason
    )
    late = square_frames([[(10, 10)]] * 5 + [[]] * 30 + [[(90, 60)]] * 5)
    path = write_clip(tmp_path / "late.mp4", late)
    assert run(path, tmp_path / "out", named, ledger=ledger).exit_code == 0
    (booked,) = ledger.releases("Ada")
    assert booked.images == 2  # the same person's epsilon twice


def test_a_clip_without_faces(tmp_path: Path, squares: None) -> None:
    path = write_clip(tmp_path / "empty.mp4", square_frames([[]] * 6))
    refused = run(path, tmp_path / "a").refused[0]
    assert refused.exit_code == 4 and "no face found in 'empty.mp4' (6 frames of 160 x 120)" in refused.reason
    assert not outputs(tmp_path / "a")
    assert run(path, tmp_path / "b", replace(NOISE, on_no_face="skip")).skipped == 1 and not outputs(
        tmp_path / "b"
    )
    assert run(path, tmp_path / "c", replace(NOISE, on_no_face="copy")).copied == 1
    assert "empty.unprotected.mp4" in outputs(tmp_path / "c")
    assert read_certificate(tmp_path / "c/empty.unprotected.mp4").guarantee.epsilon is None


def test_a_damaged_clip_is_refused_and_the_others_are_done(glide: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "cut.mp4").write_bytes(glide.read_bytes()[:2000])
    (folder / "good.mov").write_bytes(glide.read_bytes())
    summary = run(folder, tmp_path / "out")
    assert (summary.photos, summary.clips, summary.protected, summary.exit_code) == (2, 2, 1, 3)
    assert outputs(tmp_path / "out") == ["good.mp4", "good.mp4.certificate.json"]
    assert "cut.mp4" in summary.refused[0].reason


def test_photos_settings_that_clips_have_no_use_for_are_refused(glide: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="makes single pictures and cannot protect clips"):
        Settings("noise-image").for_clips()
    with pytest.raises(ValueError, match="are for photos"):
        run(glide, tmp_path / "out", replace(NOISE, keep=("aligned",)))


def test_workers_get_values_that_travel(glide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes to another process and back is pickled here as it is there."""

    @contextmanager
    def elsewhere(workers: int | None = None, cluster: str | None = None, **_: Any) -> Iterator[Pool]:
        def travel(function: Callable, tasks: Iterable) -> Iterator[tuple]:
            for task in reversed(list(tasks)):  # in any order
                away, given = pickle.loads(pickle.dumps((function, task)))
                yield task, pickle.loads(pickle.dumps(away(given)))

        yield travel

    monkeypatch.setattr("semveil.bulk.run.open_pool", elsewhere)
    told: list[tuple[str, int, int]] = []
    summary = run(glide, tmp_path / "out", workers=2, clip_progress=lambda *now: told.append(now))
    assert summary.exit_code == 0 and len(frames_in(tmp_path / "out/glide.mp4")) == FRAMES
    assert np.abs(np.diff(faces_in(tmp_path / "out/glide.mp4"), axis=0)).mean() < 12  # in order again
    stages = {stage: [done for name, done, _ in told if name == stage] for stage, _, _ in told}
    assert list(stages) == ["Finding faces in glide.mp4", "Protecting glide.mp4"]
    assert all(done == sorted(done) and (done[0], done[-1]) == (0, FRAMES) for done in stages.values())


def test_noiseless_methods_follow_the_motion(glide: Path, tmp_path: Path) -> None:
    mosaic = protection_settings("mosaic", size=32, block=16, detector="dlib")
    summary = protect([glide], tmp_path / "out", method=mosaic)
    assert isinstance(summary, Summary) and summary.exit_code == 0
    made = read_certificate(tmp_path / "out/glide.mp4")
    assert made.guarantee.epsilon is None and made.protection == "mosaic"
    before, after = (faces_in(path)[:, SIDE // 4, SIDE // 4] for path in (glide, tmp_path / "out/glide.mp4"))
    grey = before @ np.array([0.299, 0.587, 0.114])  # as everything around the square is
    assert np.abs(after - grey[:, None]).max() < 20


@pytest.mark.parametrize("method", ["dp-image", "latent-dp"])
@pytest.mark.parametrize("draw_per", ["track", "frame"])
def test_methods_that_invert_protect_clips(
    method: str, draw_per: str, tmp_path: Path, squares: None, tiny_model_folder: Path
) -> None:
    path = write_clip(tmp_path / "short.mp4", gliding(3))
    options = {"model": tiny_model_folder, "epsilon": 4.0, "detector": "dlib", "draw_per": draw_per}
    summary = run(path, tmp_path / "out", protection_settings(method, **options))
    assert (summary.refused, summary.faces_protected) == ((), 1)
    made = read_certificate(tmp_path / "out/short.mp4")
    assert made.guarantee.epsilon == pytest.approx(4.0 * (3 if draw_per == "frame" else 1))
    assert len(frames_in(tmp_path / "out/short.mp4")) == 3


@pytest.mark.parametrize("draw_per", ["track", "frame"])
def test_faces_that_are_still_recognised_are_told(
    draw_per: str, glide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clip_module, "still_recognised", lambda before, after: [("bundled",)] * len(before))
    summary = run(glide, tmp_path / "out", replace(NOISE, draw_per=draw_per))
    assert [faces for _, faces in summary.recognised] == [((0, ("bundled",)),)]


def test_the_astronaut_moves_under_a_new_identity(tmp_path: Path) -> None:
    """The real detectors and networks: every frame has another face, and no detector finds the old one beside
    it.
    """
    path = write_clip(tmp_path / "astronaut.mp4", astronaut_frames(10), sound="aac")
    settings = protection_settings("identity-dp", epsilon=6.0)
    summary = run(path, tmp_path / "out", settings)
    (account,) = summary.accounts
    assert summary.exit_code == 0 and account.clip is not None
    assert (summary.faces_protected, account.clip.hidden, account.clip.missed) == (1, 0, 0)
    certificate = read_certificate(tmp_path / "out/astronaut.mp4")
    assert certificate.guarantee.epsilon == 6.0 and certificate.guarantee.basis.value == "proved"
    assert any("of every frame" in words for words in certificate.guarantee.not_covered)
    assert any(
        "the outline of the old face in every frame" in words for words in certificate.guarantee.not_covered
    )
    for before, after in zip(frames_in(path), frames_in(tmp_path / "out/astronaut.mp4"), strict=True):
        left, top, right, bottom = account.marks[0].box
        inside = np.abs(before.astype(float) - after)[top:bottom, left:right].mean()
        outside = np.abs(before.astype(float) - after)[:20].mean()
        assert inside > 8 and inside > 2 * outside


def still(count: int) -> tuple[list[np.ndarray], list[dict[int, Place]]]:
    """The same frame again and again, and where its face is."""
    (frame,) = astronaut_frames(1)
    (face,) = clip_frames.find_faces(as_photo(frame))
    return [frame] * count, [{0: Place(Shown.REPLACED, face.box, face.landmarks)}] * count


def altered(method: Any, frames: list[np.ndarray], places: list[dict[int, Place]]) -> np.ndarray:
    """Which pixels of the disc around the face are altered in the first frame."""
    crop = to_tensor([align_face(frames[0], places[0][0].landmarks, method.size).pixels])
    with torch.no_grad():
        draw = draw_once(method, crop, None)
    made, (region,) = next(protect_frames(iter(frames), places, {0: Fate.PROTECTED}, {0: draw}, method))
    changed = (made != frames[0]).any(-1)
    aligned = align_apart(frames[0], [places[0][0].landmarks], 64)
    disc = pasted_region(aligned, 0, frames[0].shape)
    assert disc is not None and not changed[~marked(region, changed.shape)].any()
    return changed[marked(disc, changed.shape)]


def marked(region: Region, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    region.mark(mask)
    return mask


def test_frames_are_pasted_along_the_face_where_its_look_passes_anyway() -> None:
    frames, places = still(1)
    identity, pixels = load_method("identity-dp", epsilon=6.0), load_method("pixel-noise", size=32)
    assert 0.3 < altered(identity, frames, places).mean() < 0.8  # hair and background in the disc stay
    # nothing of the face's outline passes: the whole disc
    assert altered(pixels, frames, places).mean() > 0.9


def test_nothing_jumps_between_two_stretches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first frame of a stretch is fitted after the ones before it, as if there were one stretch."""
    path = write_clip(tmp_path / "astronaut.mp4", astronaut_frames(6), sound="aac")
    seen: dict[int, list[float]] = {}

    def watched(frames: Any, places: Any, *more: Any) -> Any:
        places = list(places)
        seen[len(seen)] = [float(place[0].box[0]) for place in places]
        return protect_frames(frames, places, *more)

    monkeypatch.setattr(clip_module, "FRAMES", 4)
    monkeypatch.setattr(clip_frames, "protect_frames", watched)
    assert run(path, tmp_path / "out", protection_settings("identity-dp", epsilon=6.0)).exit_code == 0
    assert [len(there) for there in seen.values()] == [4, 6] and seen[1][:4] == seen[0]
    assert len(frames_in(tmp_path / "out/astronaut.mp4")) == 6
    seen.clear()
    anew = protection_settings("identity-dp", epsilon=6.0, draw_per="frame")
    assert run(path, tmp_path / "anew", anew).exit_code == 0
    assert [len(there) for there in seen.values()] == [4, 2]  # a frame that is drawn anew is not drawn twice
