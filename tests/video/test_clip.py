# SPDX-License-Identifier: Apache-2.0
"""Clips are read frame by frame as they are shown; what cannot be read is refused in one line."""

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from video.moving import frames_in, gliding, square_frames, write_clip

from semveil.video import clip as clip_module
from semveil.video.clip import ClipError, Stretch, VideoMissing, frames_of, read_clip


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mkv", "libx264", "yuv444p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.webm", "libvpx", "yuv420p"),
    ],
)
def test_stretches_have_the_frames_that_decoding_in_order_gives(
    tmp_path: Path, name: str, codec: str, pix_fmt: str
) -> None:
    path = write_clip(tmp_path / name, gliding(40), codec=codec, pix_fmt=pix_fmt)
    clip, expected = read_clip(path), frames_in(path)
    assert (len(clip.pts), clip.size, clip.audio) == (40, (160, 120), None)
    assert clip.times[-1] == pytest.approx(39 / 25, abs=2e-3)
    stretches = clip.stretches(15)
    assert [(s.first, s.last) for s in stretches] == [(0, 15), (15, 30), (30, 40)]
    for stretch in reversed(stretches):
        for got, wanted in zip(frames_of(stretch), expected[stretch.first : stretch.last], strict=True):
            assert (got == wanted).all()


def test_a_stretch_that_cannot_be_found_by_time_is_found_from_the_beginning(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", gliding(20))
    clip = read_clip(path)
    wanted = frames_in(path)[5:8]
    off_by_one = Stretch(str(path), 5, tuple(pts + 1 for pts in clip.pts[5:8]), 0, seekable=True)
    assert all((got == one).all() for got, one in zip(frames_of(off_by_one), wanted, strict=True))
    with pytest.raises(ClipError, match="changed while it was read"):
        list(frames_of(Stretch(str(path), 15, tuple(range(10)), 0, seekable=False)))


def test_a_phones_upright_flag_turns_frames_clockwise(tmp_path: Path) -> None:
    frames = gliding(3)
    for frame in frames:
        frame[:16, :16] = 255  # the stored upper left corner
    path = write_clip(tmp_path / "a.mp4", frames)
    data = bytearray(path.read_bytes())
    matrix = data.find(b"tkhd") + 44  # QuickTime: x' = -y, y' = x, so the corner is shown at the upper right
    assert struct.unpack(">9i", data[matrix : matrix + 36])[0] == 0x10000
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    path.write_bytes(data)
    clip = read_clip(path)
    assert (clip.rotation, clip.size) == (270, (120, 160))
    (first, *_) = frames_of(clip.stretch(0, 3))
    assert first.shape == (160, 120, 3)
    assert first[:10, -10:].min() > 200 and first[:10, :10].max() < 150


def test_ten_bits_become_eight_and_that_is_said(tmp_path: Path) -> None:
    clip = read_clip(write_clip(tmp_path / "a.mp4", gliding(4), pix_fmt="yuv420p10le"))
    assert clip.lost == ("10 bits for each colour become 8",)
    assert next(iter(frames_of(clip.stretch(0, 4)))).dtype == np.uint8


def test_transparent_areas_are_white(tmp_path: Path) -> None:
    """As in photos: what lies under them was never seen."""
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgba"
        pixels = np.full((48, 64, 4), (200, 40, 90, 255), np.uint8)
        pixels[:24, :, 3], pixels[24:, :32, 3] = 0, 51
        for i in range(2):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgba")
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    clip = read_clip(tmp_path / "a.mov")
    first, _ = frames_of(clip.stretch(0, 2))
    assert (first[:24] == 255).all() and first[40, 50].tolist() == [200, 40, 90]
    assert np.abs(first[40, 10].astype(int) - (244, 212, 222)).max() <= 1  # a fifth of the colour


def test_a_title_in_another_encoding_is_no_fault_of_the_clip(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", gliding(4), extras=True)
    content, title = path.read_bytes(), b"secret title"
    assert title in content
    path.write_bytes(content.replace(title, "secrèt title".encode("latin-1")))
    assert len(list(frames_of(read_clip(path).stretch(0, 4)))) == 4


def test_what_does_not_pass_is_counted(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", gliding(12), sound="aac", extras=True)
    assert read_clip(path).lost == ("chapters are left out (1)",)
    assert read_clip(path).audio == "aac"


def shorten(path: Path) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    return path


def faststart(path: Path) -> Path:
    """The same with its index at the front, so that it opens when its end is missing."""
    target = path.with_name("front.mp4")
    with av.open(str(path)) as source, av.open(str(target), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return target


def sound_alone(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        voice = container.add_stream("aac", rate=16000, layout="mono")
        part = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
        part.sample_rate = 16000
        container.mux(voice.encode(part))
        container.mux(voice.encode())
    return path


def without_frames(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 32, 32
        container.start_encoding()
    return path


def playlist(path: Path) -> Path:
    path.write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/part.ts\n#EXT-X-ENDLIST\n"
    )
    return path


NOISE = [np.random.default_rng(t).integers(0, 255, (96, 96, 3)).astype(np.uint8) for t in range(40)]


def empty(path: Path) -> Path:
    path.touch()
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda p: shorten(write_clip(p / "a.mp4", NOISE)),
            "no moving picture|damaged or cut off|cannot be read",
        ),
        (lambda p: shorten(faststart(write_clip(p / "a.mp4", NOISE))), "damaged or cut off|is cut off"),
        (lambda p: shorten(write_clip(p / "a.mkv", NOISE)), r"cut off: it says that it lasts 1\.6 s"),
        (lambda p: sound_alone(p / "a.mp4"), "holds no moving picture"),
        (lambda p: without_frames(p / "a.avi"), "holds no frame"),
        (
            lambda p: write_clip(p / "a.mp4", gliding(3), pix_fmt="yuv420p10le", trc=16),
            "high dynamic range .PQ.",
        ),
        (lambda p: playlist(p / "a.mp4"), "cannot be read as a clip"),
        (lambda p: p / "nothing.mp4", "cannot be read as a clip: No such file"),
        (lambda p: empty(p / "a.mp4"), r"is empty \(0 bytes\)"),
    ],
    ids=[
        "cut index",
        "cut data",
        "cut matroska",
        "sound alone",
        "no frame",
        "high dynamic range",
        "playlist",
        "absent",
        "empty",
    ],
)
def test_what_cannot_be_protected_is_refused_in_one_line(
    tmp_path: Path, make: Callable[[Path], Path], words: str
) -> None:
    path = make(tmp_path)
    with pytest.raises(ClipError, match=words) as caught:
        read_clip(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value) and caught.value.exit_code == 3


def test_a_clip_that_changes_its_size_is_refused(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "a.ts", gliding(3))
    wide = write_clip(tmp_path / "b.ts", square_frames([[(5, 5)]] * 3, (96, 64)))
    small.write_bytes(small.read_bytes() + wide.read_bytes())
    with pytest.raises(ClipError, match=r"changes its size in frame 3 \(160 x 120 to 96 x 64\)"):
        read_clip(small)


def test_frames_without_times_follow_each_other(tmp_path: Path) -> None:
    each = Fraction(1, 2)  # of a frame's time is one unit of the file's
    assert clip_module._shown([30, None, 9], each) == ((15, 16, 17), False)  # the sound begins then, too
    assert clip_module._shown([None, 34, 34], each) == ((16, 17, 18), False)
    assert clip_module._shown([None, None], each) == ((0, 1), False)
    assert clip_module._shown([3, 4, 9], each) == ((3, 4, 9), True)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_a_clip_that_begins_late_is_whole(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, gliding(30), pts=range(100, 130))
    assert len(read_clip(path).pts) == 30


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(clip_module.importlib, "import_module", absent)
    with pytest.raises(VideoMissing, match=r"pip install 'semveil\[video\]'"):
        read_clip(tmp_path / "a.mp4")


def test_rate_and_pixel_shape_are_known(tmp_path: Path) -> None:
    clip = read_clip(write_clip(tmp_path / "a.mp4", gliding(30), base=Fraction(1001, 30000)))
    assert clip.rate == Fraction(30000, 1001) and clip.format.aspect == 1
