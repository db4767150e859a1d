# SPDX-License-Identifier: Apache-2.0
"""Photos of an experiment: held-out photos of a data set, or public ones that may be shown."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from semveil.core.errors import SemveilError
from semveil.core.weights import home
from semveil.data.align import align_face
from semveil.data.face_set import FaceSet, prepare
from semveil.data.faces import choose_faces
from semveil.data.photos import Photo
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.models.face import FaceModel

ORDER_SEED = 8  # order of the held-out photos
FIRST_TEST_PHOTO = 28_000  # CelebAMask-HQ: SemanticStyleGAN was not trained on the photos from here on
Tick = Callable[[int, int], None]


class Sized(Protocol):
    """A model with a name and an image size."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int:
        """Side of the model's images in pixels."""
        ...


class DataMissing(SemveilError):
    """Photos that an experiment needs are not named or do not exist."""

    exit_code = 3


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """Photos to measure.

    Attributes:
        images: (N, 3, S, S) in [-1, 1], with 8-bit values.
        ids: pseudonymous names, which reveal nothing without the data set.
        description: origin of the photos, in words.
        public: whether results may contain the photos themselves.
    """

    images: Tensor
    ids: tuple[str, ...]
    description: str
    public: bool

    @property
    def digest(self) -> str:
        """SHA-256 of all pixels; equal digests mean equal photos."""
        digest = hashlib.sha256()
        for part in self.images.split(64):
            digest.update(to_pixels(part).tobytes())
        return digest.hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Return the description of the photos for a result's config."""
        return {"description": self.description, "count": len(self.ids), "digest": self.digest}


def astronaut(size: int) -> NDArray[np.uint8]:
    """Return the aligned face of scikit-image's astronaut portrait, (S, S, 3) RGB.

    The portrait is NASA's, in the public domain.

    Args:
        size: S, side of the crop in pixels.
    """
    from skimage import data

    photo = Photo(data.astronaut(), "astronaut", "PNG")
    (_, face), *_ = choose_faces(photo, "largest")
    return align_face(photo.pixels, face.landmarks, size).pixels


def public_photos(model: FaceModel, count: int) -> PhotoSet:
    """Return the astronaut and faces generated from the model's own prior.

    The model inverts generated faces better than real ones.

    Args:
        model: model that generates the faces and sets the size of all photos.
        count: total number, the astronaut included; at least 1.
    """
    return astronaut_and(
        model.size,
        count,
        lambda many, rng: model.generator.synthesize(model.public_latents(many, rng=rng)),
        by="the model",
    )


def astronaut_and(
    size: int, count: int, generate: Callable[[int, torch.Generator], Tensor], *, by: str
) -> PhotoSet:
    """Return the astronaut and generated faces.

    Args:
        size: side of the photos in pixels.
        count: total number, the astronaut included; at least 1.
        generate: (number, rng) -> faces (N, 3, S, S) in [-1, 1].
        by: name of the generator for the description.
    """
    images, others = to_tensor([astronaut(size)]), count - 1
    if others:
        with torch.inference_mode():
            generated = generate(others, torch.Generator().manual_seed(ORDER_SEED))
        images = torch.cat([images, to_tensor(to_pixels(generated))])
    ids = ("astronaut", *(f"generated {i + 1}" for i in range(others)))
    text = "the astronaut of scikit-image" + (f" and {others} faces that {by} generated" if others else "")
    return PhotoSet(images, ids, text, public=True)


def held_out_photos(
    data: Path,
    model: Sized,
    count: int,
    *,
    first_test_photo: int = FIRST_TEST_PHOTO,
    progress: Tick = lambda done, total: None,
) -> PhotoSet:
    """Return photos of a data set's test split in a seeded order, at most one of each person.

    CelebAMask-HQ's own folder is read in numerical order, without regard to persons.

    Args:
        data: an `.npz` of `FaceSet`; a folder with `celebamask_hq` and `lfw` (aligned on first use and
            cached); or CelebAMask-HQ's own folder, with `CelebA-HQ-img/0.jpg` and so on.
        model: model that sets the size of the photos.
        count: maximum number of photos.
        first_test_photo: number of the first test photo in CelebAMask-HQ's own folder.
        progress: called with the number of prepared photos and of all photos.

    Raises:
        DataMissing: there is no such data, or none of it is in the test split.
    """
    if (data / "CelebA-HQ-img").is_dir():
        return _celebamask_hq(data / "CelebA-HQ-img", model.size, count, first_test_photo, progress)
    faces = load_face_set(data, model, progress=progress)
    shuffled = np.random.default_rng(ORDER_SEED).permutation(np.flatnonzero(faces.tested))
    chosen = one_of_each(faces.person, shuffled)[:count]
    if not len(chosen):
        raise DataMissing(
            f"{data} contains no photo of the test split; prepare it from the photos listed in the model card"
        )
    kinds = sorted({str(source).split("/")[0] for source in faces.source[chosen]})
    return _numbered(
        list(faces.pixels[chosen]), f"photos of the test split of {' and '.join(kinds)}, one of each person"
    )


def load_face_set(data: Path, model: Sized, *, progress: Tick = lambda done, total: None) -> FaceSet:
    """Return a face set of the model's size, from an `.npz` or prepared from a folder on first use.

    Args:
        data: an `.npz` or a folder, see `held_out_photos`.
        model: model that sets the size.
        progress: called with the number of prepared photos and of all photos.

    Raises:
        DataMissing: there is no such data, a photo is unreadable, or the set has another size.
    """
    is_set = data.suffix == ".npz" and data.is_file()
    faces = FaceSet.load(data) if is_set else _prepared(data, model.size, progress)
    size = faces.pixels.shape[1]
    if size != model.size:
        raise DataMissing(
            f"{data} contains faces of {size} px, model {model.name} needs {model.size} px; prepare them "
            "again"
        )
    return faces


def _prepared(data: Path, size: int, progress: Tick) -> FaceSet:
    key = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:16]
    kept = home() / "faces" / f"{size}-{key}.npz"
    if not kept.is_file():
        try:
            prepared = prepare(data, size=size, progress=progress)
        except FileNotFoundError as error:
            raise DataMissing(
                f"{error}, nor CelebA-HQ-img/*.jpg; name the folder of the photos with --data"
            ) from None
        if prepared.unreadable:  # different photos would give different figures
            path, reason = prepared.unreadable[0]
            raise DataMissing(
                f"{len(prepared.unreadable)} photos cannot be read, such as {str(path)!r}: {reason}"
            )
        prepared.faces.save(kept)
    return FaceSet.load(kept)


def one_of_each(person: NDArray[np.str_], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the first row of each person in the order of `rows`: independent units for the bootstrap.

    Args:
        person: (N,) person of each photo of a set.
        rows: candidate rows of the set.
    """
    _, first = np.unique(person[rows], return_index=True)
    return rows[np.sort(first)]


def _celebamask_hq(folder: Path, size: int, count: int, first: int, progress: Tick) -> PhotoSet:
    files = [path for path in folder.glob("*.jpg") if path.stem.isdecimal() and int(path.stem) >= first]
    files = sorted(files, key=lambda path: int(path.stem))[:count]
    if not files:
        raise DataMissing(f"{folder} contains none of the test photos from {first}.jpg on")
    pixels = []
    for path in files:
        with Image.open(path) as photo:
            pixels.append(np.asarray(photo.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)))
        progress(len(pixels), len(files))
    return _numbered(pixels, f"CelebAMask-HQ test photos from {first} on")


def _numbered(pixels: list[NDArray[np.uint8]], description: str) -> PhotoSet:
    ids = tuple(f"photo {i:04d}" for i in range(1, len(pixels) + 1))
    return PhotoSet(to_tensor(pixels), ids, f"{len(pixels)} {description}", public=False)
