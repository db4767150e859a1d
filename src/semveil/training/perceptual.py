# SPDX-License-Identifier: Apache-2.0
"""The perceptual term of training losses."""

from collections.abc import Callable

import torch
from torch import Tensor

from semveil.core.device import half_precision
from semveil.nn.lpips import LPIPS


def perceptual_distance(weight: float, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """LPIPS in half precision; zero, without needing LPIPS weights, if its loss weight is 0.

    Args:
        weight: weight of the term in the loss.
        device: device of the training.

    Returns:
        A function of two image batches (B, 3, S, S) in [-1, 1] that returns (B,).

    Raises:
        WeightsMissing: LPIPS is needed and its weights are not on this machine.
    """
    if weight == 0:
        return lambda a, b: a.new_zeros(len(a))
    distance = LPIPS.from_catalogue("alex").to(device)

    def half(a: Tensor, b: Tensor) -> Tensor:
        with half_precision(device):
            return distance(a, b).float()

    return half
