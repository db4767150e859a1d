# SPDX-License-Identifier: Apache-2.0
"""Writing of clips: stretches of frames one by one, then all of them in one file with the sound."""

import heapq
import os
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semveil.core.errors import OutputError
from semveil.video.clip import Clip, ClipError, FrameFormat, opened, require_pyav

# Visually lossless, no B-frames (decoding order is display order), and reproducible bytes (one thread).
_ENCODER = {"crf": "18", "preset": "fast", "bf": "0", "threads": "1"}
# codecs that MP4 supports; others are re-encoded as AAC
_SOUNDS = {"aac", "mp3", "ac3", "eac3", "opus", "alac", "flac"}
_BT709, _STUDIO = 1, 1  # matrix and range of the colours
# No creation time, no name of a program or user, no metadata of the source.
_CONTAINER = {"fflags": "+bitexact", "movflags": "+faststart"}


def write_stretch(
    path: str | os.PathLike[str], frames: Iterable[NDArray[np.uint8]], kind: FrameFormat
) -> None:
    """Encode frames as H.264 in MP4; their timestamps are set by `join_stretches`.

    Args:
        path: MP4 file to write.
        frames: (H, W, 3) RGB.
        kind: their format.

    Raises:
        OutputError: the file cannot be written, for example on a full disk.
    """
    av = require_pyav()
    width, height = kind.size
    odd = width % 2 or height % 2  # subsampled chroma needs even sides
    try:
        with av.open(os.fspath(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream("libx264", rate=25, options=dict(_ENCODER))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p" if odd else "yuv420p"
            codec = stream.codec_context
            codec.thread_count = 1
            codec.colorspace, codec.color_range = _BT709, _STUDIO
            codec.color_primaries, codec.color_trc = kind.primaries, kind.transfer
            codec.sample_aspect_ratio = kind.aspect
            for i, pixels in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
                frame = frame.reformat(format=stream.pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG")
                frame.pts, frame.time_base = i, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except (av.error.FFmpegError, OSError) as error:
        Path(path).unlink(missing_ok=True)
        raise OutputError(f"cannot write {os.fspath(path)!r}: {error.strerror or error}") from error


def join_stretches(
    path: str | os.PathLike[str], stretches: Sequence[Path], clip: Clip, *, sound: bool
) -> None:
    """Join stretches into one MP4 with the source's timestamps and, if requested, its sound.

    Nothing else of the source is copied.

    Args:
        path: MP4 file to write.
        stretches: files of `write_stretch`, in order.
        clip: the source.
        sound: whether the source's audio track is copied.

    Raises:
        OutputError: the file cannot be written.
    """
    av = require_pyav()
    try:
        with (
            av.open(os.fspath(path), "w", format="mp4", options=_CONTAINER) as container,
            av.open(str(stretches[0])) as model,
        ):
            pictures = container.add_stream_from_template(model.streams.video[0])
            pictures.time_base = clip.time_base
            streams = [_pictures(pictures, stretches, clip)]
            if sound and clip.audio is not None:
                streams.append(_Sound(container, clip).packets())
            for _, _, packet in heapq.merge(*streams, key=lambda timed: timed[:2]):
                container.mux(packet)
    except (av.error.FFmpegError, OSError) as error:
        Path(path).unlink(missing_ok=True)
        raise OutputError(f"cannot write {os.fspath(path)!r}: {error.strerror or error}") from error


Timed = tuple[float, int, Any]  # time in seconds, stream index, packet


def _pictures(stream: Any, stretches: Sequence[Path], clip: Clip) -> Iterator[Timed]:
    av = require_pyav()
    number = 0
    for path in stretches:
        with av.open(str(path)) as part:
            for packet in part.demux(part.streams.video[0]):
                if packet.dts is None:
                    continue
                following = clip.pts[min(number + 1, len(clip.pts) - 1)] - clip.pts[number]
                packet.stream = stream
                packet.time_base, packet.pts, packet.dts = clip.time_base, clip.pts[number], clip.pts[number]
                packet.duration = following or max(1, round(1 / (clip.rate * clip.time_base)))
                yield float(packet.pts * clip.time_base), 0, packet
                number += 1


class _Sound:
    """First audio track of a clip, copied, or re-encoded if MP4 does not support its codec."""

    def __init__(self, container: Any, clip: Clip) -> None:
        self.clip = clip
        self.container = container
        with opened(self.clip.path) as source:
            first = source.streams.audio[0]
            self.copied = clip.audio in _SOUNDS
            if self.copied:
                self.stream = container.add_stream_from_template(first)
            else:
                self.layout = "mono" if first.codec_context.channels == 1 else "stereo"
                self.stream = container.add_stream("aac", rate=first.rate, layout=self.layout)

    def packets(self) -> Iterator[Timed]:
        """Packets of the track, in order.

        Raises:
            ClipError: the sound cannot be read.
        """
        av = require_pyav()
        with opened(self.clip.path) as source:
            packets = self._encoded(source)
            while True:
                try:
                    packet = next(packets, None)
                except av.error.FFmpegError as error:
                    raise ClipError(
                        f"the sound of {self.clip.path!r} cannot be read ({error.strerror}); leave it out "
                        "with --audio drop"
                    ) from None
                if packet is None:
                    return
                if packet.dts is not None:
                    when = float(packet.dts * packet.time_base)
                    packet.stream = self.stream
                    yield when, 1, packet

    def _encoded(self, source: Any) -> Iterator[Any]:
        track = source.streams.audio[0]
        if self.copied:
            yield from source.demux(track)
            return
        resampler = require_pyav().AudioResampler(format="fltp", layout=self.layout, rate=track.rate)
        for frame in source.decode(track):
            for part in resampler.resample(frame):
                yield from self.stream.encode(part)
        yield from self.stream.encode()
