# SPDX-License-Identifier: Apache-2.0
"""Reading of clips: metadata, timestamps, and frames, upright and as 8-bit RGB."""

import importlib
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semveil.core.errors import PhotoError, SemveilError

# Only container formats of clips: FFmpeg also reads playlists, which name other files and addresses.
_FORMATS = "mov,matroska,webm,avi,flv,mpegts,mpeg,asf,ogg,mjpeg"
_HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics of ITU-T H.273, as in FFmpeg
_MISSING_END = 0.5  # seconds by which a clip may be shorter than its header says


class ClipError(PhotoError):
    """A clip that is missing, unreadable, damaged or of an unsupported kind."""


class VideoMissing(SemveilError):
    """PyAV is not installed."""


@dataclass(frozen=True)
class Stretch:
    """Consecutive frames of a clip, with what a worker needs to read them.

    Attributes:
        path: path of the clip.
        first: 0-based index of the first frame.
        pts: presentation timestamps of the frames, in the clip's time base.
        rotation: degrees by which stored frames are turned counterclockwise to be upright.
        seekable: whether frames can be found by `pts`.
    """

    path: str
    first: int
    pts: tuple[int, ...]
    rotation: int
    seekable: bool

    @property
    def last(self) -> int:
        """Index after the last frame."""
        return self.first + len(self.pts)


@dataclass(frozen=True)
class FrameFormat:
    """Format of frames.

    Attributes:
        size: (width, height) of the upright frames.
        aspect: width of an upright pixel over its height.
        primaries, transfer: codes of the colours in ITU-T H.273; 2 if unspecified.
    """

    size: tuple[int, int]
    aspect: Fraction = Fraction(1)
    primaries: int = 2
    transfer: int = 2


@dataclass(frozen=True)
class Clip:
    """Metadata of a clip after decoding it once.

    Attributes:
        path: path of the file.
        pts: presentation timestamps of the frames, in `time_base`.
        time_base: seconds per unit.
        rate: average number of frames per second.
        format: format of its frames.
        rotation: degrees by which stored frames are turned counterclockwise to be upright: 0, 90, 180 or 270.
        seekable: whether frames can be found by `pts`.
        audio: codec of the first audio track; None without sound.
        lost: messages about content that the output cannot keep.
    """

    path: str
    pts: tuple[int, ...]
    time_base: Fraction
    rate: Fraction
    format: FrameFormat
    rotation: int
    seekable: bool
    audio: str | None = None
    lost: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the upright frames."""
        return self.format.size

    @property
    def times(self) -> NDArray[np.float64]:
        """Presentation times of the frames, in seconds from the first."""
        return (np.array(self.pts, np.float64) - self.pts[0]) * float(self.time_base)

    def stretch(self, first: int, last: int) -> Stretch:
        """Part of the clip: frames `first` to `last - 1`.

        Args:
            first: 0-based index in display order.
            last: index after the last frame.
        """
        return Stretch(self.path, first, self.pts[first:last], self.rotation, self.seekable)

    def stretches(self, frames: int) -> list[Stretch]:
        """Divide the whole clip into consecutive stretches; the last one may be shorter.

        Args:
            frames: number of frames in each, at least 1.
        """
        return [self.stretch(i, min(i + frames, len(self.pts))) for i in range(0, len(self.pts), frames)]


def require_pyav() -> Any:
    """Import PyAV, the library that decodes and encodes.

    Raises:
        VideoMissing: it is not installed.
    """
    try:
        return importlib.import_module("av")
    except ImportError:
        raise VideoMissing("clips need PyAV; install it with: pip install 'semveil[video]'") from None


def read_clip(path: str | os.PathLike[str]) -> Clip:
    """Examine a clip by decoding every frame once, so that damage is found before any work is done.

    Args:
        path: path of the clip.

    Returns:
        Its metadata.

    Raises:
        ClipError: the file cannot be read, is damaged or truncated, contains no frame, or is of an
            unsupported kind.
        VideoMissing: PyAV is not installed.
    """
    av, name = require_pyav(), os.fspath(path)
    pts: list[int | None] = []
    first: Any = None
    bits, end = 8, 0.0
    with opened(name) as container:
        stream = _pictures_of(container, name)
        sound = container.streams.audio
        lost = _left_out(container, stream)
        try:
            for packet in container.demux():
                if packet.pts is not None and packet.time_base is not None:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                if packet.stream_index != stream.index:
                    continue
                for frame in packet.decode():
                    first = first or frame
                    _check(frame, first, len(pts), name)
                    bits = max(bits, *(part.bits for part in frame.format.components))
                    pts.append(frame.pts)
        except av.error.FFmpegError as error:
            raise ClipError(
                f"{name!r} is damaged or cut off ({error.strerror}); copy it again from where it was made"
            ) from None
        if first is None:
            raise ClipError(f"{name!r} holds no frame; name a clip that shows something")
        # Matroska states the time at its end, the other containers the time from their start to their end
        absolute = "matroska" in container.format.name
        lasts = end - (0 if absolute else (container.start_time or 0) / av.time_base)
        declared = (container.duration or 0) / av.time_base
        if lasts < declared - _MISSING_END:
            raise ClipError(
                f"{name!r} is cut off: it says that it lasts {declared:.1f} s and ends after {lasts:.1f} s; "
                "copy it again from where it was made"
            )
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        base = Fraction(stream.time_base or 1 / rate)
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        audio = sound[0].codec_context.name if sound else None
    shown, seekable = _shown(pts, base * rate)
    rotation = first.rotation % 360
    turned = rotation in (90, 270)
    size = (first.height, first.width) if turned else (first.width, first.height)
    if bits > 8:
        lost += (f"{bits} bits for each colour become 8",)
    return Clip(
        path=name,
        pts=shown,
        time_base=base if seekable else 1 / rate,
        rate=rate,
        format=FrameFormat(
            size, 1 / aspect if turned else aspect, int(first.color_primaries), int(first.color_trc)
        ),
        rotation=rotation,
        seekable=seekable,
        audio=audio,
        lost=lost,
    )


def frames_of(stretch: Stretch) -> Iterator[NDArray[np.uint8]]:
    """Decode the frames of a stretch.

    Args:
        stretch: stretch of a clip that `read_clip` examined.

    Yields:
        (H, W, 3) RGB uint8, upright, in display order.

    Raises:
        ClipError: the clip cannot be read, or no longer has the frames of the stretch.
    """
    given = 0
    for frame in _decoded(stretch):
        yield _upright(frame, stretch.rotation)
        given += 1
    if given != len(stretch.pts):
        raise ClipError(f"{stretch.path!r} changed while it was read; run again when it is whole")


def _decoded(stretch: Stretch) -> Iterator[Any]:
    """Decoded frames of a stretch, found by seeking if that works, otherwise from the beginning."""
    av = require_pyav()
    for seek in (True, False) if stretch.seekable and stretch.first else (False,):
        with opened(stretch.path) as container:
            stream = _pictures_of(container, stretch.path)
            try:
                found: Iterator[Any]
                if seek:
                    container.seek(stretch.pts[0], stream=stream)
                    found = itertools.dropwhile(
                        lambda f: f.pts is None or f.pts < stretch.pts[0], container.decode(stream)
                    )
                else:
                    found = itertools.islice(container.decode(stream), stretch.first, None)
                frames = list(itertools.islice(found, 1))
                if seek and (not frames or frames[0].pts != stretch.pts[0]):
                    continue
                yield from itertools.islice(itertools.chain(frames, found), len(stretch.pts))
                return
            except av.error.FFmpegError as error:
                raise ClipError(f"{stretch.path!r} cannot be read any more: {error.strerror}") from None


def _upright(frame: Any, rotation: int) -> NDArray[np.uint8]:
    if any(part.is_alpha for part in frame.format.components):
        # what lies under transparent areas was not to be seen
        rgba = frame.to_ndarray(format="rgba").astype(np.float32)
        share = rgba[..., 3:] / 255
        pixels = np.rint(rgba[..., :3] * share + 255 * (1 - share)).astype(np.uint8)
    else:
        pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, rotation // 90)) if rotation else pixels


@contextmanager
def opened(path: str) -> Iterator[Any]:
    """Open a clip's container for the block; accepts only the container formats of clips, and local files.

    Args:
        path: path of the clip.

    Yields:
        PyAV's container.

    Raises:
        ClipError: the file is empty or cannot be read as a clip.
        VideoMissing: PyAV is not installed.
    """
    av = require_pyav()
    try:
        container = av.open(
            os.path.abspath(path),
            options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"},
            metadata_errors="replace",  # titles that are not UTF-8; they are dropped anyway
        )
    except (av.error.FFmpegError, OSError) as error:
        if os.path.isfile(path) and os.path.getsize(path) == 0:
            raise ClipError(f"{path!r} is empty (0 bytes); copy it again from where it was made") from None
        cut = "; it is cut off, or no clip" if isinstance(error, ValueError) else ""
        raise ClipError(f"{path!r} cannot be read as a clip: {error.strerror or error}{cut}") from None
    with container:
        yield container


def _pictures_of(container: Any, name: str) -> Any:
    """First video stream that is not cover art."""
    for stream in container.streams.video:
        if (
            not stream.disposition & require_pyav().stream.Disposition.attached_pic
            and stream.codec_context is not None
        ):
            return stream
    raise ClipError(
        f"{name!r} holds no moving picture (cut off, or sound alone); name a clip that shows something"
    )


def _left_out(container: Any, stream: Any) -> tuple[str, ...]:
    """Messages about streams and chapters that are not copied."""
    covers = [one for one in container.streams.video if one.index != stream.index]
    other = [one for one in container.streams if one.type not in ("video", "audio", "subtitle")]
    counts = (
        (len(covers), "covers and other pictures"),
        (max(0, len(container.streams.audio) - 1), "further sound tracks"),
        (len(container.streams.subtitles), "subtitles"),
        (len(container.chapters()), "chapters"),
        (len(other), "data and attachments"),
    )
    return tuple(f"{words} are left out ({count})" for count, words in counts if count)


def _check(frame: Any, first: Any, number: int, name: str) -> None:
    if frame.is_corrupt:
        raise ClipError(f"{name!r} is damaged in frame {number}; copy it again from where it was made")
    if (frame.width, frame.height) != (first.width, first.height):
        raise ClipError(
            f"{name!r} changes its size in frame {number} ({first.width} x {first.height} to {frame.width} "
            f"x {frame.height}); cut it there, or convert it to one size"
        )
    if frame is first and int(frame.color_trc) in _HDR:
        raise ClipError(
            f"{name!r} is in high dynamic range ({_HDR[int(frame.color_trc)]}); convert it to standard range "
            "first"
        )
    if frame is first and frame.rotation % 90:
        raise ClipError(
            f"{name!r} is turned by {frame.rotation} degrees, which is no quarter turn; turn it upright first"
        )


def _shown(pts: list[int | None], frames: Fraction) -> tuple[tuple[int, ...], bool]:
    """Timestamps, and whether they come from the file.

    Otherwise frames follow at the average rate, a unit of the file's time being `frames` of them; the first
    one keeps its time, since the sound does.
    """
    known = {i: one for i, one in enumerate(pts) if one is not None}
    times = list(known.values())
    if len(times) == len(pts) and all(a < b for a, b in itertools.pairwise(times)):
        return tuple(times), True
    start = max(0, next((round(one * frames) - i for i, one in known.items()), 0))
    return tuple(range(start, start + len(pts))), False
