# SPDX-License-Identifier: Apache-2.0
"""Faces tracked through a clip by position and time.

Identity is not used, since linking tracks by similarity would reveal it.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.signal import savgol_filter

from semveil.data.align import align_face
from semveil.data.boxes import overlap
from semveil.recognition.dlib_faces import Face

_GAP = 1.0  # seconds without a detection after which a track ends
_BRIDGE = 0.4  # longest interval in seconds between trusted landmarks for interpolated ones to be trusted
_HOLD = 0.2  # seconds for which a face is hidden before its first and after its last detection
_PACE = 0.2  # shortest time in seconds over which the speed of a face is measured
_NEAR = 0.15  # smallest likeness of two boxes of one face
_APART = 0.3  # likeness by distance alone, at distance 0
_SMOOTHED = 7  # frames; fitting a parabola to their landmarks removes 42 % of the jitter and no motion
_STRAY = 0.2  # largest distance by which smoothing moves landmarks, in units of their spread
_SHRUNK = 0.8  # interpolated landmarks with less of the spread of both ends are between two different poses
_CUT = 40.0  # mean absolute difference in levels at the start of a shot
_THUMBNAIL = 24  # px
_SHARPNESS_CROP = 128  # px


class Shown(StrEnum):
    """Treatment of a face in one frame."""

    REPLACED = "replaced"
    HIDDEN = "hidden"  # cannot be aligned there, or was not detected


@dataclass(frozen=True, eq=False)
class Sighting:
    """A face detected in a frame.

    Attributes:
        face: its box and landmarks.
        sharpness: variance of the Laplacian of its aligned crop, in squared levels.
    """

    face: Face
    sharpness: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        face = self.face
        return {
            **vars(face),
            "box": list(face.box),
            "landmarks": face.landmarks.tolist(),
            "sharpness": self.sharpness,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Sighting":
        """Rebuild a sighting from its JSON form.

        Args:
            content: result of `as_dict`.
        """
        plain = dict(content)
        sharpness = plain.pop("sharpness")
        left, top, right, bottom = plain["box"]
        return cls(
            Face(
                **plain
                | {"box": (left, top, right, bottom), "landmarks": np.array(plain["landmarks"], float)}
            ),
            sharpness,
        )


@dataclass(frozen=True, eq=False)
class Place:
    """Position of a face in one frame, detected or interpolated.

    Attributes:
        shown: treatment of the face.
        box: left, top, right, bottom in pixels.
        landmarks: (5, 2), in dlib's order.
    """

    shown: Shown
    box: tuple[int, int, int, int]
    landmarks: NDArray[np.float64]

    @property
    def face(self) -> Face:
        """The same as a detector's result."""
        return Face(self.box, 0.0, self.landmarks)


@dataclass(frozen=True, eq=False)
class Track:
    """One face through its frames.

    Attributes:
        seen: detections, by frame index.
        shot: first and last frame of its shot.
    """

    seen: dict[int, Sighting]
    shot: tuple[int, int]

    @property
    def frames(self) -> tuple[int, int]:
        """First and last frame in which it was detected."""
        return min(self.seen), max(self.seen)

    @property
    def area(self) -> int:
        """Sum of the areas of its boxes, in pixels."""
        return sum(sighting.face.area for sighting in self.seen.values())

    def trusted(self, least: int) -> list[int]:
        """Frames in which the landmarks are reliable and the face is large enough, in order.

        Args:
            least: smallest shorter side of the face's box in pixels.
        """
        return [
            i
            for i, sighting in sorted(self.seen.items())
            if not sighting.face.doubtful and sighting.face.shorter_side >= least
        ]

    def best(self, least: int) -> int:
        """Frame with the sharpest view of the face, the first among equals.

        Frames with reliable landmarks and a large enough face take precedence.

        Args:
            least: as for `trusted`.
        """
        frames = self.trusted(least) or sorted(self.seen)
        return max(frames, key=lambda i: (self.seen[i].sharpness, -i))


@dataclass
class _Open:
    """A track that is not complete yet."""

    seen: dict[int, Sighting] = field(default_factory=dict)

    def predicted(self, times: NDArray[np.float64], frame: int) -> NDArray[np.float64]:
        """Box predicted for a frame, from the velocity over the last `_PACE` seconds with sightings.

        Detectors place boxes on a grid; between frames in quick succession its steps would look like speed.
        """
        last = max(self.seen)
        earlier = [i for i in self.seen if times[last] - times[i] >= _PACE]
        before = max(earlier) if earlier else min(self.seen)
        box = np.array(self.seen[last].face.box, float)
        moved = (box - np.array(self.seen[before].face.box, float)).reshape(2, 2).mean(0)
        step = moved / max(times[last] - times[before], _PACE)
        return box + np.tile(step, 2) * (times[frame] - times[last])


def sharpness(pixels: NDArray[np.uint8], face: Face) -> float:
    """Sharpness of a face: variance of the Laplacian of its aligned grey crop.

    The crop has a fixed size, so that faces of different sizes are comparable.

    Args:
        pixels: (H, W, 3) RGB uint8, the frame.
        face: with landmarks in the frame.
    """
    crop = align_face(pixels, face.landmarks, _SHARPNESS_CROP).pixels.mean(-1)
    inner = crop[1:-1, 1:-1]
    return float((crop[:-2, 1:-1] + crop[2:, 1:-1] + crop[1:-1, :-2] + crop[1:-1, 2:] - 4 * inner).var())


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frame sampled on a small grid of grey pixels, for cut detection.

    Args:
        pixels: (H, W, 3) RGB uint8.

    Returns:
        (T, T) uint8, T being the same for all frames.
    """
    height, width = pixels.shape[:2]
    rows = (np.arange(_THUMBNAIL) * height) // _THUMBNAIL
    columns = (np.arange(_THUMBNAIL) * width) // _THUMBNAIL
    return pixels[rows[:, None], columns[None, :]].mean(-1).astype(np.uint8)


def find_shots(thumbnails: Sequence[NDArray[np.uint8]]) -> list[tuple[int, int]]:
    """Split a clip into shots where the mean absolute difference of consecutive thumbnails is large.

    Args:
        thumbnails: results of `thumbnail` for all frames in order, at least one; (T, T) uint8.

    Returns:
        First and last frame of each shot, 0-based and inclusive.

    Example:
        >>> dark, light = np.zeros((2, 2), np.uint8), np.full((2, 2), 200, np.uint8)
        >>> find_shots([dark, dark, light])
        [(0, 1), (2, 2)]
    """
    small = np.array([one.ravel() for one in thumbnails], np.float32)
    cuts = np.flatnonzero(np.abs(np.diff(small, axis=0)).mean(1) > _CUT) + 1
    edges = [0, *cuts.tolist(), len(small)]
    return [(first, after - 1) for first, after in itertools.pairwise(edges)]


def follow_faces(
    sightings: Sequence[Sequence[Sighting]], times: NDArray[np.float64], shots: Sequence[tuple[int, int]]
) -> list[Track]:
    """Join detections into tracks, sorted by total area, largest first.

    In each frame the boxes are assigned to tracks by maximum total likeness to the predicted boxes; an
    unassigned box starts a track. A track ends with its shot, or after a second without a sighting.

    Args:
        sightings: sightings in each frame.
        times: times of the frames in seconds.
        shots: result of `find_shots`.
    """
    done: list[Track] = []
    for shot in shots:
        tracks: list[_Open] = []
        for frame in range(shot[0], shot[1] + 1):
            near = [track for track in tracks if times[frame] - times[max(track.seen)] <= _GAP]
            here = list(sightings[frame])
            alike = np.array(
                [[_likeness(track.predicted(times, frame), s.face.box) for s in here] for track in near],
                float,
            ).reshape(len(near), len(here))
            taken = set()
            for row, column in zip(*linear_sum_assignment(-alike), strict=True):
                if alike[row, column] >= _NEAR:
                    near[row].seen[frame] = here[column]
                    taken.add(column)
            tracks += [_Open({frame: sighting}) for i, sighting in enumerate(here) if i not in taken]
        done += [Track(track.seen, shot) for track in tracks]
    return sorted(done, key=lambda track: (-track.area, track.frames))


def places_of(track: Track, times: NDArray[np.float64], least: int) -> dict[int, Place]:
    """Position of a face in every frame from shortly before its first detection to shortly after its last.

    It is replaced where its landmarks are trusted, and between two such frames that are close in time and
    show it in similar poses; elsewhere it is hidden. Missing boxes and landmarks are interpolated linearly in
    time; landmarks of longer runs of replaced frames are smoothed, unless that moves them far.

    Args:
        track: track of one face.
        times: times of all frames in seconds.
        least: smallest shorter side in pixels of a face to be replaced.

    Returns:
        Place by frame index.
    """
    first, last = track.frames
    start, stop = np.searchsorted(times, (times[first] - _HOLD, times[last] + _HOLD), side="left").tolist()
    frames = np.arange(max(start, track.shot[0]), min(max(stop, last + 1), track.shot[1] + 1))
    boxes = _between(times, frames, {i: np.array(s.face.box, float) for i, s in track.seen.items()})
    points = _between(times, frames, {i: s.face.landmarks.ravel() for i, s in track.seen.items()}).reshape(
        -1, 5, 2
    )
    trusted = track.trusted(least)
    replaced = np.isin(frames, trusted)
    if trusted:
        known = _between(times, frames, {i: track.seen[i].face.landmarks.ravel() for i in trusted}).reshape(
            -1, 5, 2
        )
        spread = _spread(known)
        for a, b in itertools.pairwise(trusted):
            if times[b] - times[a] <= _BRIDGE:
                least_spread = _SHRUNK * spread[np.isin(frames, (a, b))].min()
                replaced |= (frames > a) & (frames < b) & (spread >= least_spread)
        points[replaced] = known[replaced]
    for run in _runs(replaced):
        if len(points[run]) >= _SMOOTHED:
            points[run] = _smoothed(points[run])
    return {
        int(frame): Place(
            Shown.REPLACED if whole else Shown.HIDDEN,
            (int(np.floor(box[0])), int(np.floor(box[1])), int(np.ceil(box[2])), int(np.ceil(box[3]))),
            landmarks,
        )
        for frame, whole, box, landmarks in zip(frames, replaced, boxes, points, strict=True)
    }


def _between(
    times: NDArray[np.float64], frames: NDArray[np.intp], known: Mapping[int, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Values (frames, n) interpolated linearly in time; outside the known range the nearest."""
    at = sorted(known)
    values = np.stack([known[i] for i in at])
    return np.stack([np.interp(times[frames], times[at], column) for column in values.T], 1)


def _smoothed(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Landmarks (T, 5, 2) smoothed over time, except where that moves them far.

    Where a detector turns a face over from one frame to the next, the mean of both poses would lie on
    neither.
    """
    smooth = savgol_filter(points, _SMOOTHED, 2, axis=0, mode="interp")
    moved = np.sqrt(((smooth - points) ** 2).sum(-1).mean(-1))
    return np.where((moved > _STRAY * _spread(points))[:, None, None], points, smooth)


def _spread(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square distance of landmarks (T, 5, 2) from their centre, in pixels."""
    return np.sqrt(((points - points.mean(1, keepdims=True)) ** 2).sum(-1).mean(-1))


def _runs(flags: NDArray[np.bool_]) -> list[slice]:
    """Slices of consecutive set flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _likeness(one: NDArray[np.float64], other: Sequence[float]) -> float:
    """Similarity of two boxes: intersection over union, or a score of their distance if larger.

    The distance counts only for boxes whose sides differ by less than a factor of two.
    """
    box = np.array(other, float)
    sides = [np.sqrt(max(1.0, (b[2] - b[0]) * (b[3] - b[1]))) for b in (one, box)]
    middles = [b.reshape(2, 2).mean(0) for b in (one, box)]
    apart = float(np.linalg.norm(middles[0] - middles[1])) / max(sides)
    near = _APART * (1 - apart) if max(sides) < 2 * min(sides) else 0.0
    return max(overlap(one.tolist(), box.tolist()), near)
