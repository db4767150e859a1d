"""From a photo to aligned face crops: find the faces, choose among them, align."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semveil.core.errors import FaceChoiceError, FaceTooSmallError, NoFaceError
from semveil.core.registry import suggest
from semveil.data.align import AlignedFace
from semveil.data.detection import find_all_faces, smallest_found
from semveil.data.paste import align_apart
from semveil.data.photos import LARGEST_PIXELS, Photo, load_photo
from semveil.recognition.dlib_faces import Face, detect_faces, find_landmarks

SMALLEST_FACE = 32  # shorter side of a face's box in pixels; below that eyes and nose are not found reliably

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

Selection = Literal["largest", "all"] | int | None


@dataclass(frozen=True)
class PhotoFace:
    """An aligned face and where it comes from.

    Attributes:
        photo: the whole photo.
        index: 0-based rank of the face by size, as `find_faces` lists them.
        face: its box and landmarks, in pixels of the photo.
        aligned: its crop, and the way back into the photo.
    """

    photo: Photo
    index: int
    face: Face
    aligned: AlignedFace


def smallest_face(size: int) -> int:
    """Shorter side in pixels that a face's box must have for crops of `size`: a quarter of it, at least `SMALLEST_FACE`.

    A face's box takes about 0.6 of the side of its crop, so no face is enlarged more than about 2.4 times.

    Example:
        >>> smallest_face(64), smallest_face(128), smallest_face(512)
        (32, 32, 128)
    """
    return max(SMALLEST_FACE, size // 4)


def find_faces(photo: Photo, *, thorough: bool = False, detector: str = "dlib") -> list[Face]:
    """All faces of a photo, largest first, equal ones from left to right and top to bottom.

    dlib alone finds frontal, about upright ones; `find_all_faces` says what the others do. For dlib photos are enlarged up to
    four times, or shrunk to 8 megapixels: faces from 20 px on are found in photos
    of up to half a megapixel, from about 100 px on in photos of 12. A doubtful detection counts only where there is
    no confident one; the photo's edges are continued outwards where nothing is found otherwise.

    Args:
        photo: as `load_photo` gives it.
        thorough: for photos in which no face may be missed: shrink to 32 megapixels only (faces from about 50 px on are found
            in photos of 12), continue the edges always, and ask for less confidence. Takes up to four times as long. The
            other detectors are always thorough.
        detector: `dlib`, `yunet` or `union`, see `detection.resolve_detector`.

    Returns:
        Boxes and landmarks in pixels of the photo; empty where there is no face.
    """
    if detector != "dlib":
        return find_all_faces(photo, detector)
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


def choose_faces(
    photo: Photo,
    selection: Selection | str = None,
    *,
    smallest: int = SMALLEST_FACE,
    thorough: bool = False,
    detector: str = "dlib",
    faces: Sequence[Face] | None = None,
) -> list[tuple[int, Face]]:
    """The faces that a user asked for, each with its 0-based index in `find_faces`.

    Args:
        photo: as `load_photo` gives it.
        selection: `largest`, `all`, an index, or None for the only face that is large enough. Digits as text count as an
            index. `all` never leaves a face out: it fails where one is too small.
        smallest: shorter side in pixels that a chosen face must have.
        thorough, detector: as for `find_faces`.
        faces: what `find_faces` gives for the photo, where that is known.

    Raises:
        NoFaceError: there is none.
        FaceChoiceError: several and no selection, or a selection that does not exist.
        FaceTooSmallError: a chosen face, or the largest where all are, is smaller than `smallest`.
    """
    if isinstance(selection, str) and selection.isdecimal():
        selection = int(selection)
    if not (selection is None or selection in ("largest", "all") or (type(selection) is int and selection >= 0)):
        near = suggest(str(selection), ("largest", "all"))
        raise FaceChoiceError(f"no face {selection!r}{near}; allowed: a number from 0, largest or all")

    found = find_faces(photo, thorough=thorough, detector=detector) if faces is None else faces
    numbered = list(enumerate(found))
    if not numbered:
        height, width = photo.pixels.shape[:2]
        if detector != "dlib":
            raise NoFaceError(
                f"no face found in {photo.name!r} ({width} x {height}); it must be larger than about "
                f"{smallest_found(width, height):.0f} px (enlarge the photo, or crop it to the face)"
            )
        least = _DETECTOR_FACE / _detection_scale((width, height), thorough)
        raise NoFaceError(
            f"no face found in {photo.name!r} ({width} x {height}); it must look into the camera, stand upright (rotate the "
            f"photo) and be larger than about {least:.0f} px (enlarge the photo, or crop it to the face)"
        )
    if selection is None:
        large = [(i, face) for i, face in numbered if _shorter_side(face) >= smallest]
        if len(large) > 1:
            raise FaceChoiceError(
                f"{photo.name!r} shows {len(large)} faces; choose with --face N, --face largest or --face all: "
                f"{list_faces(large)}"
            )
        chosen = large or numbered[:1]
    elif selection == "all":
        chosen = numbered
    elif selection == "largest":
        chosen = numbered[:1]
    elif int(selection) < len(numbered):
        chosen = [numbered[int(selection)]]
    else:
        allowed = f"0 to {len(numbered) - 1}" if len(numbered) > 1 else "only 0"
        raise FaceChoiceError(f"{photo.name!r} has no face {selection}; allowed: {allowed}: {list_faces(numbered)}")
    for i, face in chosen:
        if _shorter_side(face) < smallest:
            raise FaceTooSmallError(
                f"face {i} in {photo.name!r} has {_shorter_side(face)} px, fewer than the {smallest} px needed here; "
                f"use a photo that shows it larger" + (", or choose others with --face N" if selection == "all" else "")
            )
    return chosen


def load_aligned_faces(
    path: str | os.PathLike[str],
    *,
    size: int,
    selection: Selection | str = None,
    smallest: int | None = None,
    largest_pixels: int = LARGEST_PIXELS,
) -> list[PhotoFace]:
    """Read a photo, choose faces in it and align them, each with its neighbours blanked (`align_apart`).

    Args:
        path: the photo.
        size: side of the crops in pixels, the model's.
        selection: as in `choose_faces`.
        smallest: shorter side in pixels that a face must have; `smallest_face(size)` where not given.
        largest_pixels: as in `load_photo`.

    Returns:
        At least one face; `core.pixels.to_tensor([f.aligned.pixels for f in faces])` makes images of them.

    Raises:
        PhotoError: the photo cannot be read.
        FaceError: it does not show the face or faces asked for.
    """
    photo = load_photo(path, largest_pixels=largest_pixels)
    faces = find_faces(photo)
    least = smallest_face(size) if smallest is None else smallest
    chosen = choose_faces(photo, selection, smallest=least, faces=faces)
    aligned = align_apart(photo.pixels, [face.landmarks for face in faces], size)
    return [PhotoFace(photo, i, face, aligned[i]) for i, face in chosen]


def _detection_scale(size: tuple[int, int], thorough: bool) -> float:
    pixels = _THOROUGH_PIXELS if thorough else _DETECTION_PIXELS
    return min(_LARGEST_UPSAMPLING, math.sqrt(pixels / (size[0] * size[1])))


def _continued(pixels: NDArray[np.uint8], margin: int) -> NDArray[np.uint8]:
    """Pixels with their edges repeated outwards."""
    return np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="edge") if margin else pixels


def _shorter_side(face: Face) -> int:
    left, top, right, bottom = face.box
    return min(right - left, bottom - top) + 1


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


def list_faces(faces: list[tuple[int, Face]]) -> str:
    """Faces with their numbers in words, a dozen at most: `0: 88 px at (179, 83)` and so on."""
    words = [f"{i}: {_shorter_side(face)} px at ({face.box[0]}, {face.box[1]})" for i, face in faces[:12]]
    return "; ".join(words) + (f"; and {len(faces) - 12} more" if len(faces) > 12 else "")
