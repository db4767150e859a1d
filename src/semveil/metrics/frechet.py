# SPDX-License-Identifier: Apache-2.0
"""Distance between two sets of images: Frechet's, between the Gaussians that share the first two moments of their features.

Heusel et al., NeurIPS 2017. The value depends on the features and is named after them: `fid` only with the
official Inception network, `frechet_alexnet` with AlexNet. It is biased upwards for few images, the more the
longer the features: compare sets of one size, and state the size.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semveil.metrics.checks import check_images

CHUNK = 32  # images at a time


class FeatureNetwork(Protocol):
    """A network that maps images to features.

    Attributes:
        metric: name in results of a Frechet distance of these features, e.g. `fid`.
    """

    @property
    def metric(self) -> str: ...

    def __call__(self, images: Tensor) -> Tensor:
        """Features (B, D) of images (B, 3, H, W) in [-1, 1]."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance of the features of a set of images.

    Attributes:
        metric: of the network that gave the features.
        mean: (D,).
        covariance: (D, D), with divisor count - 1.
        count: images in the set.
    """

    metric: str
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    count: int

    @classmethod
    def of(cls, features: Tensor, *, metric: str) -> "Moments":
        """Sample mean and unbiased covariance, in float64.

        Args:
            features: (N, D), N >= 2.
            metric: name of the network's distance, stored with the moments.

        Raises:
            ValueError: `features` is not (N, D) with N >= 2, or an entry is NaN or infinite.

        Example:
            >>> moments = Moments.of(torch.tensor([[1.0], [3.0]]), metric="frechet_demo")
            >>> moments.mean, moments.covariance
            (array([2.]), array([[2.]]))
        """
        if features.ndim != 2 or len(features) < 2:
            raise ValueError(
                f"moments need the features of two or more images, (N, D), got {tuple(features.shape)}"
            )
        values = features.detach().cpu().double().numpy()
        broken = int((~np.isfinite(values)).any(1).sum())
        if broken:
            raise ValueError(f"the features of {broken} of {len(values)} images are NaN or infinite")
        centred = values - values.mean(0)
        return cls(metric, values.mean(0), centred.T @ centred / (len(values) - 1), len(values))

    @cached_property
    def root(self) -> NDArray[np.float64]:
        """The symmetric root of the covariance, (D, D)."""
        values, vectors = np.linalg.eigh(self.covariance)
        return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T


def moments(images: Tensor | Iterable[Tensor], network: FeatureNetwork) -> Moments:
    """Moments of the features of a set of images; those of a source set need computing once only.

    Args:
        images: (N, 3, H, W) in [-1, 1], or batches of them, which may differ in size.
        network: gives the features.

    Raises:
        ValueError: there are fewer than two images, or a batch is not (B, 3, H, W).
    """
    features: list[Tensor] = []
    with torch.no_grad():
        for batch in [images] if isinstance(images, Tensor) else images:
            check_images(batch)
            features += [network(part).float().cpu() for part in batch.split(CHUNK) if len(part)]
    if not features:
        raise ValueError("moments need the features of two or more images, got no image")
    return Moments.of(torch.cat(features), metric=network.metric)


def frechet_distance(a: Moments, b: Moments) -> float:
    """||m_a - m_b||^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), the squared 2-Wasserstein distance of two Gaussians.

    The trace of the root is that of (C_a^(1/2) C_b C_a^(1/2))^(1/2), which is symmetric: no complex numbers,
    and no need of more images than features.

    Args:
        a: of one set of images, such as the source; its root is kept for the next comparison.
        b: of the other, by the same network.

    Returns:
        The distance, >= 0, to be reported under the name `a.metric`.

    Raises:
        ValueError: the features are of two kinds.

    Example:
        >>> def gaussian(mean, variance):
        ...     return Moments("frechet_demo", np.array([mean]), np.array([[variance]]), 1000)
        >>> frechet_distance(gaussian(0.0, 1.0), gaussian(3.0, 4.0))  # 3^2 + (2 - 1)^2
        10.0
    """
    if a.metric != b.metric or a.mean.shape != b.mean.shape:
        raise ValueError(
            f"features must be of one kind, got {a.metric} of {len(a.mean)} dimensions and {b.metric} of "
            f"{len(b.mean)}"
        )
    overlap = np.sqrt(np.linalg.eigvalsh(a.root @ b.covariance @ a.root).clip(min=0)).sum()
    distance = (
        np.square(a.mean - b.mean).sum() + np.trace(a.covariance) + np.trace(b.covariance) - 2 * overlap
    )
    return max(float(distance), 0.0)  # rounding may leave -1e-12 of equal sets
