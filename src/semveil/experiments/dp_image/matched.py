# SPDX-License-Identifier: Apache-2.0
"""Methods at equal identity similarity: the strength of each is searched until it reaches the target similarity."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.latent_bench import LatentBench
from semveil.experiments.kit.latent_measures import looks
from semveil.methods.baselines import DPSVD, Blur, DPPix, Mosaic, PixelNoise
from semveil.methods.dp_image import DPImage
from semveil.methods.release import Release
from semveil.metrics import Moments, identity_similarity

DP_PIX_CELLS = 32  # of [DPPix], along a side
DP_SVD_SHARE = 4  # of the singular values, one in so many is kept


@dataclass(frozen=True)
class Candidate:
    """A method with one amount to search.

    Attributes:
        name: of the method.
        amount: what is searched, in words; more of it makes faces less alike.
        low, high: where it is searched.
        whole: whether it must be a whole number.
        protect: the bench's photos under an amount.
        fixed: other settings, in words.
    """

    name: str
    amount: str
    low: float
    high: float
    protect: Callable[[float], Release]
    whole: bool = False
    fixed: str = ""


def candidates(bench: LatentBench) -> list[Candidate]:
    """dp-image and what [DPI] compares it with or discusses; every evaluation draws the same noise.

    Args:
        bench: gives the photos, the model and the seed of the noise.
    """
    photos, size = bench.photos.images, bench.model.size
    block = max(1, size // DP_PIX_CELLS)
    rank = max(1, size // DP_SVD_SHARE)

    def dp_image(scale: float) -> Release:
        return DPImage(bench.model, scale=scale).protect_latents(
            bench.latents, rng=streams(bench.preset.seed)["dp 0"]
        )

    def baseline(build: Callable[[float], Any]) -> Callable[[float], Release]:
        return lambda amount: build(amount).protect(photos, rng=streams(bench.preset.seed)["dp 0"])

    def dp_pix(noise: float) -> DPPix:
        return DPPix(epsilon=3 * 255 * 16 / (noise * block**2), block=block, size=size)

    return [
        Candidate("blur", "sigma in pixels", 0.2, size / 4, baseline(lambda a: Blur(sigma=a, size=size))),
        Candidate(
            "mosaic",
            "cell in pixels",
            1,
            size // 2,
            baseline(lambda a: Mosaic(block=int(a), size=size)),
            whole=True,
        ),
        Candidate(
            "pixel-noise", "sigma in levels", 1, 1000, baseline(lambda a: PixelNoise(sigma=a, size=size))
        ),
        Candidate(
            "dp-pix",
            "scale on a cell's mean in levels",
            0.5,
            2000,
            baseline(dp_pix),
            fixed=f"cells of {block} px",
        ),
        Candidate(
            "dp-svd",
            "scale in levels",
            1,
            100_000,
            baseline(lambda a: DPSVD(scale=a, rank=rank, size=size)),
            fixed=f"{rank} singular values of each colour",
        ),
        Candidate("dp-image", "scale in latent units", 0.01, 3, dp_image),
    ]


def measured(bench: LatentBench, target: float, progress: Progress, keep: Keep) -> list[dict[str, Any]]:
    """Every candidate at the amount that meets the target similarity, with all metrics.

    A whole amount meets it nowhere, so both that it lies between are given, the more alike first.

    Args:
        bench: photos, model and recogniser.
        target: mean identity similarity to the photos, on the recogniser's own scale.
        progress: told which method is being searched.
        keep: keeps the rows of a method.

    Returns:
        One row for each method, two where a whole amount lies on either side.
    """
    source = bench.features.of(bench.photos.images)
    jobs = {
        candidate.name: partial(_rows, bench, candidate, target, source) for candidate in candidates(bench)
    }
    return [row for rows in each(jobs, keep, progress, "search") for row in rows]


def _rows(
    bench: LatentBench, candidate: Candidate, target: float, source: Mapping[str, Moments]
) -> list[dict[str, Any]]:
    return [
        {
            "method": candidate.name,
            "amount": round(amount, 4),
            "amount_is": candidate.amount,
            "fixed": candidate.fixed,
            "guarantee": release.guarantee.as_dict(),
            "images": {**looks(bench, release.images), **bench.features.distances(source, release.images)},
        }
        for amount, release in search(bench, candidate, target)
    ]


def search(bench: LatentBench, candidate: Candidate, target: float) -> list[tuple[float, Release]]:
    """Bisection over the amount's logarithm: the nearest amount tried, or the two whole numbers around the target.

    Args:
        bench: whose photos are protected.
        candidate: whose amount is searched.
        target: mean similarity, on the scale of the bench's recogniser.
    """
    if candidate.whole:
        return _search_whole(bench, candidate, target)
    best: tuple[float, float, Release] | None = None
    low, high = candidate.low, candidate.high
    for _ in range(bench.preset.search_steps):
        middle = math.sqrt(low * high)
        release = candidate.protect(middle)
        value = _similarity(bench, release.images)
        if best is None or abs(value - target) < best[0]:
            best = abs(value - target), middle, release
        low, high = (middle, high) if value > target else (low, middle)
    assert best is not None
    return [best[1:]]


def _search_whole(bench: LatentBench, candidate: Candidate, target: float) -> list[tuple[float, Release]]:
    low, high = round(candidate.low), round(candidate.high)
    while high - low > 1:
        middle = min(max(round(math.sqrt(low * high)), low + 1), high - 1)
        if _similarity(bench, candidate.protect(middle).images) > target:
            low = middle
        else:
            high = middle
    return [(float(amount), candidate.protect(amount)) for amount in (low, high)]


def _similarity(bench: LatentBench, images: Tensor) -> float:
    return float(identity_similarity(bench.photos.images, images.clamp(-1, 1), bench.verifier).mean())
