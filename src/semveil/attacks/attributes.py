# SPDX-License-Identifier: Apache-2.0
"""Attribute inference by a linear probe for one binary attribute."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from semveil.attacks.intervals import Score, auc, resampled
from semveil.attacks.ridge import Ridge


def infer_attribute(known: Tensor, labels: ArrayLike, attacked: Tensor, truth: ArrayLike) -> Score:
    """AUC of a linear probe from codes to a binary attribute; 0.5 for guessing.

    The probe is a ridge regression whose penalty is selected by leave-one-out error.

    Args:
        known: (N, ...) codes of people whose attribute Eve knows, received in the same way as `attacked`.
        labels: N booleans, both classes present.
        attacked: (M, ...) codes of other people, e.g. the common codes of a received signal.
        truth: M booleans, both classes present.

    Returns:
        AUC on the attacked codes with a bootstrap interval over photos.

    Raises:
        ValueError: labels of the wrong shape or all equal.
    """
    told, true = _checked(labels, len(known), "labels"), _checked(truth, len(attacked), "truth")
    signs = torch.tensor(np.where(told, 1.0, -1.0), dtype=known.dtype)[:, None]
    scores = Ridge.fit(known.flatten(1), signs)(attacked.flatten(1))[:, 0].numpy()

    def area(rows: NDArray[np.intp]) -> float:
        chosen, kinds = scores[rows], true[rows]
        return auc(chosen[kinds], chosen[~kinds]) if 0 < kinds.sum() < kinds.size else float("nan")

    return resampled(area, len(scores))


def _checked(labels: ArrayLike, count: int, name: str) -> NDArray[np.bool_]:
    flags = np.asarray(labels, bool)
    if flags.shape != (count,) or not 0 < flags.sum() < count:
        raise ValueError(
            f"{name} must be {count} booleans of both kinds, got shape {flags.shape} with {flags.sum()} true"
        )
    return flags
