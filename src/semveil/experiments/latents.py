"""Invert an experiment's photos once and keep the latents."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict

import torch
from safetensors.torch import save
from torch import Tensor

from semveil.core.checkpoints import read_checkpoint
from semveil.core.files import write_whole
from semveil.core.pixels import to_pixels
from semveil.core.weights import WeightsMissing, home
from semveil.encoders.inversion import invert
from semveil.methods.face_model import FaceModel
from semveil.metrics import LPIPS


def invert_once(
    model: FaceModel,
    images: Tensor,
    *,
    perceptual: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Tensor, dict[str, object]]:
    """Latents of photos, from the cache where the same photos were inverted with the same model and settings.

    Photos are inverted and kept in batches, so a run that breaks off goes on where it was.

    Args:
        model: inverts, by its own settings.
        images: (N, 3, S, S) in [-1, 1].
        perceptual: add the model's LPIPS term where its weights are present.
        progress: photos done, and all.

    Returns:
        (N, K, D) latents, not clipped; and what the inversion was, JSON-ready.
    """
    if perceptual:
        distance, reason = inversion_distance(model)
    else:
        distance, reason = None, "squared error only, as [DPSC] 3.2.1 has it"
    settings = {**asdict(model.inversion), "perceptual_network": model.perceptual_network if distance else None}
    parts: list[Tensor] = []
    batches = images.split(model.inversion.batch)
    progress(0, len(images))
    for done, batch in enumerate(batches, 1):
        path = home() / "latents" / model.digest[:16] / f"{_key(settings, batch)}.safetensors"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            start = model.start_codes(batch)
            found = invert(batch, model.generator, start=start, settings=model.inversion, perceptual=distance)
            write_whole(path, save({"codes": found.codes.contiguous()}), private=True)  # they show the photos
        parts.append(read_checkpoint(path)["codes"])
        progress(min(done * model.inversion.batch, len(images)), len(images))
    return torch.cat(parts), {**settings, "perceptual_reason": reason}


def inversion_distance(model: FaceModel) -> tuple[LPIPS | None, str | None]:
    """The LPIPS that a model's inversion adds to the squared error, or None and why: its weights are not on this machine."""
    try:
        return LPIPS.from_catalogue(model.perceptual_network), None
    except WeightsMissing as error:
        return None, str(error)


def _key(settings: dict[str, object], batch: Tensor) -> str:
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(str(tuple(batch.shape)).encode() + to_pixels(batch).tobytes())
    return digest.hexdigest()[:24]
