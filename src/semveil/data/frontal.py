# SPDX-License-Identifier: Apache-2.0
"""Frontal faces by dlib alone: the boxes, and the landmarks that fix a face's crop whatever else looks for faces."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semveil.data.photos import Photo
from semveil.recognition.dlib_faces import Face, detect_faces, find_landmarks

_DETECTOR_FACE = 80  # px: the smallest face that dlib's detector knows
_DETECTION_PIXELS = 8_000_000  # larger photos are shrunk to this first; takes about a second
_THOROUGH_PIXELS = 32_000_000
_THOROUGH_MARGIN = 40  # px; the detector scores faces that the photo's edge cuts higher when it is continued a little
_LARGEST_UPSAMPLING = 4
# Of 150 LFW photos enlarged fourfold 2 % score their main face lower, and what scores lower elsewhere is seldom a face.
_CONFIDENT_SCORE = 0.3
# Two of 150 LFW photos have another detection of 0.2 to 0.3, both faces that the edge cuts, and none has one of less.
_THOROUGH_SCORE = 0.2
_LANDMARK_FACE = 256  # px: dlib rounds landmarks to whole pixels, so they are looked for in an enlarged face


def find_frontal_faces(photo: Photo, *, thorough: bool = False) -> list[Face]:
    """Frontal, about upright faces, largest first, equal ones from left to right and top to bottom.

    Photos are enlarged up to four times, or shrunk to 8 megapixels: faces from 20 px on are found in photos of up to half a
    megapixel, from about 100 px on in photos of 12. A doubtful detection counts only where there is no confident one; the
    photo's edges are continued outwards where nothing is found otherwise.

    Args:
        photo: as `load_photo` gives it.
        thorough: for photos in which no face may be missed: shrink to 32 megapixels only (faces from about 50 px on are found
            in photos of 12), continue the edges always, and ask for less confidence. Takes up to four times as long.

    Returns:
        Boxes and landmarks in pixels of the photo; empty where there is no face.
    """
    picture = Image.fromarray(photo.pixels)
    scale = _detection_scale(picture.size, thorough)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0))
    margin = _THOROUGH_MARGIN if thorough else 0
    found = detect_faces(_continued(pixels, margin))
    if not found:
        margin = min(width, height) // 4
        found = detect_faces(_continued(pixels, margin))
    confident = [face for face in found if face.score >= (_THOROUGH_SCORE if thorough else _CONFIDENT_SCORE)]
    faces = []
    for face in confident or sorted(found, key=lambda face: -face.score)[:1]:
        corners = (np.array(face.box, float).reshape(2, 2) - margin + 0.5) * (np.array(picture.size) / (width, height)) - 0.5
        left, top, right, bottom = (round(float(c)) for c in corners.ravel())
        faces.append(_with_landmarks(picture, (left, top, right, bottom), face.score))
    return sorted(faces, key=lambda face: (-face.area, *face.box))


def smallest_frontal(width: int, height: int, *, thorough: bool = False) -> float:
    """About how many pixels a face must have for dlib to find it in a photo of that size.

    Example:
        >>> round(smallest_frontal(4000, 3000))
        98
    """
    return _DETECTOR_FACE / _detection_scale((width, height), thorough)


def _detection_scale(size: tuple[int, int], thorough: bool) -> float:
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
