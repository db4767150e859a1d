# SPDX-License-Identifier: Apache-2.0
"""Frechet distance between two sets of images: that of Gaussians fitted to their features.

Heusel et al., NeurIPS 2017. The value depends on the features and is named after them: `fid` only with the
official Inception network, `frechet_alexnet` with AlexNet. It is biased upwards for few images, more so in
higher feature dimensions: compare sets of the same size, and report the size.
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
        metric: name in results of the Frechet distance of these features, e.g. `fid`.
    """

    @property
    def metric(self) -> str: ...

    def __call__(self, images: Tensor) -> Tensor:
        """Features (B, D) of images (B, 3, H, W) in [-1, 1]."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance of the features of a set of images.

    Attributes:
        metric: metric name of the feature network.
        mean: (D,).
        covariance: (D, D), with divisor count - 1.
        count: number of images.
    """

    metric: str
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    count: int

    @classmethod
    def of(cls, features: Tensor, *, metric: str) -> "Moments":
        """Compute the sample mean and unbiased covariance, in float64.

        Args:
            features: (N, D), N >= 2.
            metric: metric name of the feature network.

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
    """Compute the moments of the features of a set of images; reuse those of a source set.

    Args:
        images: (N, 3, H, W) in [-1, 1], or batches of them, which may differ in size.
        network: the feature network.

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
    """Squared 2-Wasserstein distance of two Gaussians, ||m_a - m_b||^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)).

    The trace of the root is computed as that of (C_a^(1/2) C_b C_a^(1/2))^(1/2), which is symmetric, so it
    stays real, and fewer images than features suffice.

    Args:
        a: moments of one set of images, such as the source; its matrix root is cached.
        b: moments of the other set, by the same network.

    Returns:
        The distance, >= 0, to be reported under the name `a.metric`.

    Raises:
        ValueError: the features come from different networks.

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
    return max(float(distance), 0.0)  # rounding may give -1e-12 for equal sets
