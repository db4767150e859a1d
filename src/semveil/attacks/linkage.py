# SPDX-License-Identifier: Apache-2.0
"""Do two transmissions show the same photo?"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.attacks.intervals import Score, resampled
from semveil.attacks.observation import PublicKnowledge


@dataclass(frozen=True)
class Linkage:
    """How often Eve ranks the right transmission above a wrong one: 0.5 is guessing, 1 is always.

    Attributes:
        private: from the private block's direction.
        length: from the private block's length, which a protection that only turns the block would keep.
        common: from the common codes; None where all codes are private.
        everything: from all codes.
    """

    private: Score
    length: Score
    common: Score | None
    everything: Score


def link(first: Tensor, second: Tensor, public: PublicKnowledge) -> Linkage:
    """For each photo's first transmission: is its second one more alike than another photo's second one?

    The area under the ROC curve among the candidates for one photo, averaged over photos. Likeness is the correlation of
    blocks whose coordinates are centred and scaled by what Eve sees over all receptions.

    Args:
        first: (B, K, D) received; row b of both is of the same photo, B > 2 different photos.
        second: likewise.
        public: which codes are private.

    Raises:
        ValueError: shapes that differ, or too few photos.
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
    """(B, B) correlations of every first with every second block."""
    a, b = first.flatten(1).double(), second.flatten(1).double()
    seen = torch.cat([a, b])
    mean, std = seen.mean(0), seen.std(0).clamp_min(1e-12)
    return F.normalize((a - mean) / std, dim=1) @ F.normalize((b - mean) / std, dim=1).T


def _area(scores: Tensor) -> Score:
    """Mean over photos of the share of wrong candidates below the right one, ties counting half; (B, B) scores."""
    right = scores.diagonal()[:, None]
    below = (scores < right).double() + 0.5 * (scores == right).double()
    shares = ((below.sum(1) - 0.5) / (len(scores) - 1)).numpy()  # the right one ties with itself
    return resampled(lambda rows: float(np.mean(shares[rows])), len(shares))
