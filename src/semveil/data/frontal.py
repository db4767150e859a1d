# SPDX-License-Identifier: Apache-2.0
"""Frontal faces by dlib alone: the boxes, and the landmarks that fix a face's crop whatever else looks for faces."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semveil.data.boxes import SAME, Box, overlap, side
from semveil.data.photos import Photo
from semveil.recognition.dlib_faces import Face, detect_faces, find_landmarks

_DETECTOR_FACE = 80  # px: the smallest face that dlib's detector knows
_COARSE_PIXELS = 700_000
_COARSE_UPSAMPLING = 1.5
_DETECTION_PIXELS = 8_000_000  # larger photos are shrunk to this first; takes about a second
_THOROUGH_PIXELS = 32_000_000
# px; the detector scores faces that the photo's edge cuts higher when it is continued a little
_THOROUGH_MARGIN = 40
_LARGEST_UPSAMPLING = 4
# Of 150 LFW photos enlarged fourfold 2 % score their main face lower, and what scores lower elsewhere is
# seldom a face.
_CONFIDENT_SCORE = 0.3
# Two of 150 LFW photos have another detection of 0.2 to 0.3, both faces that the edge cuts, and none has one
# of less.
_THOROUGH_SCORE = 0.2
_LANDMARK_FACE = 256  # px: dlib rounds landmarks to whole pixels, so they are looked for in an enlarged face
# times the smallest face of the coarse look: up to there a fine one may add what that missed
_ONE_TOO_SMALL = 1.1
_NEAR_EDGE = 0.25  # of a face's side
SIZES_DIFFER = 1.2  # factor by which detectors may differ in a face's size


def find_frontal_faces(
    photo: Photo, *, thorough: bool = False, beside: Callable[[Sequence[Face]], Sequence[Box]] | None = None
) -> list[Face]:
    """Frontal, about upright faces, largest first, equal ones from left to right and top to bottom.

    The photo is looked over coarsely, at up to .7 megapixels, which finds large faces; where that finds
    nothing, again with its edges continued outwards, for faces that these cut; then finely, enlarged up to
    four times or shrunk to 8 megapixels, for faces that are too small for the coarse look: from 20 px on in
    photos of up to half a megapixel, from about 100 px on in photos of 12. A face has the box that the first
    look that finds it gives, and each look takes only faces of its kind. So looks can be left out where
    another detector sees no such face, and what is found has the same box and landmarks all the same. A
    doubtful detection counts only where there is no confident one.

    Args:
        photo: as `load_photo` gives it.
        thorough: for photos in which no face may be missed: the last look shrinks to 32 megapixels only
            (faces from about 50 px on are found in photos of 12), continues the edges, and takes every face;
            less confidence is asked for.
        beside: what another detector sees besides the faces that it is given. Only for those there is more
            than the first look.

    Returns:
        Boxes and landmarks in pixels of the photo; empty where there is no face.
    """
    picture = Image.fromarray(photo.pixels)
    enough = _THOROUGH_SCORE if thorough else _CONFIDENT_SCORE
    found: list[Face] = []
    for look in _looks(picture.size, thorough):
        if look.edges and found:
            continue
        others = (
            None if beside is None or look.first else beside([face for face in found if face.score >= enough])
        )
        if others is not None and not any(
            look.takes(box, picture.size, slack=SIZES_DIFFER) for box in others
        ):
            continue
        before = list(found)
        for face in look.detect(picture):
            if not look.takes(face.box, picture.size):
                continue
            known = [i for i, other in enumerate(before) if overlap(face.box, other.box) > SAME]
            for i in known:
                found[i] = replace(found[i], score=max(found[i].score, face.score))
            if not known:
                found.append(face)
    chosen = [face for face in found if face.score >= enough] or sorted(found, key=lambda face: -face.score)[
        :1
    ]
    faces = [_with_landmarks(picture, face.box, face.score) for face in chosen]
    return sorted(faces, key=lambda face: (-face.area, *face.box))


def smallest_frontal(width: int, height: int, *, thorough: bool = False) -> float:
    """Approximate side in pixels of the smallest face that dlib finds in a photo.

    Args:
        width: of the photo in pixels.
        height: of the photo in pixels.
        thorough: for the thorough search of `find_frontal_faces`.

    Example:
        >>> round(smallest_frontal(4000, 3000))
        98
    """
    return _DETECTOR_FACE / _fine_scale((width, height), thorough)


@dataclass(frozen=True)
class _Look:
    """The detector's look over a photo at one scale.

    Attributes:
        scale: pixels that it sees for one of the photo.
        margin: pixels by which it sees the photo's edges continued outwards.
        first: it is always made.
        edges: it is made where nothing is found, and takes faces near the edges alone.
        largest: side in pixels of the photo of the largest face that it takes.
    """

    scale: float
    margin: int = 0
    first: bool = False
    edges: bool = False
    largest: float = math.inf

    def takes(self, box: Box, size: tuple[int, int], *, slack: float = 1.0) -> bool:
        """Whether a face in that box is of its kind, or could be where the box is off by a factor of `slack`."""
        inside = min(box[0], box[1], size[0] - 1 - box[2], size[1] - 1 - box[3])
        near = not self.edges or inside < _NEAR_EDGE * slack * side(box)
        return near and 0.9 * _DETECTOR_FACE / self.scale / slack <= side(box) <= self.largest * slack

    def detect(self, picture: Image.Image) -> list[Face]:
        """All that the detector finds, in pixels of the photo, without landmarks that count."""
        width, height = (max(1, round(side * self.scale)) for side in picture.size)
        pixels = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0))
        faces = []
        for face in detect_faces(_continued(pixels, self.margin)):
            corners = np.array(face.box, float).reshape(2, 2) - self.margin + 0.5
            corners = corners * (np.array(picture.size) / (width, height)) - 0.5
            left, top, right, bottom = (round(float(c)) for c in corners.ravel())
            faces.append(replace(face, box=(left, top, right, bottom)))
        return faces


def _looks(size: tuple[int, int], thorough: bool) -> list[_Look]:
    coarse = min(_COARSE_UPSAMPLING, math.sqrt(_COARSE_PIXELS / (size[0] * size[1])))
    fine = _fine_scale(size, thorough)
    margin = max(1, round(min(size) * coarse)) // 4
    looks = [_Look(coarse, first=True), _Look(coarse, margin, edges=True)]
    if thorough:
        return [*looks, _Look(fine, _THOROUGH_MARGIN)]
    return [*looks, _Look(fine, largest=_ONE_TOO_SMALL * _DETECTOR_FACE / coarse)]


def _fine_scale(size: tuple[int, int], thorough: bool) -> float:
    pixels = _THOROUGH_PIXELS if thorough else _DETECTION_PIXELS
    return min(_LARGEST_UPSAMPLING, math.sqrt(pixels / (size[0] * size[1])))


def _continued(pixels: NDArray[np.uint8], margin: int) -> NDArray[np.uint8]:
    """Pixels with their edges repeated outwards."""
    return np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="edge") if margin else pixels


def _with_landmarks(picture: Image.Image, box: tuple[int, int, int, int], score: float) -> Face:
    """Find the landmarks in the face alone, brought to one size, and map them back to the picture."""
    left, top, right, bottom = box
    around = (right - left + 1) // 2
    window = (
        max(0, left - around),
        max(0, top - around),
        min(picture.width, right + 1 + around),
        min(picture.height, bottom + 1 + around),
    )
    scale = _LANDMARK_FACE / (right - left + 1)
    shape = round((window[2] - window[0]) * scale), round((window[3] - window[1]) * scale)
    pixels = np.asarray(picture.resize(shape, Image.Resampling.LANCZOS, box=window, reducing_gap=3.0))
    origin, step = np.array(window[:2]), (np.array(window[2:]) - window[:2]) / shape
    corners = (np.array([[left, top], [right, bottom]]) + 0.5 - origin) / step - 0.5
    inner = (round(corners[0, 0]), round(corners[0, 1]), round(corners[1, 0]), round(corners[1, 1]))
    landmarks = (find_landmarks(pixels, inner) + 0.5) * step + origin - 0.5
    return Face(box, score, landmarks)
