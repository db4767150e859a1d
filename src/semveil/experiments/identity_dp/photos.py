# SPDX-License-Identifier: Apache-2.0
"""User-supplied photos: aligned faces, and the same faces in other programs' outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from semveil.core.errors import FaceError, PhotoError
from semveil.core.progress import Progress, quiet
from semveil.data.align import align_face
from semveil.data.faces import PhotoFace, load_aligned_faces
from semveil.data.photos import load_photo
from semveil.experiments.identity_dp.bench import public_faces
from semveil.experiments.kit.experiment import Run
from semveil.experiments.kit.photo_sets import DataMissing, PhotoSet
from semveil.faces.pixels import to_tensor
from semveil.models.identity import IdentityModel

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".avif", ".jp2")
SHOWN = 12  # maximum number of public faces without data
LARGEST_DIFFERENCE = 0.02  # relative, between the aspect ratios of a photo and its output picture


@dataclass(frozen=True, eq=False)
class FolderFaces:
    """The largest face in each photo.

    Attributes:
        faces: by the photo's relative path, with slashes and without suffix.
        left_out: reasons for skipped photos, by relative path.
    """

    faces: Mapping[str, PhotoFace]
    left_out: Mapping[str, str]

    @property
    def images(self) -> Tensor:
        """(N, 3, S, S) in [-1, 1]."""
        return to_tensor([face.aligned.pixels for face in self.faces.values()])


def find_faces(files: Mapping[str, Path], size: int, *, progress: Progress = quiet) -> FolderFaces:
    """Detect and align the largest face of every photo.

    Args:
        files: photos by relative path, as returned by `photo_files`.
        size: side of the crops in pixels.
        progress: progress callback, by photos.

    Raises:
        DataMissing: no photo contains a face.
    """
    found: dict[str, PhotoFace] = {}
    left_out = {}
    for done, (place, path) in enumerate(files.items()):
        progress("find faces", done, len(files))
        try:
            found[place] = load_aligned_faces(path, size=size, selection="largest")[0]
        except (PhotoError, FaceError) as error:
            left_out[place] = str(error)
    progress("find faces", len(files), len(files))
    if not found:
        reasons = f"; first reason: {next(iter(left_out.values()))}" if left_out else ""
        raise DataMissing(f"no face found in any of {len(files)} photos{reasons}")
    return FolderFaces(found, left_out)


def photo_files(folder: Path) -> dict[str, Path]:
    """Photos in a folder and its subfolders, by relative path without suffix.

    Args:
        folder: searched recursively.

    Returns:
        Paths by relative path, with slashes.

    Raises:
        DataMissing: `folder` is not a directory.
        PhotoError: two files differ only in suffix.
    """
    if not folder.is_dir():
        raise DataMissing(f"{folder} is not a folder of photos")
    files = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file())
    places: dict[str, Path] = {}
    for path in files:
        place = path.relative_to(folder).with_suffix("").as_posix()
        if place in places:
            raise PhotoError(
                f"{places[place].name} and {path.name} in {str(path.parent)!r} have one name; pictures are "
                "matched by name without the suffix, so rename or remove one"
            )
        places[place] = path
    return places


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


def own_faces(run: Run, model: IdentityModel) -> PhotoSet:
    """Faces in the user's folder of photos, or public faces without one.

    Args:
        run: its data is the folder, its preset the number of public faces.
        model: sets the crop size.
    """
    if run.data is None:
        return public_faces(model.size, min(SHOWN, 2 * run.preset.pictured))
    found = find_faces(photo_files(run.data), model.size, progress=run.progress)
    ids = tuple(f"photo {i:04d}" for i in range(1, len(found.faces) + 1))
    return PhotoSet(found.images, ids, f"{len(ids)} faces of a folder of photos", public=False)
