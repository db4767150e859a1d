# SPDX-License-Identifier: Apache-2.0
"""Enrolled people: reference photos that identify faces for ledgers and pseudonyms."""

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from torch import Tensor

from semveil.bulk.sources import SourceError, find_sources, sha256_of
from semveil.data.align import align_face
from semveil.data.faces import find_faces
from semveil.data.photos import load_photo
from semveil.faces.pixels import to_tensor
from semveil.privacy.ledger import subject_name
from semveil.recognition.thresholds import MODEL_SIZE, measured_threshold
from semveil.recognition.verifier import DlibVerifier

CROP = 256  # side of the crops for recognition, in pixels
# On two LFW photos of each of 350 people (benchmarks/enrolled.py), 0.1 % of strangers are mistaken for an
# enrolled person and 95 % of faces are recognised from one reference photo; at the author's threshold, 0.5 %
# and 99 %.
_THRESHOLD = measured_threshold("dlib", resolution=MODEL_SIZE).threshold


@dataclass(frozen=True, eq=False)
class Enrolled:
    """Enrolled people and the embeddings of their reference photos by dlib's recogniser.

    Attributes:
        names: (N) person in each photo.
        embeddings: (N, 128).
    """

    names: tuple[str, ...]
    embeddings: Tensor

    def who(self, images: Tensor) -> list[str | None]:
        """Name of the nearest enrolled person for each crop; None if the similarity is below the threshold.

        Args:
            images: (B, 3, S, S) aligned crops in [-1, 1].
        """
        verifier = DlibVerifier(threshold=_THRESHOLD)
        alike, nearest = verifier.similarities(verifier.embed(images), self.embeddings).max(1)
        return [
            self.names[int(j)] if a >= verifier.threshold else None
            for a, j in zip(alike.tolist(), nearest, strict=True)
        ]


@lru_cache(maxsize=2)
def enrol(folder: str, digest: str) -> Enrolled:
    """Read the reference photos of a folder, once per process.

    The photo of a person is `anna.jpg`; several photos are `anna/*.jpg`.

    Args:
        folder: folder of reference photos.
        digest: its `enrolment_digest` in the process that started the run.

    Returns:
        The people, with the embeddings of their photos.

    Raises:
        PhotoError: there is no photo, or one cannot be read.
        SourceError: a photo does not show exactly one face, or the photos have changed.
    """
    if enrolment_digest(folder) != digest:
        raise SourceError(
            f"the photos in {folder!r} changed, or this machine has others; leave them as they are during a "
            "run"
        )
    names, crops = [], []
    for source in find_sources([folder]).photos:
        photo = load_photo(source.path)
        faces = find_faces(photo)
        if len(faces) != 1:
            raise SourceError(
                f"{source.place!r} shows {len(faces)} faces; to enrol somebody it must show that person alone"
            )
        place = PurePosixPath(source.place)
        names.append(subject_name(place.parts[0] if len(place.parts) > 1 else place.stem))
        crops.append(align_face(photo.pixels, faces[0].landmarks, CROP).pixels)
    return Enrolled(tuple(names), DlibVerifier().embed(to_tensor(crops)))


def enrolment_digest(folder: str | os.PathLike[str]) -> str:
    """SHA-256 over the names and contents of the photos in a folder, as 64 hexadecimal digits.

    Args:
        folder: folder of reference photos.

    Raises:
        PhotoError: there is no photo, or one cannot be read.
        SourceError: two photos would have the same place.
    """
    digest = hashlib.sha256()
    for source in find_sources([folder]).photos:
        digest.update(source.place.encode("utf-8", "surrogateescape") + b"\0")
        digest.update(sha256_of(source.path))
    return digest.hexdigest()
