# SPDX-License-Identifier: Apache-2.0
"""Cache of inverted latents, one file per photo."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from semveil.core.checkpoints import read_checkpoint
from semveil.core.files import write_whole
from semveil.core.weights import home
from semveil.faces.pixels import to_pixels
from semveil.models.face import FaceModel


def cached_inversion(
    model: FaceModel,
    images: Tensor,
    *,
    perceptual: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Tensor, dict[str, Any]]:
    """Latents of photos, cached by photo, model and inversion settings.

    Each photo is cached separately, so an interrupted run resumes where it stopped.

    Args:
        model: face model that inverts with its own settings (`FaceModel.invert`).
        images: (N, 3, S, S) in [-1, 1].
        perceptual: perceptual term; the model's own where None.
        progress: called with the completed and the total number of photos.

    Returns:
        (N, K, D) latents, not clipped, and the settings of the inversion, JSON-ready.
    """
    settings = model.describe_inversion(perceptual)
    parts: list[Tensor] = []
    progress(0, len(images))
    for done, photo in enumerate(images.split(1), 1):
        path = home() / "latents" / model.digest[:16] / f"{_key(settings, photo)}.safetensors"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(
                path,
                save({"codes": model.invert(photo, perceptual=perceptual).codes.contiguous()}),
                private=True,
            )
        parts.append(read_checkpoint(path)["codes"])
        progress(done, len(images))
    return torch.cat(parts), settings


def _key(settings: dict[str, Any], photo: Tensor) -> str:
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(str(tuple(photo.shape)).encode() + to_pixels(photo).tobytes())
    return digest.hexdigest()[:24]
