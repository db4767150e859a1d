# SPDX-License-Identifier: Apache-2.0
"""Pair lists of photos in LFW's format, and calibration of a verifier on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semveil.core.errors import PhotoError
from semveil.core.text import read_text
from semveil.data.align import align_face
from semveil.data.face_set import black_border, fill_outside
from semveil.data.photos import load_photo
from semveil.faces.pixels import to_tensor
from semveil.recognition.calibration import MeasuredThreshold, calibrate
from semveil.recognition.dlib_faces import detect_faces
from semveil.recognition.verifier import Verifier


@dataclass(frozen=True)
class Pair:
    """Two photos, whether they show the same person, and the 0-based fold of the list."""

    first: Path
    second: Path
    same: bool
    fold: int


@dataclass(frozen=True)
class PairList:
    """Pairs with existing photos, and the number of pairs skipped because a photo is missing."""

    pairs: tuple[Pair, ...]
    skipped: int


def read_pairs(path: str | Path, photos: str | Path) -> PairList:
    """Read a list such as LFW's `pairs.txt`; pairs with a missing photo are skipped.

    The first line states the number of folds and of pairs of each kind per fold. A fold lists `NAME i j`
    (same person, photos i and j) and then `NAME i OTHER j` (two people); fields are separated by tabs. Blank
    lines are ignored.

    Args:
        path: the list.
        photos: folder with `NAME/NAME_0001.jpg`.

    Raises:
        OSError: the list cannot be read; FileNotFoundError also if none of its photos is in `photos`.
        ValueError: the file does not have this format.
    """
    path, photos = Path(path), Path(photos)
    head, *lines = [line for line in read_text(path).split("\n") if line.strip()] or [""]
    try:
        folds, each = map(int, head.split())
    except ValueError:
        raise ValueError(
            f"{path.name} starts with {head[:40]!r}, expected the number of folds and of pairs in each"
        ) from None
    if min(folds, each) < 1 or len(lines) != 2 * folds * each:
        raise ValueError(f"{path.name} holds {len(lines)} pairs, its first line promises {2 * folds * each}")
    pairs = [_pair(line, number // (2 * each), photos, path.name) for number, line in enumerate(lines)]
    present = tuple(pair for pair in pairs if pair.first.is_file() and pair.second.is_file())
    if not present:
        raise FileNotFoundError(
            f"none of the photos of {path.name} is below {photos}, looked for {pairs[0].first}"
        )
    return PairList(present, len(pairs) - len(present))


def _pair(line: str, fold: int, photos: Path, name: str) -> Pair:
    match line.strip().split("\t"):
        case [person, i, j] if i.isdecimal() and j.isdecimal():
            return Pair(_photo(photos, person, i), _photo(photos, person, j), True, fold)
        case [person, i, other, j] if i.isdecimal() and j.isdecimal():
            return Pair(_photo(photos, person, i), _photo(photos, other, j), False, fold)
    raise ValueError(
        f"{name} holds the line {line[:60]!r}, expected NAME i j or NAME i OTHER j, separated by tabs"
    )


def _photo(photos: Path, person: str, number: str) -> Path:
    return photos / person / f"{person}_{int(number):04d}.jpg"


def calibrate_threshold(
    verifier: Verifier,
    pairs: Sequence[Pair],
    *,
    resolution: int = 64,
    far: float = 1e-3,
    rng: torch.Generator | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    refused: Callable[[PhotoError], None] | None = None,
) -> MeasuredThreshold:
    """Calibrate a verifier's threshold to a false acceptance rate, on aligned photos of one resolution.

    A list has too few impostor pairs for small rates, so all pairs of different people among its photos are
    used.

    Args:
        verifier: the verifier to calibrate.
        pairs: as returned by `read_pairs`.
        resolution: side of the aligned photos in pixels.
        far: false acceptance rate.
        rng: source of the bootstrap draws for the intervals.
        progress: called with the number of finished photos and the total.
        refused: called for each unreadable photo, which is skipped; None raises the first error.

    Raises:
        PhotoError: a photo cannot be read, without `refused`.
        ValueError: there are too few photos with a face.
    """
    photos = sorted({photo for pair in pairs for photo in (pair.first, pair.second)})
    people, embeddings = [], []
    for done, photo in enumerate(photos, 1):
        try:
            image = align_portrait(photo, resolution)
        except PhotoError as error:
            if refused is None:
                raise
            refused(error)
            image = None
        if image is not None:
            people.append(photo.parent.name)
            embeddings.append(verifier.embed(image))
        progress(done, len(photos))
    if not embeddings:
        raise ValueError(f"no face found in any of {len(photos)} photos")
    return calibrate(verifier, torch.cat(embeddings), people, resolution=resolution, far=far, rng=rng)


def align_portrait(path: Path, size: int) -> Tensor | None:
    """Align the face nearest to the centre of a photo.

    Args:
        path: the photo.
        size: side of the crop in pixels.

    Returns:
        (1, 3, size, size) in [-1, 1]; None if there is no face.

    Raises:
        PhotoError: the photo cannot be read.
    """
    photo = load_photo(path).pixels
    faces = detect_faces(photo)
    if not faces:
        return None
    centre = np.array(photo.shape[1::-1]) / 2
    face = min(faces, key=lambda f: float(np.linalg.norm(f.landmarks.mean(0) - centre)))
    crop = align_face(photo, face.landmarks, size, valid=~black_border(photo))
    inside = np.floor(crop.inside * 255 + 1e-3).astype(np.uint8)
    return to_tensor([fill_outside(crop.pixels, inside)])
