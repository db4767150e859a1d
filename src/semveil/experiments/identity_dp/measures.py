# SPDX-License-Identifier: Apache-2.0
"""What is measured of pictures with another identity, JSON-ready: one value per photo."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semveil.core.pixels import to_pixels
from semveil.core.results import rounded
from semveil.data.save import save_png
from semveil.experiments.identity_dp.bench import CHUNK, IdentityBench
from semveil.experiments.kit.latent_bench import PICTURES
from semveil.metrics import face_detected, fppsr, identity_distance, psnr, psr, sharpness, ssim

IN_TRAINING = ("bundled",)  # the model was trained to deceive it, so it has no say in `psr`


def looks(bench: IdentityBench, source: Tensor, images: Tensor, *, detected: int | None = None) -> dict[str, Any]:
    """Every metric of [IDP] V-B, of pictures (B, 3, S, S) against their photos.

    Args:
        detected: in how many of the first pictures a face is looked for; the preset's number where None.

    Returns:
        `identity_distance NAME` and `protected NAME` for every recogniser, `psr` against all of them together but
        `IN_TRAINING`, `psnr`, `ssim`, `sharpness` inside the face, `face_detected`.
    """
    columns: dict[str, list[float | None]] = {}
    for name, judge in {**bench.verifiers, **bench.facenets}.items():
        columns[f"identity_distance {name}"] = _of_chunks(source, images, lambda a, b, v=judge: identity_distance(a, b, v))
    for name, judge in bench.verifiers.items():
        columns[f"protected {name}"] = _of_chunks(source, images, lambda a, b, v=judge: fppsr(a, b, v))
    judges = independent(bench)
    columns["psr"] = _of_chunks(source, images, lambda a, b: psr(a, b, judges))
    columns["psnr"], columns["ssim"] = _of_chunks(source, images, psnr), _of_chunks(source, images, ssim)
    columns["sharpness"] = _of_chunks(source, images, sharpness)
    columns["face_detected"] = face_detected(images[: bench.preset.detected if detected is None else detected]).float().tolist()
    return {name: rounded(values) for name, values in columns.items()}


def independent(bench: IdentityBench) -> list[Any]:
    """The recognisers that had no part in training the model; all of them where that leaves none."""
    found = [judge for name, judge in bench.verifiers.items() if name not in IN_TRAINING]
    return found or list(bench.verifiers.values())


def _of_chunks(source: Tensor, images: Tensor, metric: Any) -> list[float | None]:
    return torch.cat([metric(a, b) for a, b in zip(source.split(CHUNK), images.split(CHUNK), strict=True)]).tolist()


def picture(folder: Path, name: str, image: Tensor) -> str:
    """Write one picture (3, S, S) into the run's folder of pictures; gives its name relative to the JSON."""
    (folder / PICTURES).mkdir(exist_ok=True)
    save_png(folder / PICTURES / f"identity-{name}.png", to_pixels(image[None])[0])
    return f"{PICTURES}/identity-{name}.png"


def other_people(bench: IdentityBench) -> dict[str, Any]:
    """Mean identity distance between different photos, for scale."""
    photos, found = bench.photos.images, {}
    for name, judge in {**bench.verifiers, **bench.facenets}.items():
        embedded = torch.cat([judge.embed(part) for part in photos.split(CHUNK)])
        distances = torch.cdist(embedded, embedded)[~torch.eye(len(embedded), dtype=torch.bool)]
        found[f"identity_distance {name}"] = round(float(distances.mean()), 4) if len(distances) else None
    return found
