# SPDX-License-Identifier: Apache-2.0
"""Aligned faces as a torch `Dataset`: from a folder of photos, a prepared face set, or memory."""

import os
from pathlib import Path

from torch import Tensor
from torch.utils.data import Dataset

from semveil.core.errors import PhotoError
from semveil.data.face_set import FaceSet
from semveil.data.faces import load_aligned_faces
from semveil.data.load_faces import Faces
from semveil.data.photos import looks_like_photo
from semveil.faces.pixels import to_tensor


class FaceDataset(Dataset[tuple[Tensor, str]]):
    """Aligned faces with names, for a `DataLoader`.

    Args:
        source: a folder of photos, searched recursively without hidden files, whose photos are read on
            access; an `.npz` file prepared by `semveil data prepare`; a `FaceSet`; or loaded `Faces`.
        size: side S of the images in pixels; must equal that of a face set or of loaded faces.
        face: face to use in a photo with several: `largest` or a number from 0.
        split: split of a face set: `training`, `development` or `test`; None for all.

    Raises:
        PhotoError: the folder contains no photo.
        TypeError: the source is of another kind.
        ValueError: the source is of another size, or has no splits.

    Example:
        >>> from torch.utils.data import DataLoader
        >>> import torch
        >>> faces = FaceDataset(Faces(torch.zeros(3, 3, 128, 128), ("a", "b", "c")))
        >>> [tuple(images.shape) for images, names in DataLoader(faces, batch_size=2)]
        [(2, 3, 128, 128), (1, 3, 128, 128)]
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | FaceSet | Faces,
        *,
        size: int = 128,
        face: int | str = "largest",
        split: str | None = None,
    ) -> None:
        self.size, self.face = size, face
        self._photos: list[Path] = []
        self._held: FaceSet | Faces | None = None
        if isinstance(source, str | os.PathLike):
            path = Path(source)
            if path.is_dir():
                self._photos = sorted(file for file in path.rglob("*") if _is_photo(file, path))
                if not self._photos:
                    raise PhotoError(f"no photos in the folder {str(path)!r}")
                self.names = [file.relative_to(path).as_posix() for file in self._photos]
            elif not path.exists():
                raise PhotoError(f"{str(path)!r} does not exist; name a folder of photos or a face set")
            else:
                source = FaceSet.load(path)
        if isinstance(source, FaceSet):
            self._held = source if split is None else source.select(source.split == split)
            self.names = self._held.source.tolist()
        elif split is not None:
            raise ValueError(f"only a prepared face set has splits, asked for {split!r}; leave split out")
        if isinstance(source, Faces):
            self._held, self.names = source, list(source.ids)
        if self._held is None and not self._photos:
            raise TypeError(
                f"name a folder of photos or a face set, or give Faces; got {type(source).__name__}"
            )
        if self._held is not None and len(self._held) and self._side() != size:
            raise ValueError(f"the faces have {self._side()} px, asked for {size}; give size={self._side()}")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        """Return an image (3, S, S) in [-1, 1] and its name: its relative path, or its name in the set.

        Raises:
            IndexError: the index is out of range.
            PhotoError: the photo cannot be read.
            FaceError: the photo does not show the requested face.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"there are {len(self)} faces, asked for number {index}")
        if isinstance(self._held, Faces):
            return self._held.images[index], self.names[index]
        if isinstance(self._held, FaceSet):
            return to_tensor([self._held.pixels[index]])[0], self.names[index]
        found = load_aligned_faces(self._photos[index], size=self.size, selection=self.face)
        return to_tensor([found[0].aligned.pixels])[0], self.names[index]

    def __repr__(self) -> str:
        return f"FaceDataset({len(self)} faces, {self.size} px)"

    def _side(self) -> int:
        assert self._held is not None
        shape = self._held.images.shape if isinstance(self._held, Faces) else self._held.pixels.shape
        return int(shape[2])


def _is_photo(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and file.is_file() and looks_like_photo(file)
