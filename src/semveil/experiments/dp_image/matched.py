# SPDX-License-Identifier: Apache-2.0
"""Methods at equal identity similarity, with strengths tuned to the target similarity."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.latent_bench import LatentBench
from semveil.experiments.kit.latent_measures import looks_and_distances
from semveil.methods.baselines import DPSVD, Blur, DPPix, Mosaic, PixelNoise
from semveil.methods.dp_image import DPImage
from semveil.methods.release import Release
from semveil.metrics import identity_similarity

DP_PIX_CELLS = 32  # cells along a side, as in [DPPix]
DP_SVD_SHARE = 4  # one in this many singular values is kept


@dataclass(frozen=True)
class Candidate:
    """A method with one parameter to tune.

    Attributes:
        name: of the method.
        amount: description of the tuned parameter; larger values make faces less similar.
        low, high: search interval.
        protect: protects the bench's photos with an amount.
        whole: whether the amount must be an integer.
        fixed: description of the other settings.
    """

    name: str
    amount: str
    low: float
    high: float
    protect: Callable[[float], Release]
    whole: bool = False
    fixed: str = ""


def _candidates(bench: LatentBench) -> list[Candidate]:
    """dp-image and the methods that [DPI] compares or discusses, all with the same noise stream."""
    photos, size = bench.photos.images, bench.model.size
    block = max(1, size // DP_PIX_CELLS)
    rank = max(1, size // DP_SVD_SHARE)

    def dp_image(scale: float) -> Release:
        rng = streams(bench.preset.seed)["dp 0"]
        return DPImage(bench.model, scale=scale).protect_latents(bench.latents, rng=rng)

    def baseline(build: Callable[[float], Any]) -> Callable[[float], Release]:
        return lambda amount: build(amount).protect(photos, rng=streams(bench.preset.seed)["dp 0"])

    def dp_pix(noise: float) -> DPPix:
        return DPPix(epsilon=3 * 255 * 16 / (noise * block**2), block=block, size=size)

    return [
        Candidate("blur", "sigma in pixels", 0.2, size / 4, baseline(lambda a: Blur(sigma=a, size=size))),
        Candidate(
            "mosaic", "cell in pixels", 1, size // 2, baseline(lambda a: Mosaic(block=int(a), size=size)),
            whole=True,
        ),
        Candidate(
            "pixel-noise", "sigma in levels", 1, 1000, baseline(lambda a: PixelNoise(sigma=a, size=size)),
        ),
        Candidate(
            "dp-pix", "scale on a cell's mean in levels", 0.5, 2000, baseline(dp_pix),
            fixed=f"cells of {block} px",
        ),
        Candidate(
            "dp-svd", "scale in levels", 1, 100_000, baseline(lambda a: DPSVD(scale=a, rank=rank, size=size)),
            fixed=f"{rank} singular values of each colour",
        ),
        Candidate("dp-image", "scale in latent units", 0.01, 3, dp_image),
    ]  # fmt: skip


def measured(bench: LatentBench, target: float, progress: Progress, keep: Keep) -> list[dict[str, Any]]:
    """Measure every candidate with all metrics, at the amount that meets the target similarity.

    An integer amount does not meet it exactly, so the two nearest are reported, the more similar first.

    Args:
        bench: provides photos, model and recogniser.
        target: mean identity similarity to the photos, on the recogniser's own scale.
        progress: progress callback, by methods.
        keep: stores the rows of each method.

    Returns:
        One row per method, two for integer amounts.
    """
    jobs = {candidate.name: partial(_rows, bench, candidate, target) for candidate in _candidates(bench)}
    return [row for rows in each(jobs, keep, progress, "search") for row in rows]


def _rows(bench: LatentBench, candidate: Candidate, target: float) -> list[dict[str, Any]]:
    return [
        {
            "method": candidate.name,
            "amount": round(amount, 4),
            "amount_is": candidate.amount,
            "fixed": candidate.fixed,
            "guarantee": release.guarantee.as_dict(),
            "images": looks_and_distances(bench, release.images),
        }
        for amount, release in search(bench, candidate, target)
    ]


def search(bench: LatentBench, candidate: Candidate, target: float) -> list[tuple[float, Release]]:
    """Tune the amount by bisection on a logarithmic scale.

    Args:
        bench: provides the photos to protect.
        candidate: method to tune.
        target: mean similarity, on the scale of the bench's recogniser.

    Returns:
        The nearest amount tried, or the two integers around the target, with their releases.
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
