# SPDX-License-Identifier: Apache-2.0
"""Faces of the security experiment: attacked photos, identification gallery, public faces, attributes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semveil.core.digests import digest_of_tensors
from semveil.core.rng import streams
from semveil.data.face_set import FaceSet
from semveil.data.splits import DEVELOPMENT, TEST
from semveil.experiments.kit.experiment import Run
from semveil.experiments.kit.photo_sets import (
    ORDER_SEED,
    DataMissing,
    load_face_set,
    one_of_each,
    public_photos,
)
from semveil.faces.parts import PARTS
from semveil.faces.pixels import to_tensor
from semveil.models.face import FaceModel
from semveil.models.inversion_cache import cached_inversion

SPLITS = {"development": DEVELOPMENT, "held-out": TEST}  # for choosing settings; reported once
PUBLIC_SEED = 11  # order in which training photos become public faces
SMALLEST_SHARE = 0.005  # of the pixels, for a worn part to count
UNKNOWN = 255


@dataclass(frozen=True, eq=False)
class SecurityFaces:
    """Faces of a run by role.

    Attributes:
        attacked: (B, 3, S, S) photos that Alice sends, one of each person.
        ids: their pseudonymous names.
        gallery: (G, 3, S, S) other photos of known people, one of each.
        mates: (B,) index of the same person in the gallery, -1 if absent.
        public: (N, 3, S, S) faces of other people, available to Eve.
        attributes: by name, labels 1, 0 or -1 (unknown) of the attacked (B,) and the public faces (N,).
        description: description in words.
    """

    attacked: Tensor
    ids: tuple[str, ...]
    gallery: Tensor
    mates: Tensor
    public: Tensor
    attributes: dict[str, tuple[Tensor, Tensor]]
    description: str

    @property
    def digest(self) -> str:
        """SHA-256 of all faces, roles and labels."""
        labels = [part for name in sorted(self.attributes) for part in self.attributes[name]]
        return digest_of_tensors([self.attacked, self.gallery, self.mates, self.public, *labels])


def generated_faces(model: FaceModel, attacked: int, public: int) -> SecurityFaces:
    """Return the astronaut and generated faces, for a run without data.

    The gallery is empty and there are no attributes.

    Args:
        model: model that generates the faces and sets their size.
        attacked: number of photos that Alice sends, the astronaut first; at least 1.
        public: number of faces available to Eve.
    """
    photos = public_photos(model, attacked + public)
    images = photos.images
    nobody = torch.full((attacked,), -1)
    return SecurityFaces(
        images[:attacked], photos.ids[:attacked], images[:0], nobody, images[attacked:], {},
        photos.description,
    )  # fmt: skip


def real_faces(
    data: Path, model: FaceModel, *, split: str, attacked: int, gallery: int, public: int
) -> SecurityFaces:
    """Return held-out people under attack, and training people as gallery strangers and public faces.

    Args:
        data: a face set or a folder of photos, see `held_out_photos`.
        model: model that sets the size of the photos.
        split: `development`, for choosing settings, or `held-out`, the test split for reporting.
        attacked: maximum number of photos, one of each person; people with a second photo come first.
        gallery: number of strangers in the gallery, in addition to the second photos.
        public: number of public faces.

    Raises:
        DataMissing: the split is empty.
    """
    faces = load_face_set(data, model)
    rng = np.random.default_rng(ORDER_SEED)
    held = rng.permutation(np.flatnonzero(faces.held_out))
    held = held[faces.split[held] == SPLITS[split]]
    if not len(held):
        raise DataMissing(
            f"{data} contains nobody of the {SPLITS[split]} split; prepare the face set again: semveil data "
            "prepare"
        )
    photos_of: dict[str, list[int]] = {}
    for row in held:
        photos_of.setdefault(str(faces.person[row]), []).append(int(row))
    # The sort is stable, so the seeded order is kept among people with and without a second photo.
    people = sorted(photos_of.values(), key=lambda rows: len(rows) < 2)[:attacked]
    others = np.random.default_rng(PUBLIC_SEED).permutation(np.flatnonzero(~faces.held_out))
    known, rest = others[:public], others[public:]
    strangers = one_of_each(faces.person, rest[~np.isin(faces.person[rest], faces.person[known])])[:gallery]
    attacked_rows = np.array([rows[0] for rows in people])
    mates = [rows[1] for rows in people if len(rows) > 1]
    places = iter(range(len(mates)))
    return SecurityFaces(
        attacked=to_tensor(list(faces.pixels[attacked_rows])),
        ids=tuple(f"photo {i:04d}" for i in range(1, len(people) + 1)),
        gallery=to_tensor(list(faces.pixels[[*mates, *strangers]])),
        mates=torch.tensor([next(places) if len(rows) > 1 else -1 for rows in people]),
        public=to_tensor(list(faces.pixels[known])),
        attributes=_attributes(faces.select(attacked_rows), faces.select(known)),
        description=(
            f"{len(people)} photos of {split} people, one of each; gallery of {len(mates)} other photos of "
            f"theirs and {len(strangers)} strangers; {len(known)} public faces of people in neither"
        ),
    )


def _attributes(attacked: FaceSet, public: FaceSet) -> dict[str, tuple[Tensor, Tensor]]:
    """Attributes from part labels and colours: glasses, hat, light skin, dark hair.

    Skin and hair are divided at the median lightness of the public faces.
    """
    found = {
        f"wears {part}": tuple(_worn(faces, part) for faces in (attacked, public))
        for part in ("glasses", "hat")
    }
    for name, part, sign in (("light skin", "skin", 1), ("dark hair", "hair", -1)):
        light = [_lightness(faces, part) for faces in (attacked, public)]
        if np.isfinite(light[1]).any():
            middle = np.nanmedian(light[1])
            found[name] = tuple(
                torch.from_numpy(np.where(np.isnan(v), -1, sign * (v - middle) > 0).astype(np.int64))
                for v in light
            )
    return {name: (labels[0], labels[1]) for name, labels in found.items() if _usable(labels)}


def _worn(faces: FaceSet, part: str) -> Tensor:
    share = (faces.labels == PARTS.index(part)).mean((1, 2))
    unknown = (faces.labels == UNKNOWN).all((1, 2))
    return torch.from_numpy(np.where(unknown, -1, share > SMALLEST_SHARE).astype(np.int64))


def _lightness(faces: FaceSet, part: str) -> NDArray[np.float64]:
    """Mean luma of a part's pixels, NaN where the part covers at most 1 % of the image."""
    inside = faces.labels == PARTS.index(part)
    luma = faces.pixels @ np.array([0.299, 0.587, 0.114])
    count = inside.sum((1, 2))
    sums = np.where(inside, luma, 0).sum((1, 2))
    return np.where(count > 0.01 * inside[0].size, sums / np.maximum(count, 1), np.nan)


def _usable(labels: Sequence[Tensor]) -> bool:
    """Whether both values occur at least 5 times among the attacked and among the public faces."""
    return all(min(int((label == value).sum()) for value in (0, 1)) >= 5 for label in labels)


def faces_with_parts(
    run: Run, model: FaceModel, *, attacked: int, gallery: int, public: int
) -> SecurityFaces:
    """Return the faces of a run: real people of the preset's split, or generated faces without a split.

    Args:
        run: the run; its preset has `name` and `split`.
        model: model that sets the size and generates faces.
        attacked: number of attacked photos, see `real_faces`.
        gallery: number of strangers in the gallery.
        public: number of faces available to Eve.

    Raises:
        DataMissing: the preset needs data and none is named.
    """
    if run.preset.split is None:
        return generated_faces(model, attacked, public)
    if run.data is None:
        raise DataMissing(
            f"preset {run.preset.name} attacks photos of {run.preset.split} people; name them with --data "
            "(a prepared .npz, or a folder with celebamask_hq and lfw), or take --preset smoke, which "
            "needs none"
        )
    return real_faces(
        run.data, model, split=run.preset.split, attacked=attacked, gallery=gallery, public=public
    )


def inverted_parts(
    run: Run, model: FaceModel, faces: SecurityFaces, *, perceptual: str | None = None
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Return the clipped codes of the attacked and of the public faces, and a description of the inversion.

    Args:
        run: the run; its preset has `split`, `public` and `seed`. Without a split, public codes are drawn
            from the model's prior.
        model: model that inverts the photos.
        faces: see `faces_with_parts`.
        perceptual: perceptual term of the inversion; None for the model's own.
    """
    chosen = run.preset
    images = torch.cat([faces.attacked, faces.public]) if chosen.split else faces.attacked
    tick = partial(run.progress, "invert")
    codes, inversion = cached_inversion(model, images, perceptual=perceptual, progress=tick)
    codes, public = model.box.clip(codes).tensor_split([len(faces.attacked)])
    if not chosen.split:
        public = model.public_latents(chosen.public, rng=streams(chosen.seed)["public"])
    return codes, public, inversion
