# SPDX-License-Identifier: Apache-2.0
"""User-supplied photos: aligned faces, and the same faces in other programs' outputs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semveil.core.errors import FaceError, PhotoError
from semveil.core.progress import Progress
from semveil.data.align import align_face
from semveil.data.faces import PhotoFace, load_aligned_faces
from semveil.data.output_names import photo_of
from semveil.data.photos import load_photo
from semveil.experiments.kit.photo_sets import DataMissing, PhotoSet
from semveil.faces.pixels import to_tensor

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".avif", ".jp2")
LARGEST_DIFFERENCE = 0.02  # relative, between the aspect ratios of a photo and its output picture


def find_faces(files: Mapping[str, Path], size: int, *, progress: Progress) -> dict[str, PhotoFace]:
    """Detect and align the largest face of every photo; photos without a face are left out.

    Args:
        files: photos by relative path, as returned by `photo_files`.
        size: side of the crops in pixels.
        progress: progress callback, by photos.

    Raises:
        DataMissing: no photo contains a face.
    """
    found: dict[str, PhotoFace] = {}
    reasons = []
    for done, (place, path) in enumerate(files.items()):
        progress("find faces", done, len(files))
        try:
            found[place] = load_aligned_faces(path, size=size, selection="largest", detector="dlib")[0]
        except (PhotoError, FaceError) as error:
            reasons.append(f"; first reason: {error}")
    progress("find faces", len(files), len(files))
    if not found:
        raise DataMissing(f"no face found in any of {len(files)} photos{''.join(reasons[:1])}")
    return found


def faces_as_set(faces: Mapping[str, PhotoFace]) -> PhotoSet:
    """Return found faces as the photos of a run.

    Args:
        faces: see `find_faces`.
    """
    ids = tuple(f"photo {i:04d}" for i in range(1, len(faces) + 1))
    images = to_tensor([face.aligned.pixels for face in faces.values()])
    faces_of = f"{len(ids)} face{'s' if len(ids) > 1 else ''} of a folder of photos"
    return PhotoSet(images, ids, faces_of, public=False)


def photo_files(folder: Path) -> dict[str, Path]:
    """Photos in a folder and its subfolders, by relative path without suffix, with slashes.

    Args:
        folder: searched recursively.

    Raises:
        DataMissing: `folder` is not a directory.
        PhotoError: two files differ only in suffix.
    """
    if not folder.is_dir():
        raise DataMissing(f"{folder} is not a folder of photos")
    places: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        place = path.relative_to(folder).with_suffix("").as_posix()
        if place in places:
            raise PhotoError(
                f"{places[place].name} and {path.name} in {str(path.parent)!r} have one name; pictures are "
                "matched by name without the suffix, so rename or remove one"
            )
        places[place] = path
    return places


def picture_files(folder: Path) -> dict[str, Path]:
    """Pictures made of photos, by the relative paths of the photos, see `photo_files`.

    A picture that `protect` named for what happened to its faces, such as `a.partly-unprotected.png`, is
    also found as `a`, unless another one has that name.

    Args:
        folder: searched recursively.

    Raises:
        DataMissing: `folder` is not a directory.
        PhotoError: two pictures are of one photo.
    """
    files = photo_files(folder)
    named: dict[str, Path] = {}
    for place, path in files.items():
        photo = photo_of(place, whole=True)
        if photo not in files and named.setdefault(photo, path) != path:
            both = f"{named[photo].name} and {path.name} in {str(path.parent)!r}"
            raise PhotoError(f"{both} are pictures of one photo; remove one")
    return files | named


def same_face(face: PhotoFace, path: Path, size: int) -> NDArray[np.uint8]:
    """Crop the face in a picture at the landmarks found in its photo.

    A picture of another size is resized first; a different aspect ratio is rejected.

    Args:
        face: face found in the photo.
        path: of the picture.
        size: side of the crop in pixels.

    Raises:
        PhotoError: the picture cannot be read, or its aspect ratio differs.
    """
    pixels = load_photo(path).pixels
    height, width = face.photo.pixels.shape[:2]
    if pixels.shape[:2] != (height, width):
        ratio = pixels.shape[1] / pixels.shape[0] * height / width
        if abs(ratio - 1) > LARGEST_DIFFERENCE:
            made = f"{pixels.shape[1]} x {pixels.shape[0]}"
            raise PhotoError(f"{path.name} is {made} px, its photo {width} x {height}: aspect ratios differ")
        pixels = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))
    return align_face(pixels, face.face.landmarks, size).pixels
