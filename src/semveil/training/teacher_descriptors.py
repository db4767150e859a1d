# SPDX-License-Identifier: Apache-2.0
"""Descriptors of the photos of a face set by dlib's recogniser, at full resolution."""

import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semveil.data.arrays import read_arrays
from semveil.data.face_set import FaceSet, open_aligned
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.recognition.crop import DLIB_CHIP, crop_faces
from semveil.recognition.dlib_faces import describe_faces

DETAIL = 256  # px; dlib's chip of 150 px covers half the width of an aligned image
CHUNK = 32  # photos per task of a worker


@dataclass(frozen=True)
class TeacherDescriptors:
    """Identity vectors of photos by the teacher's recogniser.

    Attributes:
        source: (N,) identifiers of the photos, as in the face set.
        vectors: (N, 128) float32, as returned by dlib, not of unit length.
    """

    source: NDArray[np.str_]
    vectors: NDArray[np.float32]

    def of(self, sources: NDArray[np.str_]) -> NDArray[np.float32]:
        """Descriptors (M, 128) of the given photos.

        Args:
            sources: (M,) identifiers of the photos.

        Raises:
            ValueError: a photo has no descriptor.
        """
        row = {source: i for i, source in enumerate(self.source.tolist())}
        missing = [source for source in sources.tolist() if source not in row]
        if missing:
            raise ValueError(
                f"{len(missing)} of {len(sources)} photos were not described, among them {missing[0]}"
            )
        return self.vectors[[row[source] for source in sources.tolist()]]

    def save(self, path: Path) -> None:
        """Write an `.npz` file atomically.

        Args:
            path: the file.
        """
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
            np.savez(file, source=self.source, vectors=self.vectors)
        os.replace(file.name, path)

    @classmethod
    def load(cls, path: Path) -> "TeacherDescriptors":
        """Read a file written by `save`.

        Args:
            path: the file.
        """
        return cls(**read_arrays(path, ("source", "vectors")))


def describe_photos(
    data: Path,
    faces: FaceSet,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> TeacherDescriptors:
    """Describe all photos of a face set from its source files (about 0.12 s each).

    Args:
        data: folder from which the set was prepared.
        faces: aligned faces of any size; only their sources are used.
        workers: number of processes.
        progress: called with the photos done and their total.
    """
    sources = faces.source
    parts = [sources[i : i + CHUNK] for i in range(0, len(sources), CHUNK)]
    vectors = []
    with ProcessPoolExecutor(workers) as pool:
        for part in pool.map(partial(_describe, data), parts):
            vectors.append(part)
            progress(sum(map(len, vectors)), len(sources))
    return TeacherDescriptors(sources, np.concatenate(vectors))


def _describe(data: Path, sources: NDArray[np.str_]) -> NDArray[np.float32]:
    """Descriptors (N, 128) of photos."""
    images = to_tensor(np.stack([open_aligned(data, source, DETAIL) for source in sources.tolist()]))
    return describe_faces(to_pixels(crop_faces(images, DLIB_CHIP))).astype(np.float32)
