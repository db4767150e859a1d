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
from semveil.experiments.identity_dp.bench import IdentityBench, in_chunks
from semveil.experiments.identity_dp.paper import TABLE_AMOUNTS
from semveil.experiments.identity_dp.presets import LITERAL, OURS, PUBLISHED
from semveil.experiments.kit.keeping import Keep, each
from semveil.methods.identity_dp import IdentityDP
from semveil.metrics import Moments, face_detected, fppsr, identity_distance, psnr, psr, sharpness, ssim

PAPER_EPSILONS = (6.0, 0.57)  # of Tables I to III


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
        bench: provides the seed.
    """

    def made(name: str, amount: float, reading: str, photos: Tensor) -> Tensor:
        return baseline(name, amount, photos, reading=reading, rng=streams(bench.preset.seed)["dp 0"])

    rows = []
    for reading in READINGS:
        for name, amount in TABLE_AMOUNTS:
            said = {"method": name, "amount": amount, "reading": reading, "guarantee": None}
            rows.append(Row(said, partial(made, name, amount, reading)))
    return rows


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
    source = bench.features.of(bench.photos.images)
    return each({row.key: partial(_measured, bench, row, source) for row in rows}, keep, progress, "compare")


def _measured(bench: IdentityBench, row: Row, source: Mapping[str, Moments]) -> dict[str, Any]:
    photos = bench.photos.images
    images = row.make(photos)
    columns = {**looks(bench, photos, images), **bench.features.distances(source, images)}
    return {**row.said, "images": columns}


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
    return in_chunks(lambda part: method.protect(part, rng=rng).images, photos).clamp(-1, 1)


def rebuilt(bench: IdentityBench, photos: Tensor) -> Tensor:
    """Reconstruct crops from their own identity and attributes, without noise.

    Args:
        bench: provides the model.
        photos: (N, 3, S, S) in [-1, 1].

    Returns:
        (N, 3, S, S) in [-1, 1].
    """
    identify, attributes, fuse = bench.model.identify, bench.model.attributes, bench.model.fuse
    return in_chunks(lambda part: fuse(identify(part), attributes(part)), photos).clamp(-1, 1)


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
        `identity_distance NAME` and `protected NAME` for every recogniser, `psr` against the independent
        ones, `psnr`, `ssim`, `sharpness` inside the face, `face_detected`.
    """
    metrics: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        **{f"identity_distance {n}": partial(identity_distance, verifier=v) for n, v in bench.judges.items()},
        **{f"protected {n}": partial(fppsr, verifier=v) for n, v in bench.verifiers.items()},
        "psr": partial(psr, verifiers=bench.independent),
        "psnr": psnr,
        "ssim": ssim,
        "sharpness": sharpness,
    }
    columns = {name: rounded(in_chunks(metric, source, images).tolist()) for name, metric in metrics.items()}
    looked = images[: bench.preset.detected if detected is None else detected]
    return {**columns, "face_detected": _found(looked)}


def found_in_photos(bench: IdentityBench) -> dict[str, Any]:
    """Whether faces are detected in the photos themselves, as stored in results.

    Args:
        bench: provides the photos; the preset limits their number.
    """
    return {"face_detected": _found(bench.photos.images[: bench.preset.detected])}


def _found(images: Tensor) -> list[float]:
    return face_detected(images).float().tolist()


def other_people(bench: IdentityBench) -> dict[str, Any]:
    """Mean identity distance between different photos, as a reference.

    Args:
        bench: provides photos and recognisers.

    Returns:
        `identity_distance NAME` for every recogniser; None for a single photo.
    """
    found = {}
    for name, judge in bench.judges.items():
        embedded = in_chunks(judge.embed, bench.photos.images)
        distances = torch.cdist(embedded, embedded)[~torch.eye(len(embedded), dtype=torch.bool)]
        found[f"identity_distance {name}"] = round(float(distances.mean()), 4) if len(distances) else None
    return found
