# SPDX-License-Identifier: Apache-2.0
"""Prepared set of aligned faces in one `.npz`: crops, people, valid pixels, part labels."""

import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from semveil.core.errors import FaceError, PhotoError
from semveil.data.align import align_face
from semveil.data.arrays import read_arrays
from semveil.data.splits import DEVELOPMENT, TEST, TRAINING, split_celebamask, split_people
from semveil.faces.parts import CELEBAMASK_TO_PART
from semveil.recognition.dlib_faces import detect_faces


@dataclass(frozen=True)
class FaceSet:
    """Aligned faces with their annotations.

    Attributes:
        pixels: (N, S, S, 3) RGB uint8.
        inside: (N, S, S) uint8, share of each pixel covered by the photo: 255 fully, 0 filled in.
        labels: (N, S, S) uint8 part of each pixel (`faces.parts.PARTS`), 255 where unknown.
        source: (N,) `lfw/NAME/FILE` or `celebamask_hq/FILE`.
        person: (N,) name of the person, or of the file if the person is unknown.
        split: (N,) `training`, `development` or `test` (`data.splits`); the latter two are never trained on.
    """

    pixels: NDArray[np.uint8]
    inside: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    source: NDArray[np.str_]
    person: NDArray[np.str_]
    split: NDArray[np.str_]

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """True for photos excluded from training, (N,)."""
        return self.split != TRAINING

    @property
    def tested(self) -> NDArray[np.bool_]:
        """True for photos of the test split, measured once and not used for choices, (N,)."""
        return self.split == TEST

    def __len__(self) -> int:
        return len(self.pixels)

    def select(self, index: NDArray[Any]) -> "FaceSet":
        """Return a new set with the chosen faces.

        Args:
            index: (M,) integer rows, or an (N,) boolean mask.
        """
        return FaceSet(**{name: getattr(self, name)[index] for name in self.__dataclass_fields__})

    def with_labels(self, labels: NDArray[np.uint8]) -> "FaceSet":
        """Return a copy of the set with other part labels.

        Args:
            labels: (N, S, S) uint8 as `FaceSet.labels`; shapes are not checked.
        """
        return replace(self, labels=labels)

    def save(self, path: Path) -> None:
        """Write the set to an `.npz` file, atomically; missing folders are created.

        Args:
            path: path ending in `.npz`; an existing file is replaced.

        Raises:
            OSError: the file cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
            np.savez(file, **{name: getattr(self, name) for name in self.__dataclass_fields__})
        os.replace(file.name, path)

    @classmethod
    def load(cls, path: Path) -> "FaceSet":
        """Read a set written by `save`.

        Older files without a test split are loaded with training and development only.

        Args:
            path: the `.npz` file.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file is damaged, lacks an array, or holds arrays whose shapes or types do not fit
                together.
        """
        fields = [name for name in cls.__dataclass_fields__ if name != "split"]
        try:
            values = read_arrays(path, [*fields, "split"])
        except ValueError:
            values = read_arrays(path, [*fields, "held_out"])
            values["split"] = np.where(values.pop("held_out").astype(bool), DEVELOPMENT, TRAINING)
        faces = cls(**values)
        shape = faces.pixels.shape
        for name, array in vars(faces).items():
            wanted = {"pixels": shape, "inside": shape[:3], "labels": shape[:3]}.get(name, shape[:1])
            kind = {"source": "U", "person": "U", "split": "U"}.get(name, "u")
            if len(shape) != 4 or shape[3] != 3 or array.shape != wanted or array.dtype.kind != kind:
                raise ValueError(
                    f"{path.name} holds {name} of shape {array.shape} and kind {array.dtype}, which fits no "
                    "face set"
                )
        return faces


@dataclass(frozen=True)
class Prepared:
    """Result of `prepare`.

    Attributes:
        faces: the face set.
        unreadable: photos that could not be read, with the reasons.
    """

    faces: FaceSet
    unreadable: tuple[tuple[Path, str], ...]


def prepare(
    data: Path,
    *,
    size: int,
    largest_fill: float = 0.08,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Prepared:
    """Align all photos in a folder that holds `celebamask_hq` and `lfw` in their published layout.

    CelebAMask-HQ photos are already aligned and only resized. In LFW photos faces are detected and aligned;
    photos without a face and crops with too much filled-in border are omitted. Unreadable photos are omitted
    and listed. The splits are those of `data.splits`, computed before any photo is omitted.

    Args:
        data: folder with `celebamask_hq/images/*.jpg`, `lfw/NAME/*.jpg`, or both.
        size: side of the crops in pixels.
        largest_fill: maximum share of an LFW crop, 0 to 1, outside the photo or in its black border.
        workers: number of processes.
        progress: called with the number of finished photos and the total.

    Raises:
        FileNotFoundError: there are no photos.
        PhotoError: none of the photos can be read.
        FaceError: none of the photos shows a face.
    """
    celeb = sorted((data / "celebamask_hq" / "images").glob("*.jpg"))
    lfw = sorted((data / "lfw").glob("*/*.jpg"))
    if not celeb and not lfw:
        raise FileNotFoundError(f"{data} holds neither celebamask_hq/images/*.jpg nor lfw/NAME/*.jpg")
    people, of_celeb = split_people([p.parent.name for p in lfw]), split_celebamask(len(celeb))

    rows, unreadable = [], []
    photos = [*celeb, *lfw]
    with ProcessPoolExecutor(workers) as pool:
        made = chain(
            pool.map(partial(_readable, _celebamask, size=size), celeb, chunksize=16),
            pool.map(partial(_readable, _lfw, size=size), lfw, chunksize=16),
        )
        for i, (path, crop) in enumerate(zip(photos, made, strict=True)):
            progress(i + 1, len(photos))
            if isinstance(crop, str):
                unreadable.append((path, crop))
            elif crop is not None and i < len(celeb):
                rows.append((*crop, f"celebamask_hq/{path.name}", path.stem, of_celeb[i]))
            elif crop is not None and (crop[1] < 255).mean() <= largest_fill:
                rows.append(
                    (*crop, f"lfw/{path.parent.name}/{path.name}", path.parent.name, people[path.parent.name])
                )
    if len(unreadable) == len(photos):
        path, reason = unreadable[0]
        raise PhotoError(
            f"none of {len(photos)} photos below {str(data)!r} can be read, such as {str(path)!r}: {reason}"
        )
    if not rows:
        raise FaceError(f"no face was found in any of {len(photos)} photos below {str(data)!r}")
    pixels, inside, labels, *words = zip(*rows, strict=True)
    faces = FaceSet(
        np.stack(pixels), np.stack(inside), np.stack(labels), *(np.array(column) for column in words)
    )
    return Prepared(faces, tuple(unreadable))


Crop = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


def _readable(align: Callable[..., Crop | None], path: Path, *, size: int) -> Crop | str | None:
    """Return the result of `align` for a photo, or the reason why it cannot be read."""
    try:
        return align(path, size=size)
    except (
        OSError,
        SyntaxError,
        ValueError,
        IndexError,
        Image.DecompressionBombError,
    ) as error:  # raised for damaged files
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return reason or type(error).__name__


def _celebamask(path: Path, *, size: int) -> Crop:
    image = Image.open(path).convert("RGB").resize((size, size), Image.Resampling.LANCZOS)
    mask = _part_mask(path.parents[1] / "masks" / f"{path.stem}.png")
    cell = -(-mask.height // size)  # at least so many pixels of the mask vote for a pixel of the crop
    classes = np.asarray(mask.resize((size * cell, size * cell), Image.Resampling.NEAREST))
    parts = np.array(CELEBAMASK_TO_PART, np.uint8)[classes]
    votes = np.eye(13, dtype=np.uint8)[parts].reshape(size, cell, size, cell, 13).sum((1, 3), dtype=np.int32)
    return np.asarray(image), np.full((size, size), 255, np.uint8), votes.argmax(-1).astype(np.uint8)


def _part_mask(path: Path) -> Image.Image:
    if not path.is_file():
        raise ValueError(f"it has no mask {path.parent.name}/{path.name}")
    mask = Image.open(path)
    if len(mask.getbands()) > 1 or np.asarray(mask).max() >= len(CELEBAMASK_TO_PART):
        raise ValueError(
            f"its mask {path.parent.name}/{path.name} is not one of CelebAMask-HQ's: one channel of classes "
            f"below {len(CELEBAMASK_TO_PART)}"
        )
    return mask


def _lfw(path: Path, *, size: int) -> Crop | None:
    photo = np.asarray(Image.open(path).convert("RGB"))
    landmarks = _central_face(photo)
    if landmarks is None:
        return None
    crop = align_face(photo, landmarks, size, valid=~black_border(photo))
    inside = np.floor(crop.inside * 255 + 1e-3).astype(np.uint8)
    return fill_outside(crop.pixels, inside), inside, np.full((size, size), 255, np.uint8)


def open_aligned(data: Path, source: str, size: int) -> NDArray[np.uint8]:
    """Read a photo of a prepared set again, aligned at another size: (size, size, 3) RGB.

    Args:
        data: folder from which the set was prepared.
        source: the photo, as in `FaceSet.source`.
        size: side in pixels.

    Raises:
        FileNotFoundError: the photo does not exist.
        ValueError: no face is found in it.
    """
    collection, _, file = source.partition("/")
    if collection == "celebamask_hq":
        image = Image.open(data / collection / "images" / file).convert("RGB")
        return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))
    photo = np.asarray(Image.open(data / source).convert("RGB"))
    landmarks = _central_face(photo)
    if landmarks is None:
        raise ValueError(f"no face found in {source}")
    return align_face(photo, landmarks, size).pixels


def _central_face(photo: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """Landmarks of the face nearest to the centre, where LFW shows the named person."""
    faces = detect_faces(photo)
    centre = np.array(photo.shape[1::-1]) / 2
    nearest = min(
        faces, key=lambda face: float(np.linalg.norm(face.landmarks.mean(0) - centre)), default=None
    )
    return None if nearest is None else nearest.landmarks


def black_border(photo: NDArray[np.uint8], *, level: int = 12) -> NDArray[np.bool_]:
    """Mask of black regions at the edge of a photo, dilated by two pixels because of compression blur.

    Args:
        photo: (H, W, 3) RGB uint8.
        level: maximum channel value of black, 0 to 255.

    Returns:
        (H, W), True on the border. Regions of 20 pixels or fewer are ignored.
    """
    regions, _ = ndimage.label(photo.max(-1) <= level)
    edge = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    sizes = np.bincount(regions.ravel())
    touching = [r for r in np.unique(edge) if r and sizes[r] > 20]
    return (
        ndimage.binary_dilation(np.isin(regions, touching), iterations=2)
        if touching
        else np.zeros(regions.shape, bool)
    )


def fill_outside(pixels: NDArray[np.uint8], inside: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Replace pixels outside the photo by the nearest pixel inside it; unchanged if there is none.

    Args:
        pixels: (S, S, 3) RGB uint8.
        inside: (S, S) uint8, share of each pixel covered by the photo, 255 fully; below 250 counts as
            outside.
    """
    missing = inside < 250
    if not missing.any() or missing.all():
        return pixels
    nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    return pixels[tuple(nearest)]
