# SPDX-License-Identifier: Apache-2.0
"""CIFAR-10 and CIFAR-100 from a local copy: official Python files, folders of pictures, or an `.npz`."""

import codecs
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semveil.core.errors import SemveilError
from semveil.core.files import open_regular
from semveil.core.registry import suggest
from semveil.data.arrays import read_arrays
from semveil.data.photos import load_photo

PARTS = ("train", "test")
_SUFFIXES = (".png", ".jpg", ".jpeg")
_RECONSTRUCT = np.empty(0).__reduce__()[0]  # its module differs between versions of numpy


class DataSetError(SemveilError):
    """A data set is missing, damaged, or has another layout."""

    exit_code = 3


@dataclass(frozen=True)
class LabelledPictures:
    """Pictures of one size with class labels.

    Attributes:
        pixels: (N, H, W, 3) RGB uint8.
        labels: (N,) int64, from 0.
        classes: class names by label.

    Raises:
        DataSetError: shapes, dtypes or labels are inconsistent.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if (
            self.pixels.ndim != 4
            or self.pixels.shape[3] != 3
            or self.pixels.dtype != np.uint8
            or not len(self.pixels)
        ):
            raise DataSetError(
                f"pictures must be (N, H, W, 3) uint8, got {self.pixels.shape} {self.pixels.dtype}"
            )
        if self.labels.shape != (len(self.pixels),):
            raise DataSetError(f"{len(self.pixels)} pictures need as many labels, got {self.labels.shape}")
        if self.labels.min() < 0 or self.labels.max() >= len(self.classes):
            raise DataSetError(f"labels must lie in 0..{len(self.classes) - 1}, one for each class")

    def __len__(self) -> int:
        return len(self.pixels)


def load_labelled(path: str | Path, *, part: str = "train") -> LabelledPictures:
    """Read a data set of labelled pictures.

    Args:
        path: a folder of CIFAR's official Python version (`cifar-100-python`, `cifar-10-batches-py`) or its
            parent; a folder with `train/CLASS/*.png` and `test/CLASS/*.png`, classes numbered in alphabetical
            order; or an `.npz` with arrays `train_images`, `train_labels`, `test_images`, `test_labels`,
            `class_names`.
        part: `train` or `test`.

    Raises:
        DataSetError: there is no such data set, or it is damaged.
        PhotoError: a picture cannot be read.
        ValueError: `part` is unknown.

    Example:
        >>> load_labelled("nowhere")
        Traceback (most recent call last):
        ...
        semveil.data.labelled_pictures.DataSetError: no data set 'nowhere'; name a folder of CIFAR-10 or
        CIFAR-100, or an .npz
    """
    if part not in PARTS:
        raise ValueError(f"part has no choice {part!r}{suggest(part, PARTS)}; allowed: {', '.join(PARTS)}")
    path = Path(path)
    if path.is_file() and path.suffix == ".npz":
        return _from_npz(path, part)
    for folder in (path, path / "cifar-100-python", path / "cifar-10-batches-py"):
        if (folder / "meta").is_file():
            return _from_official(folder, [part], folder / "meta", ("fine_labels", "fine_label_names"))
        if (folder / "batches.meta").is_file():
            names = [f"data_batch_{i}" for i in range(1, 6)] if part == "train" else ["test_batch"]
            return _from_official(folder, names, folder / "batches.meta", ("labels", "label_names"))
    if (path / part).is_dir():
        return _from_pictures(path, part)
    raise DataSetError(f"no data set {str(path)!r}; name a folder of CIFAR-10 or CIFAR-100, or an .npz")


def _from_npz(path: Path, part: str) -> LabelledPictures:
    keys = ("class_names", f"{part}_images", f"{part}_labels")
    try:
        names, images, labels = read_arrays(path, keys).values()
        return LabelledPictures(images, labels.astype(np.int64), tuple(map(str, names)))
    except (OSError, TypeError, ValueError) as error:
        raise DataSetError(f"{str(path)!r} is damaged or no set of labelled pictures: {error}") from error


def _from_official(folder: Path, files: list[str], meta: Path, keys: tuple[str, str]) -> LabelledPictures:
    labels_key, names_key = keys
    try:
        names = tuple(str(name) for name in _read_pickle(meta)[names_key])
        batches = [_read_pickle(folder / file) for file in files]
        pixels = np.concatenate(
            [np.asarray(batch["data"], np.uint8).reshape(-1, 3, 32, 32) for batch in batches]
        )
        labels = np.concatenate([np.asarray(batch[labels_key], np.int64) for batch in batches])
    except DataSetError:
        raise
    except Exception as error:  # damaged pickles raise almost any kind of exception
        raise DataSetError(f"{str(folder)!r} is damaged or not CIFAR's Python version: {error}") from error
    return LabelledPictures(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)), labels, names)


def _read_pickle(path: Path) -> dict[str, Any]:
    """Read a file of the official Python version, with text keys; only numpy arrays are reconstructed."""
    with os.fdopen(open_regular(path), "rb") as file:
        content = _OnlyArrays(file, encoding="latin1").load()
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds a {type(content).__name__}, expected a dictionary")
    return content


class _OnlyArrays(pickle.Unpickler):
    """Unpickler that refuses every global except those of numpy arrays."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy._core", "numpy.core")
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return _RECONSTRUCT
        if (module, name) == ("_codecs", "encode"):
            return codecs.encode
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array; refused to run it")


def _from_pictures(folder: Path, part: str) -> LabelledPictures:
    classes = tuple(sorted({place.name for other in PARTS for place in (folder / other).glob("*/")}))
    pixels, labels = [], []
    for label, name in enumerate(classes):
        for file in sorted((folder / part / name).glob("*")):
            if file.suffix.lower() in _SUFFIXES:
                pixels.append(load_photo(file).pixels)
                labels.append(label)
    sizes = sorted({picture.shape for picture in pixels})
    if len(sizes) != 1:
        found = ", ".join(f"{width} x {height}" for height, width, _ in sizes) or "none"
        raise DataSetError(
            f"{str(folder / part)!r} must hold pictures of one size in folders by class, found {found}"
        )
    return LabelledPictures(np.stack(pixels), np.array(labels, np.int64), classes)
