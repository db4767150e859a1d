# SPDX-License-Identifier: Apache-2.0
"""Linkage of two transmissions of the same photo."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.attacks.intervals import Score, resampled
from semveil.attacks.observation import PublicKnowledge


@dataclass(frozen=True)
class Linkage:
    """Probability that Eve ranks the right transmission above a wrong one: 0.5 for guessing, 1 at best.

    Attributes:
        private: based on the direction of the private block.
        length: based on the length of the private block, which a pure rotation would keep.
        common: based on the common codes; None if all codes are private.
        everything: based on all codes.
    """

    private: Score
    length: Score
    common: Score | None
    everything: Score


def link(first: Tensor, second: Tensor, public: PublicKnowledge) -> Linkage:
    """Linkability of two transmissions of the same photo, as the mean area under the ROC curve.

    For each photo, the second transmissions are ranked by similarity to its first one; the area under the ROC
    curve is averaged over photos. Similarity is the correlation of blocks, with coordinates standardised over
    all receptions.

    Args:
        first: (B, K, D) received codes of B > 2 different photos.
        second: (B, K, D) received codes of a second transmission; row b is of the same photo.
        public: public knowledge, for the private codes.

    Raises:
        ValueError: different shapes, or too few photos.
    """
    if first.shape != second.shape or first.ndim != 3 or len(first) < 3:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ValueError(f"linkage takes two receptions (B, K, D) of the same B > 2 photos, got {shapes}")
    private, common = public.private, public.common
    lengths = [x[:, private].flatten(1).norm(dim=1) for x in (first, second)]
    return Linkage(
        private=_area(_likeness(first[:, private], second[:, private])),
        length=_area(-(lengths[0][:, None] - lengths[1]).abs()),
        common=_area(_likeness(first[:, common], second[:, common])) if common else None,
        everything=_area(_likeness(first, second)),
    )


def _likeness(first: Tensor, second: Tensor) -> Tensor:
    """Correlations (B, B) of every first with every second block."""
    a, b = first.flatten(1).double(), second.flatten(1).double()
    seen = torch.cat([a, b])
    mean, std = seen.mean(0), seen.std(0).clamp_min(1e-12)
    return F.normalize((a - mean) / std, dim=1) @ F.normalize((b - mean) / std, dim=1).T


def _area(scores: Tensor) -> Score:
    """Mean over photos of the share of wrong candidates that score below the right one; ties count half."""
    right = scores.diagonal()[:, None]
    below = (scores < right).double() + 0.5 * (scores == right).double()
    shares = ((below.sum(1) - 0.5) / (len(scores) - 1)).numpy()  # the right candidate ties with itself
    return resampled(lambda rows: float(np.mean(shares[rows])), len(shares))
