# SPDX-License-Identifier: Apache-2.0
"""The metrics as `torchmetrics.Metric`: means over batches, also across processes."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from semveil.metrics.checks import check_images
from semveil.metrics.distortion import l2
from semveil.metrics.frechet import CHUNK, FeatureNetwork, Moments, frechet_distance
from semveil.metrics.identity import fppsr, identity_similarity
from semveil.metrics.quality import psnr
from semveil.metrics.structure import ssim
from semveil.nn.lpips import LPIPS
from semveil.recognition.verifier import Verifier


class PairMetric(Metric):
    """Mean of a function of image pairs, `measure`, over all pairs.

    `update(source, received)` takes (B, 3, H, W) in [-1, 1]; `compute()` returns the mean over all pairs.
    """

    is_differentiable: bool | None = False
    full_state_update: bool | None = False
    total: Tensor
    count: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # options of torchmetrics, such as dist_sync_on_step
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    @abstractmethod
    def measure(self, source: Tensor, received: Tensor) -> Tensor:
        """Compute one value per pair.

        Args:
            source: (B, 3, H, W) in [-1, 1].
            received: the same shape.

        Returns:
            (B,).
        """

    def update(self, source: Tensor, received: Tensor) -> None:
        """Add a batch of pairs.

        Args:
            source: (B, 3, H, W) in [-1, 1].
            received: the same shape.
        """
        values = self.measure(source, received).detach().double()
        self.total += values.sum().to(self.total.device)
        self.count += len(values)

    def compute(self) -> Tensor:
        """Return the mean in float64; NaN before the first image."""
        return self.total / self.count


class PSNR(PairMetric):
    """Mean of `metrics.psnr`, in dB.

    Example:
        >>> metric = PSNR()
        >>> metric.update(torch.zeros(2, 3, 16, 16), torch.full((2, 3, 16, 16), 0.1))
        >>> round(metric.compute().item(), 1)
        26.0
    """

    higher_is_better: bool | None = True

    def measure(self, source: Tensor, received: Tensor) -> Tensor:
        """PSNR per pair, in dB."""
        return psnr(source, received)


class SSIM(PairMetric):
    """Mean of `metrics.ssim`."""

    higher_is_better: bool | None = True

    def measure(self, source: Tensor, received: Tensor) -> Tensor:
        """SSIM per pair."""
        return ssim(source, received)


class L2(PairMetric):
    """Mean of `metrics.l2`, in levels of 8-bit pixels."""

    higher_is_better: bool | None = False

    def measure(self, source: Tensor, received: Tensor) -> Tensor:
        """L2 distance per pair, in 8-bit levels."""
        return l2(source, received)


class LPIPSDistance(PairMetric):
    """Mean of LPIPS.

    Args:
        network: a loaded `LPIPS`.
    """

    higher_is_better: bool | None = False

    def __init__(self, network: LPIPS, **options: Any) -> None:
        super().__init__(**options)
        self.network = network

    def measure(self, source: Tensor, received: Tensor) -> Tensor:
        """LPIPS distance per pair."""
        with torch.no_grad():
            return self.network(source, received)


class FPPSR(PairMetric):
    """Share of pairs that a recogniser assigns to different people, see `metrics.fppsr`.

    Args:
        verifier: the recogniser with its threshold.
    """

    higher_is_better: bool | None = None  # good at Eve, bad at Bob

    def __init__(self, verifier: Verifier, **options: Any) -> None:
        super().__init__(**options)
        self.verifier = verifier

    def measure(self, source: Tensor, received: Tensor) -> Tensor:
        """1 for each pair that the verifier rejects, else 0."""
        return fppsr(source, received, self.verifier)


class IdentitySimilarity(PairMetric):
    """Mean of `metrics.identity_similarity`, on the recogniser's own scale.

    Args:
        verifier: the recogniser.
    """

    higher_is_better: bool | None = None

    def __init__(self, verifier: Verifier, **options: Any) -> None:
        super().__init__(**options)
        self.verifier = verifier

    def measure(self, source: Tensor, received: Tensor) -> Tensor:
        """Identity similarity per pair."""
        return identity_similarity(source, received, self.verifier)


class Frechet(Metric):
    """Frechet distance between all source and all received images, see `metrics.frechet_distance`.

    Lower is more similar.

    Args:
        network: feature network, such as `InceptionFeatures` for FID.
    """

    is_differentiable: bool | None = False
    higher_is_better: bool | None = False
    full_state_update: bool | None = False
    source: list[Tensor]
    received: list[Tensor]

    def __init__(self, network: FeatureNetwork, **options: Any) -> None:
        super().__init__(**options)
        self.network = network
        self.add_state("source", [], dist_reduce_fx="cat")
        self.add_state("received", [], dist_reduce_fx="cat")

    def update(self, source: Tensor, received: Tensor) -> None:
        """Add images to both sets; their numbers may differ.

        Args:
            source: (B, 3, H, W) in [-1, 1].
            received: (B', 3, H, W) in [-1, 1].

        Raises:
            ValueError: a batch is not (B, 3, H, W).
        """
        for images, kept in ((source, self.source), (received, self.received)):
            check_images(images)
            with torch.no_grad():
                kept += [self.network(part).float() for part in images.split(CHUNK) if len(part)]

    def compute(self) -> Tensor:
        """Return the distance in float64.

        Raises:
            ValueError: a set has fewer than two images.
        """
        a, b = (
            Moments.of(dim_zero_cat(kept), metric=self.network.metric)
            for kept in (self.source, self.received)
        )
        return torch.tensor(frechet_distance(a, b), dtype=torch.float64)
