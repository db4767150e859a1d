# SPDX-License-Identifier: Apache-2.0
"""Rows of [IDP]'s tables: the compared methods and all their metrics, JSON-ready, one value per photo."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from semveil.core.digests import digest_of_json
from semveil.core.progress import Progress
from semveil.core.results import rounded
from semveil.core.rng import streams
from semveil.experiments.identity_dp.baselines import READINGS, baseline
from semveil.experiments.identity_dp.bench import CHUNK, IdentityBench
from semveil.experiments.identity_dp.paper import TABLE_AMOUNTS
from semveil.experiments.identity_dp.presets import LITERAL, OURS, PUBLISHED
from semveil.experiments.kit.keeping import Keep, each
from semveil.methods.identity_dp import IdentityDP
from semveil.metrics import Moments, face_detected, fppsr, identity_distance, psnr, psr, sharpness, ssim

PAPER_EPSILONS = (6.0, 0.57)  # of Tables I to III
IN_TRAINING = ("bundled",)  # the model was trained to deceive it, so `psr` excludes it


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        said: description in the JSON: method, setting, guarantee.
        make: maps photos (B, 3, S, S) to pictures in [-1, 1].
    """

    said: dict[str, Any]
    make: Callable[[Tensor], Tensor]

    @property
    def key(self) -> str:
        """Key under which the measurements are stored."""
        return digest_of_json(self.said)[:16]


def own_rows(bench: IdentityBench) -> list[Row]:
    """identity-dp without noise, and with the default and the paper's noise at the paper's epsilons.

    Args:
        bench: provides the model and the seed; with a single photo the paper's noise is omitted, because its
            sensitivity is observed over pairs.
    """
    rows = [Row({"method": "identity-dp", "setting": "no noise", "guarantee": None}, partial(rebuilt, bench))]
    # the paper's noise needs a positive distance between photos
    for how in (OURS, PUBLISHED, LITERAL) if bench.sensitivity > 0 else (OURS,):
        for epsilon in PAPER_EPSILONS:
            method = bench.method(epsilon, how)
            said = {"method": "identity-dp", "setting": how, **claim(method)}
            rows.append(Row(said, partial(protected, bench, method)))
    return rows


def baseline_rows(bench: IdentityBench) -> list[Row]:
    """The paper's traditional methods, in both readings.

    Args:
        bench: loaded inputs of the run.
    """
    rows = []
    for reading in READINGS:
        for name, amount in TABLE_AMOUNTS:
            said = {"method": name, "amount": amount, "reading": reading, "guarantee": None}
            rows.append(Row(said, partial(_baseline, bench, name, amount, reading)))
    return rows


def _baseline(bench: IdentityBench, name: str, amount: float, reading: str, photos: Tensor) -> Tensor:
    return baseline(name, amount, photos, reading=reading, rng=streams(bench.preset.seed)["dp 0"])


def measured(
    bench: IdentityBench, rows: Sequence[Row], progress: Progress, keep: Keep
) -> list[dict[str, Any]]:
    """Measure all metrics of every row.

    Args:
        bench: provides photos and recognisers.
        rows: to create and measure.
        progress: progress callback, by rows.
        keep: stores each row under its key.
    """
    photos = bench.photos.images
    source = bench.features.of(photos)
    return each({row.key: partial(_measured, bench, row, source) for row in rows}, keep, progress, "compare")


def _measured(bench: IdentityBench, row: Row, source: Mapping[str, Moments]) -> dict[str, Any]:
    photos = bench.photos.images
    images = row.make(photos)
    return {
        **row.said,
        "images": {**looks(bench, photos, images), **bench.features.distances(source, images)},
    }


def claim(method: IdentityDP) -> dict[str, Any]:
    """Guarantee of a method in a run, where the noise is simulated, and of a release.

    Args:
        method: with its nominal epsilon.

    Returns:
        JSON-ready: `nominal_epsilon`, the `guarantee` with simulated noise, and that `of_a_release`.
    """
    return {
        "nominal_epsilon": method.nominal_epsilon,
        "guarantee": method.guarantee(simulated=True).as_dict(),
        "of_a_release": method.guarantee().as_dict(),
    }


def protected(bench: IdentityBench, method: IdentityDP, photos: Tensor, *, draw: int = 0) -> Tensor:
    """Protect crops with a method; all methods use the same noise stream.

    Args:
        bench: provides the seed.
        method: identity-dp method.
        photos: (N, 3, S, S) in [-1, 1].
        draw: number of the noise stream.

    Returns:
        (N, 3, S, S) in [-1, 1].
    """
    rng = streams(bench.preset.seed)[f"dp {draw}"]
    return torch.cat([method.protect(part, rng=rng).images for part in photos.split(CHUNK)]).clamp(-1, 1)


def rebuilt(bench: IdentityBench, photos: Tensor) -> Tensor:
    """Reconstruct crops from their own identity and attributes, without noise.

    Args:
        bench: provides the model.
        photos: (N, 3, S, S) in [-1, 1].

    Returns:
        (N, 3, S, S) in [-1, 1].
    """
    model = bench.model
    return torch.cat(
        [model.fuse(model.identify(part), model.attributes(part)) for part in photos.split(CHUNK)]
    ).clamp(-1, 1)


def looks(
    bench: IdentityBench, source: Tensor, images: Tensor, *, detected: int | None = None
) -> dict[str, Any]:
    """Compute every metric of [IDP] V-B between photos and their protected pictures.

    Args:
        bench: provides the recognisers.
        source: photos (B, 3, S, S) in [-1, 1].
        images: protected pictures of the same shape.
        detected: number of pictures, from the first, for face detection; None uses the preset's.

    Returns:
        `identity_distance NAME` and `protected NAME` for every recogniser, `psr` against all of them except
        `IN_TRAINING`, `psnr`, `ssim`, `sharpness` inside the face, `face_detected`.
    """
    columns: dict[str, list[float | None]] = {}
    for name, judge in {**bench.verifiers, **bench.facenets}.items():
        columns[f"identity_distance {name}"] = _of_chunks(
            source, images, lambda a, b, v=judge: identity_distance(a, b, v)
        )
    for name, judge in bench.verifiers.items():
        columns[f"protected {name}"] = _of_chunks(source, images, lambda a, b, v=judge: fppsr(a, b, v))
    judges = independent(bench)
    columns["psr"] = _of_chunks(source, images, lambda a, b: psr(a, b, judges))
    columns["psnr"], columns["ssim"] = _of_chunks(source, images, psnr), _of_chunks(source, images, ssim)
    columns["sharpness"] = _of_chunks(source, images, sharpness)
    columns["face_detected"] = (
        face_detected(images[: bench.preset.detected if detected is None else detected]).float().tolist()
    )
    return {name: rounded(values) for name, values in columns.items()}


def independent(bench: IdentityBench) -> list[Any]:
    """Recognisers that had no part in training the model, or all if there are none.

    Args:
        bench: loaded inputs of the run.
    """
    found = [judge for name, judge in bench.verifiers.items() if name not in IN_TRAINING]
    return found or list(bench.verifiers.values())


def _of_chunks(source: Tensor, images: Tensor, metric: Any) -> list[float | None]:
    return torch.cat(
        [metric(a, b) for a, b in zip(source.split(CHUNK), images.split(CHUNK), strict=True)]
    ).tolist()


def other_people(bench: IdentityBench) -> dict[str, Any]:
    """Mean identity distance between different photos, as a reference.

    Args:
        bench: provides photos and recognisers.

    Returns:
        `identity_distance NAME` for every recogniser; None for a single photo.
    """
    photos, found = bench.photos.images, {}
    for name, judge in {**bench.verifiers, **bench.facenets}.items():
        embedded = torch.cat([judge.embed(part) for part in photos.split(CHUNK)])
        distances = torch.cdist(embedded, embedded)[~torch.eye(len(embedded), dtype=torch.bool)]
        found[f"identity_distance {name}"] = round(float(distances.mean()), 4) if len(distances) else None
    return found
