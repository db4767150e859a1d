# SPDX-License-Identifier: Apache-2.0
"""Frontal face detection by dlib alone: boxes and landmarks, independent of any other detector."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semveil.data.boxes import SAME, Box, overlap, side
from semveil.data.photos import Photo
from semveil.recognition.dlib_faces import Face, detect_faces, find_landmarks

_DETECTOR_FACE = 80  # px: the smallest face that dlib's detector finds
_COARSE_PIXELS = 700_000
_COARSE_UPSAMPLING = 1.5
_DETECTION_PIXELS = 8_000_000  # larger photos are reduced to this first; takes about a second
_THOROUGH_PIXELS = 32_000_000
# px; extending the photo's edges raises the score of faces cut by them
_THOROUGH_MARGIN = 40
_LARGEST_UPSAMPLING = 4
# In 150 LFW photos enlarged fourfold 2 % of the main faces score lower; other detections below it are rarely
# faces.
_CONFIDENT_SCORE = 0.3
# Two of 150 LFW photos have another detection with a score of 0.2 to 0.3, both faces cut by the edge; none
# has one below 0.2.
_THOROUGH_SCORE = 0.2
_LANDMARK_FACE = 256  # px: dlib rounds landmarks to whole pixels, so they are located in an enlarged face
# Largest face of the fine look, relative to the smallest of the coarse look, which may have missed it.
_ONE_TOO_SMALL = 1.1
_NEAR_EDGE = 0.25  # distance from the photo's edge, in units of a face's side
SIZES_DIFFER = 1.2  # factor by which detectors may differ in a face's size


def find_frontal_faces(
    photo: Photo, *, thorough: bool = False, beside: Callable[[Sequence[Face]], Sequence[Box]] | None = None
) -> list[Face]:
    """Find frontal, nearly upright faces, largest first, equal ones from left to right and top to bottom.

    The detector looks at the photo up to three times:

    - coarsely, at up to 0.7 megapixels, for large faces;
    - if nothing was found, again with the edges extended outwards, for faces that they cut;
    - finely, enlarged up to four times or reduced to 8 megapixels, for faces too small for the coarse look:
      from 20 px in photos of up to half a megapixel, from about 100 px in photos of 12 megapixels.

    A face has the box of the first look that finds it, and each look only accepts faces of its own kind.
    Looks can therefore be skipped if another detector finds no such face, without changing any box or
    landmark. Without a confident detection the best doubtful one is returned.

    Args:
        photo: as returned by `load_photo`.
        thorough: for photos in which no face may be missed: the fine look uses up to 32 megapixels (finding
            faces from about 50 px in photos of 12 megapixels), extends the edges, and accepts faces of any
            size; the confidence threshold is lower.
        beside: returns the boxes that another detector finds in addition to the faces it is given; looks
            after the first are then only made for such boxes.

    Returns:
        Boxes and landmarks in pixels of the photo; empty if there is no face.
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
        width: width of the photo in pixels.
        height: height of the photo in pixels.
        thorough: as for `find_frontal_faces`.

    Example:
        >>> round(smallest_frontal(4000, 3000))
        98
    """
    return _DETECTOR_FACE / _fine_scale((width, height), thorough)


@dataclass(frozen=True)
class _Look:
    """One run of the detector over a photo, at one scale.

    Attributes:
        scale: size relative to the photo.
        margin: pixels by which the edges are extended outwards.
        first: always made.
        edges: only made if nothing was found; only accepts faces near the edges.
        largest: side of the largest accepted face in pixels of the photo.
    """

    scale: float
    margin: int = 0
    first: bool = False
    edges: bool = False
    largest: float = math.inf

    def takes(self, box: Box, size: tuple[int, int], *, slack: float = 1.0) -> bool:
        """Return whether a face with this box is accepted, allowing the box to be off by a factor `slack`."""
        inside = min(box[0], box[1], size[0] - 1 - box[2], size[1] - 1 - box[3])
        near = not self.edges or inside < _NEAR_EDGE * slack * side(box)
        return near and 0.9 * _DETECTOR_FACE / self.scale / slack <= side(box) <= self.largest * slack

    def detect(self, picture: Image.Image) -> list[Face]:
        """All detections with boxes in pixels of the photo; their landmarks are not to be used."""
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
    """Locate the landmarks in a crop of the face at a fixed size, and map them back to the picture."""
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
