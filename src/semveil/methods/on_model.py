# SPDX-License-Identifier: Apache-2.0
"""Base class of the methods whose networks are those of one model."""

import copy
from typing import Any, Self

import torch

from semveil.methods.options import Shown


class OnModel(Shown):
    """Method that runs the networks of a model.

    Attributes:
        model: model with `size` and `to`.
    """

    model: Any

    @property
    def size(self) -> int:
        """Side of the input crops in pixels."""
        return int(self.model.size)

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Self:
        """Return the method with its networks on another device or in another precision.

        Exact noise stays on the CPU.

        Args:
            device: target device, such as `cuda:1`, see `core.device.choose_device`.
            dtype: float32 or float64.
        """
        there = copy.copy(self)
        there.model = self.model.to(device, dtype)
        return there
