# SPDX-License-Identifier: Apache-2.0
"""Clips for tests: the astronaut in motion, and a marked square that a stand-in for the detectors finds at
once.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semveil.data.photos import Photo
from semveil.recognition.dlib_faces import Face

SIDE = 40  # px, of the square that stands for a face
# Eye corners and the base of the nose in units of the square, about where a face has them.
POINTS = np.array([[0.78, 0.35], [0.6, 0.35], [0.22, 0.35], [0.4, 0.35], [0.5, 0.6]])


def astronaut_frames(count: int, side: int = 160) -> list[NDArray[np.uint8]]:
    """The portrait's head, shaken and turned a little."""
    from skimage.data import astronaut

    portrait = Image.fromarray(astronaut())
    frames = []
    for t in range(count):
        turned = portrait.rotate(4 * np.sin(t / 4), center=(224, 110), resample=Image.Resampling.BICUBIC)
        left, top = round(130 + 6 * np.sin(t / 3)), round(22 + 5 * np.cos(t / 3))
        frames.append(np.asarray(turned.crop((left, top, left + side, top + side))))
    return frames


def square_frames(
    places: Sequence[Sequence[tuple[int, int]]], size: tuple[int, int] = (160, 120)
) -> list[NDArray[np.uint8]]:
    """Grey frames of (width, height) with red squares whose corners are given for each frame."""
    frames = []
    for there in places:
        frame = np.full((size[1], size[0], 3), 90, np.uint8)
        frame[::7] = 110
        for left, top in there:
            frame[top : top + SIDE, left : left + SIDE] = (235, 20, 20)
        frames.append(frame)
    return frames


def gliding(count: int) -> list[NDArray[np.uint8]]:
    """One square that moves by a pixel in each frame."""
    return square_frames([[(30 + t, 40)] for t in range(count)])


def find_squares(photo: Photo, *, thorough: bool = False, detector: str = "dlib") -> list[Face]:
    """The red squares of a frame as faces, as a detector would give them, also in what was encoded."""
    from scipy.ndimage import find_objects, label

    pixels = photo.pixels.astype(int)
    red = (pixels[..., 0] > 190) & (pixels[..., 1] < 70) & (pixels[..., 2] < 70)
    faces = []
    for rows, columns in find_objects(label(red)[0]):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if min(height, width) >= SIDE / 2:
            corner = np.array([columns.start, rows.start])
            box = (columns.start, rows.start, columns.stop - 1, rows.stop - 1)
            faces.append(Face(box, 1.0, corner + POINTS * (width, height), detector))
    return sorted(faces, key=lambda face: (-face.area, *face.box))


def write_clip(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    pts: Sequence[int] | None = None,
    base: Fraction = Fraction(1, 25),
    sound: str | None = None,
    rotation: int = 0,
    trc: int | None = None,
    primaries: int = 2,
    aspect: Fraction = Fraction(1),
    extras: bool = False,
) -> Path:
    """A clip as somebody else's camera might write it.

    Args:
        path: the file.
        frames: its pictures (H, W, 3).
        codec: as FFmpeg names it.
        pix_fmt: likewise.
        base: seconds from one frame to the next.
        pts: when frames are shown, in those units; one after the other where None.
        sound: codec of a sound track, as long as the pictures.
        rotation: degrees counterclockwise that a player is told to turn it by.
        trc: transfer characteristics of the colours, as ITU-T H.273 numbers them.
        primaries: of the colours, likewise.
        aspect: of a pixel.
        extras: title, place, chapters, a cover and subtitles too, where the container has room for them.
    """
    height, width, _ = frames[0].shape
    shown = list(pts) if pts is not None else list(range(len(frames)))
    with av.open(str(path), "w") as container:
        lossless = {"crf": "10", "g": "12"} if codec == "libx264" else {"qscale": "2"}
        stream = container.add_stream(codec, rate=Fraction(1, 1) / base, options=lossless)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.time_base = base
        if codec == "libx264":
            stream.codec_context.color_range, stream.codec_context.colorspace = 1, 1
        stream.codec_context.sample_aspect_ratio, stream.codec_context.color_primaries = aspect, primaries
        if trc is not None:
            stream.codec_context.color_trc = trc
        if rotation:
            stream.set_display_rotation(rotation)
        voice = None
        if sound is not None:
            voice = container.add_stream(sound, rate=16000, layout="mono")
            voice.metadata["language"] = "deu"
        if extras:
            container.metadata.update({"title": "secret title", "location": "+48.1000+011.5000/"})
            container.set_chapters(
                [
                    {
                        "id": 1,
                        "start": 0,
                        "end": 10,
                        "time_base": Fraction(1, 25),
                        "metadata": {"title": "secret"},
                    }
                ]
            )
        for pixels, when in zip(frames, shown, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            if codec == "libx264":
                frame = frame.reformat(format=pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG")
            frame.pts, frame.time_base = when, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if voice is not None:
            count = int(float((shown[-1] + 1) * base) * 16000)
            tone = (np.sin(np.arange(count) / 9) * 8000).astype(np.int16)
            for start in range(0, count, 1024):
                part = av.AudioFrame.from_ndarray(
                    tone[None, start : start + 1024], format="s16", layout="mono"
                )
                part.sample_rate, part.pts = 16000, start
                container.mux(voice.encode(part))
            container.mux(voice.encode())
    return path


def frames_in(path: Path) -> list[NDArray[np.uint8]]:
    """All frames as the library gives them, without our reader."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
