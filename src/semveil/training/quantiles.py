# SPDX-License-Identifier: Apache-2.0
"""Public bounds of every latent coordinate, from a model's training photos."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from semveil.core.rng import streams
from semveil.data.face_set import FaceSet
from semveil.faces.pixels import to_tensor
from semveil.models.face import FaceModel
from semveil.models.quantile_bounds import QuantileBounds


def training_quantiles(codes: Tensor, identity: tuple[int, ...]) -> QuantileBounds:
    """Bounds from latents of training photos, with the largest observed distances, for dp-image as published.

    Args:
        codes: (N, K, D), not clipped.
        identity: the model's identity codes, whose distances are stored as well.
    """
    every = tuple(range(codes.shape[1]))
    return QuantileBounds.fit(
        codes, of="public training photos", observe={"all": every, "identity": identity}
    )


def invert_training_photos(
    model: FaceModel,
    faces: FaceSet,
    *,
    photos: int,
    seed: int = 0,
    perceptual: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """Latents (photos, K, D) of randomly chosen photos that are not held out.

    Args:
        model: face model that inverts the photos.
        faces: prepared photos, of the model's size.
        photos: number of photos; all if there are fewer.
        seed: random seed for the choice of photos.
        perceptual: perceptual term of the inversion; the model's default where None.
        progress: called with the inversion steps done, counted per photo, and their total.
    """
    rows = np.flatnonzero(~faces.held_out)
    rows = rows[torch.randperm(len(rows), generator=streams(seed)["quantiles"])[:photos].numpy()]
    images = to_tensor(faces.select(np.sort(rows)).pixels)
    return model.invert(images, perceptual=perceptual, progress=progress).codes
