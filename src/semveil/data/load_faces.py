# SPDX-License-Identifier: Apache-2.0
"""Aligned faces from files, pixel arrays, or images that are already aligned."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from semveil.core.brief import Brief
from semveil.core.errors import FaceChoiceError
from semveil.core.progress import Note, Progress, quiet, unheard
from semveil.data.faces import PhotoFace, align_chosen, load_aligned_faces
from semveil.data.photos import Photo
from semveil.faces.pixels import check_range, to_tensor

STAGE = "Finding faces"
_KINDS = "photos are paths or arrays (H, W, 3) of uint8, such as numpy.asarray(image.convert('RGB'))"
OnePhoto = str | os.PathLike[str] | NDArray[np.uint8]


@dataclass(frozen=True, eq=False, repr=False)
class Faces(Brief):
    """Aligned faces of one or more photos.

    Attributes:
        images: (B, 3, S, S) in [-1, 1].
        ids: B pseudonymous names; no paths.
        photos: name of each face's photo, as far as faces were found in photos.
    """

    images: Tensor
    ids: tuple[str, ...]
    photos: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


Photos = OnePhoto | Tensor | Faces | Sequence[OnePhoto]
"""One photo or several, as paths or arrays (H, W, 3) uint8; or aligned images (B, 3, S, S) in [-1, 1]."""


def load_faces(
    photos: Photos,
    *,
    size: int = 128,
    face: int | str | None = None,
    names: Sequence[str] | None = None,
    progress: Progress = quiet,
    note: Note = unheard,
) -> Faces:
    """Find and align the faces of photos, or fail before any model is run.

    Args:
        photos: paths, or arrays (H, W, 3) uint8 RGB; aligned images (B, 3, S, S) in [-1, 1] are used
            unchanged.
        size: side S of the images in pixels, equal to the model's (128 for the bundled one).
        face: face to use in a photo with several: a number from 0, `largest` or `all`; required if there are
            several.
        names: distinct names of the photos, or of the images in a tensor; None for `photo-1` and so on.
        progress: called after each photo.
        note: called with a description of each conversion made while reading a photo.

    Returns:
        Faces named after their photos, or `photo-1-face-0` if several faces of a photo are used.

    Raises:
        PhotoError: a photo cannot be read.
        FaceError: a photo does not show the requested face or faces.
        TypeError: something is not a photo, or the size is no whole number.
        ValueError: there is no photo, an array or tensor has another shape, dtype or range, the size is
            below 1, or the names are fewer or more than the photos or not distinct.

    Example:
        >>> len(load_faces(Tensor(2, 3, 128, 128).zero_()))
        2
    """
    if not isinstance(size, int | np.integer):
        raise TypeError(f"size must be a whole number of px, got {size!r}")
    if size < 1:
        raise ValueError(f"size must be 1 px or more, got {size}")
    face = int(face) if isinstance(face, np.integer) else face
    if isinstance(photos, Faces):
        if photos.images.shape[-1] != size:
            return load_faces(photos.images, size=size)
        return photos if names is None else replace(photos, ids=tuple(_names(names, len(photos))))
    if isinstance(photos, Tensor):
        if (
            photos.ndim != 4
            or photos.shape[1:] != (3, size, size)
            or not len(photos)
            or not photos.is_floating_point()
        ):
            raise ValueError(
                f"aligned images must be floats (B, 3, {size}, {size}) in [-1, 1], got {photos.dtype} "
                f"{tuple(photos.shape)}"
            )
        check_range(photos)
        return Faces(photos, tuple(_names(names, len(photos))))
    crops, ids, shown_in = [], [], []
    one_by_one = _single_photos(photos)
    called = _names(names, len(one_by_one))
    for number, (name, photo) in enumerate(zip(called, one_by_one, strict=True), 1):
        found = _faces_of(photo, size, face)
        for text in found[0].photo.notes:
            note(f"{name}: {text}")
        crops += [one.aligned.pixels for one in found]
        ids += [name if len(found) == 1 else f"{name}-face-{one.index}" for one in found]
        shown_in += [name] * len(found)
        progress(STAGE, number, len(one_by_one))
    return Faces(to_tensor(crops), tuple(ids), tuple(shown_in))


def _names(names: Sequence[str] | None, photos: int) -> list[str]:
    """Names of the photos, of which each needs its own."""
    if names is None:
        return [f"photo-{number}" for number in range(1, photos + 1)]
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"names are a list of texts, one for each photo; got {names!r}")
    if len(names) != photos:
        counts = f"{photos} photo{'s'[: photos > 1]} and {len(names)} name{'s'[: len(names) != 1]}"
        raise ValueError(f"{counts}; give each photo one name")
    twice = next((name for name in names if list(names).count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two photos are named {twice!r}; give each its own name")
    return list(names)


def require_one_person(faces: Faces) -> None:
    """Refuse several faces of one photo where all faces are to be one person's.

    Args:
        faces: as `load_faces` found them.

    Raises:
        FaceChoiceError: a photo shows several of them.

    Example:
        >>> require_one_person(Faces(Tensor(2, 3, 8, 8), ("photo-1", "photo-2")))
    """
    several = next((name for name in faces.photos if faces.photos.count(name) > 1), None)
    if several is not None:
        raise FaceChoiceError(
            f"{several} shows several chosen faces, the subject is one person; choose one by its number"
        )


def _single_photos(photos: OnePhoto | Sequence[OnePhoto]) -> Sequence[OnePhoto]:
    if isinstance(photos, str | os.PathLike) or (isinstance(photos, np.ndarray) and photos.ndim in (2, 3)):
        return [photos]
    if not isinstance(photos, Iterable):
        raise TypeError(f"{_KINDS}; got {type(photos).__name__}")
    several = list(photos)
    if not several:
        raise ValueError("name at least one photo")
    return several


def _faces_of(photo: OnePhoto, size: int, face: int | str | None) -> list[PhotoFace]:
    if not isinstance(photo, str | os.PathLike | np.ndarray):
        raise TypeError(f"{_KINDS}; got {type(photo).__name__}")
    if not isinstance(photo, np.ndarray):
        return load_aligned_faces(photo, size=size, selection=face)
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8 or not photo.size:
        raise ValueError(f"a photo must be an array (H, W, 3) of uint8 RGB, got {photo.shape} {photo.dtype}")
    return align_chosen(Photo(photo, "array", "array"), size=size, selection=face)
