# SPDX-License-Identifier: Apache-2.0
"""Face crops from a photo: detection, choice and alignment."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from semveil.core.errors import FaceChoiceError, FaceTooSmallError, NoFaceError
from semveil.core.registry import suggest
from semveil.data.align import AlignedFace
from semveil.data.boxes import SMALLEST_FACE
from semveil.data.detection import find_all_faces, resolve_detector, smallest_found
from semveil.data.frontal import find_frontal_faces, smallest_frontal
from semveil.data.paste import align_apart
from semveil.data.photos import LARGEST_PIXELS, Photo, load_photo
from semveil.recognition.dlib_faces import Face

Selection = Literal["largest", "all"] | int | None


@dataclass(frozen=True)
class PhotoFace:
    """Aligned face with its photo.

    Attributes:
        photo: the whole photo.
        index: 0-based index of the face in `find_faces`.
        face: box and landmarks, in pixels of the photo.
        aligned: the crop with its transform to the photo.
    """

    photo: Photo
    index: int
    face: Face
    aligned: AlignedFace


def smallest_face(size: int) -> int:
    """Minimum shorter side of a face's box in pixels: a quarter of the crop, at least `SMALLEST_FACE`.

    A face's box has about 0.6 of the side of its crop, so no face is enlarged more than about 2.4 times.

    Args:
        size: side of the crop in pixels.

    Example:
        >>> smallest_face(64), smallest_face(128), smallest_face(512)
        (32, 32, 128)
    """
    return max(SMALLEST_FACE, size // 4)


def find_faces(photo: Photo, *, thorough: bool = False, detector: str = "dlib") -> list[Face]:
    """Find all faces of a photo, largest first, equal ones from left to right and top to bottom.

    `dlib` finds frontal, approximately upright faces (`find_frontal_faces`), the other detectors faces at any
    angle (`find_all_faces`). A face that dlib finds has the same landmarks with `dlib` and `union`, and hence
    the same crop and codes.

    Args:
        photo: as returned by `load_photo`.
        thorough: for photos in which no face may be missed, see `find_frontal_faces`; only used by `dlib`.
        detector: `dlib`, `yunet` or `union`, see `detection.resolve_detector`.

    Returns:
        Boxes and landmarks in pixels of the photo; empty if there is no face.
    """
    if detector != "dlib":
        return find_all_faces(photo, detector)
    return find_frontal_faces(photo, thorough=thorough)


def choose_faces(
    photo: Photo,
    selection: Selection | str = None,
    *,
    smallest: int = SMALLEST_FACE,
    thorough: bool = False,
    detector: str = "dlib",
    faces: Sequence[Face] | None = None,
) -> list[tuple[int, Face]]:
    """Choose faces of a photo; return them with their 0-based indices in `find_faces`.

    Args:
        photo: as returned by `load_photo`.
        selection: `largest`, `all`, an index (also as text), or None for the only face that is large enough.
            `all` never omits a face: it fails if one is too small.
        smallest: minimum shorter side of a chosen face's box in pixels.
        thorough: as for `find_faces`.
        detector: as for `find_faces`.
        faces: result of `find_faces` for the photo, if known.

    Raises:
        NoFaceError: there is no face.
        FaceChoiceError: there are several faces and no selection, or the selection does not exist.
        FaceTooSmallError: a chosen face is smaller than `smallest`, or all faces are.
    """
    if isinstance(selection, str) and selection.isdecimal():
        selection = int(selection)
    if not (
        selection is None or selection in ("largest", "all") or (type(selection) is int and selection >= 0)
    ):
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
        least = smallest_frontal(width, height, thorough=thorough)
        raise NoFaceError(
            f"no face found in {photo.name!r} ({width} x {height}); it must look into the camera, stand "
            f"upright (rotate the photo) and be larger than about {least:.0f} px (enlarge the photo, or "
            "crop it to the face)"
        )
    if selection is None:
        large = [(i, face) for i, face in numbered if face.shorter_side >= smallest and not face.doubtful]
        if len(large) > 1:
            raise FaceChoiceError(
                f"{photo.name!r} shows {len(large)} faces; choose with --face N, --face largest or --face "
                f"all: {list_faces(large)}"
            )
        chosen = large or numbered[:1]
    elif selection == "all":
        chosen = numbered
    elif selection == "largest":
        chosen = numbered[:1]
    elif int(selection) < len(numbered):
        chosen = [numbered[int(selection)]]
    else:
        raise FaceChoiceError(f"{photo.name!r} has no face {selection}; it shows {list_faces(numbered)}")
    for i, face in chosen:
        if face.shorter_side < smallest:
            raise FaceTooSmallError(
                f"face {i} in {photo.name!r} has {face.shorter_side} px, fewer than the {smallest} px "
                "needed here; use a photo that shows it larger"
                + (", or choose others with --face N" if selection == "all" else "")
            )
    return chosen


def load_aligned_faces(
    path: str | os.PathLike[str],
    *,
    size: int,
    selection: Selection | str = None,
    smallest: int | None = None,
    largest_pixels: int = LARGEST_PIXELS,
    detector: str = "auto",
) -> list[PhotoFace]:
    """Read a photo, choose faces in it and align them, each with its neighbours blanked (`align_apart`).

    Args:
        path: the photo.
        size: side of the crops in pixels, equal to the model's.
        selection: as for `choose_faces`.
        smallest: minimum shorter side of a chosen face's box in pixels; None for `smallest_face(size)`.
        largest_pixels: as for `load_photo`.
        detector: one of `detection.DETECTORS`.

    Returns:
        At least one face; `faces.pixels.to_tensor([f.aligned.pixels for f in faces])` converts them to
        images.

    Raises:
        PhotoError: the photo cannot be read.
        FaceError: the photo does not show the requested face or faces.
    """
    photo = load_photo(path, largest_pixels=largest_pixels)
    return align_chosen(photo, size=size, selection=selection, smallest=smallest, detector=detector)


def align_chosen(
    photo: Photo,
    *,
    size: int,
    selection: Selection | str = None,
    smallest: int | None = None,
    detector: str = "auto",
) -> list[PhotoFace]:
    """Detect, choose and align faces in a decoded photo.

    Args:
        photo: as returned by `load_photo`.
        size: side of the crops in pixels.
        selection: as for `choose_faces`.
        smallest: minimum shorter side of a chosen face's box in pixels; None for `smallest_face(size)`.
        detector: one of `detection.DETECTORS`.

    Raises:
        FaceError: there is no face, the selection is missing or does not exist, or a chosen face is too
            small.
    """
    faces = find_faces(photo, detector=resolve_detector(detector))
    least = smallest_face(size) if smallest is None else smallest
    chosen = choose_faces(photo, selection, smallest=least, faces=faces)
    for i, face in chosen:
        if face.doubtful:
            raise FaceChoiceError(
                f"face {i} in {photo.name!r} cannot be aligned: {face.doubtful}; choose another one with "
                f"--face N: {list_faces(list(enumerate(faces)))}"
            )
    aligned = align_apart(photo.pixels, [face.landmarks for face in faces], size)
    return [PhotoFace(photo, i, face, aligned[i]) for i, face in chosen]


def list_faces(faces: list[tuple[int, Face]]) -> str:
    """Return a numbered list of at most twelve faces for messages: `0: 88 px at (179, 83); ...`.

    Args:
        faces: pairs of a face's number and the face.
    """
    words = [f"{i}: {face.shorter_side} px at ({face.box[0]}, {face.box[1]})" for i, face in faces[:12]]
    return "; ".join(words) + (f"; and {len(faces) - 12} more" if len(faces) > 12 else "")
