# SPDX-License-Identifier: Apache-2.0
"""Metrics of protected images, JSON-ready: one value per photo."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from semveil.core.results import rounded
from semveil.experiments.kit.latent_bench import LatentBench
from semveil.experiments.kit.picture_grid import save_picture
from semveil.link.measure import compare
from semveil.metrics import ald, face_detected, fppsr, identity_similarity, l2

KEPT_DRAWS = 10


def identity(bench: LatentBench, reference: Tensor, images: Tensor) -> dict[str, list[float]]:
    """Similarity on the recogniser's own scale, and its decision.

    Args:
        bench: bench with the recogniser.
        reference: (N, 3, S, S) in [-1, 1], images of the same people.
        images: (N, 3, S, S), clamped to [-1, 1].

    Returns:
        `identity_similarity` and `fppsr` (1: another person), one value per image.
    """
    shown = images.clamp(-1, 1)
    return {
        "identity_similarity": identity_similarity(reference, shown, bench.verifier).tolist(),
        "fppsr": fppsr(reference, shown, bench.verifier).tolist(),
    }


def looks(
    bench: LatentBench, images: Tensor, inverted: Tensor | None = None, *, detect: bool = True
) -> dict[str, Any]:
    """All metrics of images against the bench's photos, one value per photo.

    Args:
        bench: bench with the photos and the recogniser.
        images: (N, 3, S, S), one for each photo.
        inverted: inversions without noise; if given, identity is compared with them too.
        detect: run face detection, the slowest measurement, on the first images (the preset's `detected`).
    """
    source, shown = bench.photos.images, images.clamp(-1, 1)
    columns = compare(source, shown, bench.verifier, detect=False)
    columns |= {"l2": l2(source, shown).tolist(), "ald_inf": ald(source, shown, p=float("inf")).tolist()}
    if inverted is not None:
        judged = identity(bench, inverted.clamp(-1, 1), shown)
        columns |= {f"{name}_to_inversion": values for name, values in judged.items()}
    if detect:
        columns["face_detected"] = face_detected(shown[: bench.preset.detected]).float().tolist()
    return {name: rounded(value) if isinstance(value, list) else value for name, value in columns.items()}


def looks_and_distances(bench: LatentBench, images: Tensor) -> dict[str, Any]:
    """All metrics of images against the bench's photos, and the Frechet distances of the two sets.

    Args:
        bench: bench with the photos, the recogniser and the feature networks.
        images: (N, 3, S, S), one for each photo.
    """
    return {**looks(bench, images), **bench.features.distances(bench.moments, images)}


def pictured(
    bench: LatentBench, folder: Path, images: Tensor, name: str, said: dict[str, Any]
) -> list[dict[str, Any]]:
    """Save images of the bench's photos next to the JSON, and return a record of each.

    Args:
        bench: bench with the photos and the recogniser.
        folder: folder of the JSON.
        images: (N, 3, S, S), one for each photo.
        name: suffix of the file names.
        said: fields common to all records.
    """
    judged = identity(bench, bench.photos.images, images)
    found = face_detected(images.clamp(-1, 1)).float().tolist()
    return [
        {
            "source": photo,
            **said,
            "file": save_picture(folder, f"{i + 1}-{name}", images[i]),
            "identity_similarity": round(judged["identity_similarity"][i], 4),
            "fppsr": judged["fppsr"][i],
            "face_detected": found[i],
        }
        for i, photo in enumerate(bench.photos.ids)
    ]


def over_draws(rows: list[list[float]]) -> list[Any]:
    """Values (draws, photos) as stored in results.

    A single draw is stored as (photos,). More than ten draws are stored as the means of ten groups of draws,
    not of all draws, because intervals are over photos and draws.

    Args:
        rows: one or more draws, each with a value for every photo.

    Example:
        >>> over_draws([[1.0, 2.0]]), over_draws([[1.0, 2.0], [3.0, 4.0]])
        ([1.0, 2.0], [[1.0, 2.0], [3.0, 4.0]])
        >>> len(over_draws([[1.0, 2.0]] * 100))
        10
    """
    groups = np.array_split(np.asarray(rows, float), min(len(rows), KEPT_DRAWS))
    found = [rounded(np.mean(group, 0).tolist()) for group in groups]
    return found[0] if len(found) == 1 else found
