# SPDX-License-Identifier: Apache-2.0
"""What is written: the same frames at the same times, the sound if asked for,
and nothing else of the source.
"""

import resource
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from video.moving import astronaut_frames, frames_in, gliding, write_clip

from semveil.core.errors import OutputError
from semveil.video.clip import frames_of, read_clip
from semveil.video.encode import join_stretches, write_stretch


def rewritten(source: Path, *, sound: bool = True, frames: int = 7) -> Path:
    clip, parts = read_clip(source), []
    for i, stretch in enumerate(clip.stretches(frames)):
        parts.append(source.with_name(f"part-{i}.mp4"))
        write_stretch(parts[-1], frames_of(stretch), clip.format)
    out = source.with_name("out.mp4")
    join_stretches(out, parts, clip, sound=sound)
    return out


def test_frames_keep_times_and_look(tmp_path: Path) -> None:
    times = [0, 3, 4, 9, 10, 11, 20, 21, 25, 26, 40, 41, 43, 47, 60, 61]  # a phone's variable rate
    source = write_clip(tmp_path / "a.mp4", astronaut_frames(16, 120), pts=times, base=Fraction(1, 90))
    out = rewritten(source)
    before, after = read_clip(source), read_clip(out)
    assert [p * after.time_base for p in after.pts] == [p * before.time_base for p in before.pts]
    assert np.allclose(before.times, np.array(times) / 90)
    for one, other in zip(frames_in(source), frames_in(out), strict=True):
        difference = np.abs(one.astype(float) - other).mean()
        # levels: what H.264 at this quality loses; another colour matrix alone shifts by more
        assert difference < 4
    (tmp_path / "swapped").mkdir()
    reordered = write_clip(
        tmp_path / "swapped" / "a.mp4", astronaut_frames(16, 120)[::-1], pts=times, base=Fraction(1, 90)
    )
    worst = max(
        np.abs(a.astype(float) - b).mean()
        for a, b in zip(frames_in(source), frames_in(reordered), strict=True)
    )
    assert worst > 8  # the comparison sees frames in another order


def test_odd_sizes_and_turned_clips_are_kept(tmp_path: Path) -> None:
    frames = [frame[:119, :151] for frame in gliding(5)]
    out = read_clip(rewritten(write_clip(tmp_path / "a.mkv", frames, pix_fmt="yuv444p")))
    assert (out.size, len(out.pts), out.rotation) == ((151, 119), 5, 0)
    (tmp_path / "b").mkdir()
    out = read_clip(rewritten(write_clip(tmp_path / "b" / "a.mp4", gliding(5), rotation=90)))
    assert (out.size, out.rotation) == ((120, 160), 0)


def test_colours_and_the_shape_of_pixels_are_kept(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", gliding(4), trc=13, aspect=Fraction(4, 3), primaries=12)
    before, after = read_clip(source).format, read_clip(rewritten(source)).format
    assert after == before and (before.aspect, before.primaries, before.transfer) == (Fraction(4, 3), 12, 13)
    (tmp_path / "b").mkdir()
    turned = write_clip(tmp_path / "b" / "a.mp4", gliding(4), aspect=Fraction(4, 3), rotation=90)
    assert read_clip(rewritten(turned)).format.aspect == Fraction(3, 4)


@pytest.mark.parametrize(
    ("name", "sound", "kept"),
    [("a.mp4", "aac", "aac"), ("a.mkv", "libopus", "opus"), ("a.avi", "pcm_s16le", "aac")],
)
def test_the_sound_passes_or_is_dropped(tmp_path: Path, name: str, sound: str, kept: str) -> None:
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    source = write_clip(tmp_path / name, gliding(50), codec=codec, sound=sound)
    out = rewritten(source, frames=30)
    with av.open(str(out)) as container:
        (voice,) = container.streams.audio
        assert voice.codec_context.name == kept
        heard = np.concatenate([frame.to_ndarray()[0].astype(float) for frame in container.decode(voice)])
        seconds = len(heard) / voice.rate
    assert seconds == pytest.approx(2.0, abs=0.15) and heard.std() > 0.01
    assert read_clip(rewritten(source, sound=False, frames=30)).audio is None


def test_nothing_else_of_the_source_gets_into_it(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", gliding(12), sound="aac", extras=True)
    assert b"secret title" in source.read_bytes() and b"48.1000" in source.read_bytes()
    out = rewritten(source)
    data = out.read_bytes()
    assert b"secret" not in data and b"48.1000" not in data and b"deu" not in data
    with av.open(str(out)) as container:
        assert not container.chapters() and not container.streams.subtitles
        assert set(container.metadata) == {"major_brand", "minor_version", "compatible_brands"}
        assert {stream.metadata.get("language") for stream in container.streams} <= {"und", None}


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    frames = [np.random.default_rng(t).integers(0, 255, (120, 160, 3)).astype(np.uint8) for t in range(30)]
    source = write_clip(tmp_path / "a.mp4", frames)
    clip = read_clip(source)
    whole = tmp_path / "whole.mp4"
    write_stretch(whole, iter(frames), clip.format)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*part"):
            write_stretch(tmp_path / "part.mp4", iter(frames), clip.format)
        with pytest.raises(OutputError, match=r"cannot write .*out"):
            join_stretches(tmp_path / "out.mp4", [whole], clip, sound=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (
        whole.stat().st_size > 100_000
        and not (tmp_path / "part.mp4").exists()
        and not (tmp_path / "out.mp4").exists()
    )
