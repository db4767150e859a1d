# SPDX-License-Identifier: Apache-2.0
"""The faces of a clip: tracks, numbers and fates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from semveil.bulk.account import LARGEST, Fate, Mark
from semveil.bulk.clip_frames import Looked, look_for_faces
from semveil.bulk.settings import Settings
from semveil.core.errors import FaceChoiceError, FaceTooLargeError
from semveil.data.align import enlargement
from semveil.data.boxes import SMALLEST_FACE
from semveil.video.clip import Clip
from semveil.video.tracks import Place, Shown, Sighting, Track, find_shots, follow_faces, places_of

FRAMES = 48  # per stretch, the unit of resumption and of progress reports


@dataclass(frozen=True, eq=False)
class ClipFaces:
    """The faces of a clip, by number.

    Attributes:
        tracks: track of each face.
        places: place of each face, by frame.
        doubts: for some face numbers, why the face cannot be protected.
        fates: fate of each face.
        enlarged: by number of a protected face, the largest factor by which a frame enlarges the new face.
        softened: numbers of the faces whose new faces are blurred in all frames.
    """

    tracks: list[Track]
    places: list[dict[int, Place]]
    doubts: dict[int, str]
    fates: dict[int, Fate]
    enlarged: dict[int, float]
    softened: tuple[int, ...]

    @property
    def oversize(self) -> list[int]:
        """Numbers of the protected faces that are much larger in a frame than in the model's output."""
        return [i for i, factor in self.enlarged.items() if factor > LARGEST]

    def with_fate(self, fate: Fate) -> list[int]:
        """Numbers of the faces with a given fate.

        Args:
            fate: for example `Fate.COVERED`.
        """
        return [i for i, one in self.fates.items() if one == fate]

    def in_frame(self, frame: int) -> dict[int, Place]:
        """Place of each face in a frame, by number.

        Faces that are left unprotected appear only where they were detected.

        Args:
            frame: 0-based index in display order.
        """
        return {
            i: there[frame]
            for i, there in enumerate(self.places)
            if frame in there and (self.fates[i] != Fate.LEFT or frame in self.tracks[i].seen)
        }

    def replaced_in(self, number: int) -> int:
        """Number of frames in which a face is replaced.

        Args:
            number: face number.
        """
        return sum(place.shown == Shown.REPLACED for place in self.places[number].values())

    def known_boxes(self, frame: int) -> tuple[tuple[int, int, int, int], ...]:
        """Boxes of all faces in a frame that must not be visible, both as detected and as tracked.

        Args:
            frame: 0-based index in display order.

        Returns:
            (left, top, right, bottom) in pixels.
        """
        boxes = []
        for i, fate in self.fates.items():
            if fate != Fate.LEFT:
                boxes += [self.tracks[i].seen[frame].face.box] if frame in self.tracks[i].seen else []
                boxes += [self.places[i][frame].box] if frame in self.places[i] else []
        return tuple(boxes)

    def marks(self) -> tuple[Mark, ...]:
        """Marks of all faces, each from its sharpest frame."""
        marks = []
        for i, track in enumerate(self.tracks):
            face = track.seen[track.best(SMALLEST_FACE)].face
            marks.append(
                Mark(
                    i,
                    face.box,
                    face.detector,
                    round(face.score, 2),
                    self.fates[i],
                    self.doubts.get(i, ""),
                    round(self.enlarged.get(i, 0.0), 2),
                    i in self.softened,
                )
            )
        return tuple(marks)


def tracks_of(clip: Clip, detector: str, progress: Callable[[int, int], None]) -> list[Track]:
    """Detect and track the faces of a clip, numbered as for `--face`: largest first.

    Args:
        clip: the source.
        detector: as for `find_faces`.
        progress: called with the number of frames done and the total.

    Raises:
        ClipError: the clip can no longer be read.
    """
    looked = []
    for stretch in clip.stretches(FRAMES):
        looked.append(look_for_faces(stretch, detector))
        progress(stretch.last, len(clip.pts))
    return followed(looked, clip)


def followed(looked: Sequence[Looked], clip: Clip) -> list[Track]:
    """Track the faces of a clip through the detections in its stretches.

    Args:
        looked: result of `look_for_faces` for every stretch, in order.
        clip: the whole clip, for its frame times.
    """
    sightings = [[Sighting.from_dict(one) for one in frame] for part in looked for frame in part.faces]
    thumbnails = [
        np.frombuffer(bytes.fromhex(small), np.uint8) for part in looked for small in part.thumbnails
    ]
    return follow_faces(sightings, clip.times, find_shots(thumbnails))


def choose_fates(
    tracks: list[Track], clip: Clip, settings: Settings, name: str, *, size: int | None
) -> ClipFaces:
    """Decide the fate of each face of a clip.

    Args:
        tracks: result of `tracks_of`.
        clip: the source.
        settings: result of `Settings.for_clips`.
        name: name of the clip, for errors.
        size: side of the model's images in pixels; None for a method without a model.

    Raises:
        FaceChoiceError: a requested face does not exist.
        FaceTooLargeError: a new face must be enlarged too much, and such clips are refused.
    """
    chosen = settings.chosen(len(tracks))
    if absent := [i for i in chosen if i >= len(tracks)]:
        shown = ", ".join(f"{i}: frames {t.frames[0]} to {t.frames[1]}" for i, t in enumerate(tracks[:12]))
        raise FaceChoiceError(f"{name!r} has no face {', '.join(map(str, absent))}; it shows {shown}")
    doubts = {i: doubt for i in chosen if (doubt := _doubt(tracks[i], SMALLEST_FACE))}
    spared = Fate.COVERED if settings.doubtful == "cover" else Fate.LEFT
    fates = dict.fromkeys(range(len(tracks)), Fate.LEFT)
    fates |= {i: spared if i in doubts else Fate.PROTECTED for i in chosen}
    places = [places_of(track, clip.times, SMALLEST_FACE) for track in tracks]
    enlarged: dict[int, float] = {}
    if size is not None:
        protected = [i for i, fate in fates.items() if fate == Fate.PROTECTED]
        enlarged = {i: _enlarged(places[i], size) for i in protected}
    faces = ClipFaces(tracks, places, doubts, fates, enlarged, ())
    if faces.oversize and settings.oversize == "refuse":
        times = ", ".join(f"face {i} {enlarged[i]:.1f} times" for i in faces.oversize)
        raise FaceTooLargeError(
            f"{name!r} has faces larger than the model's {size} px: {times}; shrink the clip, or see "
            "--oversize"
        )
    return replace(faces, softened=tuple(faces.oversize)) if settings.oversize == "blur" else faces


def _enlarged(places: dict[int, Place], size: int) -> float:
    """Largest factor by which a new face of `size` pixels is enlarged for a frame."""
    return max(enlargement(p.landmarks, size) for p in places.values() if p.shown == Shown.REPLACED)


def _doubt(track: Track, least: int) -> str:
    """Why a face cannot be protected in any frame; empty if it can."""
    if track.trusted(least):
        return ""
    face = max((sighting.face for sighting in track.seen.values()), key=lambda face: face.shorter_side)
    if face.shorter_side < least:
        return f"has at most {face.shorter_side} px, fewer than the {least} px needed"
    return f"is doubtful in all its frames: {face.doubtful or 'it is too small where it can be aligned'}"
