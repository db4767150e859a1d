# SPDX-License-Identifier: Apache-2.0
"""Detected faces of photos and clips, with their numbers and confidences."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semveil.bulk.clip_faces import tracks_of
from semveil.bulk.sources import assign_names, find_sources
from semveil.core.errors import SemveilError
from semveil.core.progress import Progress, quiet
from semveil.data.boxes import SMALLEST_FACE
from semveil.data.faces import find_faces
from semveil.data.outlines import outline_faces
from semveil.data.photos import load_photo
from semveil.data.save import save_png
from semveil.recognition.dlib_faces import Face
from semveil.video.clip import read_clip


@dataclass(frozen=True)
class FoundFaces:
    """Detected faces of several photos and clips.

    Attributes:
        photos: place and faces of each photo or clip, JSON-ready.
        refused: errors of files that could not be read.
        drawn: number of photos that were drawn.
    """

    photos: tuple[dict[str, Any], ...]
    refused: tuple[SemveilError, ...]
    drawn: int = 0


def faces_in(
    paths: Sequence[str | os.PathLike[str]],
    detector: str,
    *,
    draw: Path | None = None,
    progress: Progress = quiet,
) -> FoundFaces:
    """Detect the faces of photos, clips and folders.

    Args:
        paths: photos, clips and folders.
        detector: resolved name, see `data.detection.resolve_detector`.
        draw: folder for copies of the photos, not of clips, with the boxes drawn; unprotected, readable by
            their owner only.
        progress: called with the stage, the number done and the total.

    Returns:
        The faces, and the errors of files that could not be read.

    Raises:
        PhotoError: a path does not exist, or there is no photo.
    """
    sources = find_sources(paths, draw).photos
    names = assign_names((source.place for source in sources), {})
    found: list[dict[str, Any]] = []
    refused: list[SemveilError] = []
    drawn = 0
    for done, source in enumerate(sources, 1):
        try:
            if source.is_clip:
                faces = _in_clip(source.path, detector, lambda *now: progress("Finding faces", *now))
                found.append({"photo": source.place, "faces": faces})
                continue
            photo = load_photo(source.path)
        except SemveilError as error:
            refused.append(error)
            continue
        boxes = find_faces(photo, thorough=True, detector=detector)
        found.append({"photo": source.place, "faces": [_face(i, face) for i, face in enumerate(boxes)]})
        if draw is not None:
            _draw(draw / f"{names[source.place]}.faces.png", photo.pixels, boxes)
            drawn += 1
        progress("Finding faces", done, len(sources))
    return FoundFaces(tuple(found), tuple(refused), drawn)


def _face(number: int, face: Face) -> dict[str, Any]:
    px = face.shorter_side
    small = f"it has {px} px, fewer than the {SMALLEST_FACE} px needed" if px < SMALLEST_FACE else ""
    return {
        "number": number,
        "box": list(face.box),
        "px": px,
        "detector": face.detector,
        "score": round(face.score, 3),
        "doubt": face.doubtful or small,
    }


def _in_clip(path: Path, detector: str, advance: Callable[..., None]) -> list[dict[str, Any]]:
    """Faces tracked through a clip, each described by its sharpest frame."""
    clip = read_clip(path)
    found = []
    for number, track in enumerate(tracks_of(clip, detector, advance)):
        best, (first, last) = track.best(SMALLEST_FACE), track.frames
        seconds = [round(float(clip.times[i]), 2) for i in (first, last, best)]
        face = _face(number, track.seen[best].face)
        found.append({**face, "from_s": seconds[0], "to_s": seconds[1], "sharpest_s": seconds[2]})
    return found


def _draw(path: Path, pixels: Any, found: list[Face]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = ["orange" if _face(i, face)["doubt"] else "lime" for i, face in enumerate(found)]
    labels = [str(i) for i in range(len(found))]
    save_png(path, outline_faces(pixels, [face.box for face in found], labels, colours), private=True)
