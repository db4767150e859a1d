# SPDX-License-Identifier: Apache-2.0
"""From a photo to aligned face crops: find the faces, choose among them, align."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from semveil.core.errors import FaceChoiceError, FaceTooSmallError, NoFaceError
from semveil.core.registry import suggest
from semveil.data.align import AlignedFace
from semveil.data.boxes import SMALLEST_FACE
from semveil.data.detection import find_all_faces, smallest_found
from semveil.data.frontal import find_frontal_faces, smallest_frontal
from semveil.data.paste import align_apart
from semveil.data.photos import LARGEST_PIXELS, Photo, load_photo
from semveil.recognition.dlib_faces import Face

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
    """Smallest shorter side of a face's box, in pixels, from which a crop is made: a quarter of the crop's
    side, at least `SMALLEST_FACE`.

    A face's box takes about 0.6 of the side of its crop, so no face is enlarged more than about 2.4 times.

    Args:
        size: side of the crop in pixels.

    Example:
        >>> smallest_face(64), smallest_face(128), smallest_face(512)
        (32, 32, 128)
    """
    return max(SMALLEST_FACE, size // 4)


def find_faces(photo: Photo, *, thorough: bool = False, detector: str = "dlib") -> list[Face]:
    """All faces of a photo, largest first, equal ones from left to right and top to bottom.

    dlib alone finds frontal, about upright ones (`find_frontal_faces`), the others faces at any angle
    (`find_all_faces`). A face that dlib finds has the same landmarks by `dlib` and by `union`, and so the
    same crop and codes.

    Args:
        photo: as `load_photo` gives it.
        thorough: for photos in which no face may be missed, as `find_frontal_faces` says; the other detectors
            always are.
        detector: `dlib`, `yunet` or `union`, see `detection.resolve_detector`.

    Returns:
        Boxes and landmarks in pixels of the photo; empty where there is no face.
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
    """The faces that a user asked for, each with its 0-based index in `find_faces`.

    Args:
        photo: as `load_photo` gives it.
        selection: `largest`, `all`, an index, or None for the only face that is large enough. Digits as text
            count as an index. `all` never leaves a face out: it fails where one is too small.
        smallest: shorter side in pixels that a chosen face must have.
        thorough: as for `find_faces`.
        detector: as for `find_faces`.
        faces: what `find_faces` gives for the photo, where that is known.

    Raises:
        NoFaceError: there is none.
        FaceChoiceError: several and no selection, or a selection that does not exist.
        FaceTooSmallError: a chosen face, or the largest where all are, is smaller than `smallest`.
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
        large = [(i, face) for i, face in numbered if face.shorter_side >= smallest]
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
        allowed = f"0 to {len(numbered) - 1}" if len(numbered) > 1 else "only 0"
        raise FaceChoiceError(
            f"{photo.name!r} has no face {selection}; allowed: {allowed}: {list_faces(numbered)}"
        )
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
) -> list[PhotoFace]:
    """Read a photo, choose faces in it and align them, each with its neighbours blanked (`align_apart`).

    Args:
        path: the photo.
        size: side of the crops in pixels, the model's.
        selection: as in `choose_faces`.
        smallest: shorter side in pixels that a face must have; `smallest_face(size)` where not given.
        largest_pixels: as in `load_photo`.

    Returns:
        At least one face; `faces.pixels.to_tensor([f.aligned.pixels for f in faces])` makes images of them.

    Raises:
        PhotoError: the photo cannot be read.
        FaceError: it does not show the face or faces asked for.
    """
    return align_chosen(
        load_photo(path, largest_pixels=largest_pixels), size=size, selection=selection, smallest=smallest
    )


def align_chosen(
    photo: Photo, *, size: int, selection: Selection | str = None, smallest: int | None = None
) -> list[PhotoFace]:
    """Detect, choose and align faces in a decoded photo.

    Args:
        photo: as `load_photo` gives it.
        size: side of the crops in pixels.
        selection: which faces, as for `load_aligned_faces`.
        smallest: shortest acceptable side of a chosen face's box in pixels; `smallest_face(size)` where None.

    Raises:
        FaceError: there is no face, the choice is missing or does not exist, or a chosen face is too small.
    """
    faces = find_faces(photo)
    least = smallest_face(size) if smallest is None else smallest
    chosen = choose_faces(photo, selection, smallest=least, faces=faces)
    aligned = align_apart(photo.pixels, [face.landmarks for face in faces], size)
    return [PhotoFace(photo, i, face, aligned[i]) for i, face in chosen]


def list_faces(faces: list[tuple[int, Face]]) -> str:
    """A numbered list of faces for messages, twelve at most: `0: 88 px at (179, 83); ...`.

    Args:
        faces: pairs of a face's number and the face.
    """
    words = [f"{i}: {face.shorter_side} px at ({face.box[0]}, {face.box[1]})" for i, face in faces[:12]]
    return "; ".join(words) + (f"; and {len(faces) - 12} more" if len(faces) > 12 else "")
