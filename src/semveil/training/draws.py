# SPDX-License-Identifier: Apache-2.0
"""Random numbers of a training, drawn on the CPU and moved to the device of the networks.

On the CPU, a seed gives the same numbers on every machine.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from semveil.core.device import CPU
from semveil.training.processes import ALONE, Processes


@dataclass(frozen=True)
class Draws:
    """Random numbers for this process's rows of a batch; every process draws those of the whole batch.

    Attributes:
        rng: generator on the CPU.
        device: device of the results.
        processes: this process among those of the run.

    Example:
        >>> Draws(torch.Generator().manual_seed(0)).uniform(2, 3).shape
        torch.Size([2, 3])
    """

    rng: torch.Generator
    device: torch.device = CPU
    processes: Processes = ALONE

    def uniform(self, rows: int, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Uniform numbers in [low, high), (rows, *shape).

        Args:
            rows: this process's rows of the batch.
            shape: shape of a row.
            low: lower end.
            high: upper end.
        """
        drawn = torch.rand(rows * self.processes.count, *shape, generator=self.rng) * (high - low) + low
        return self.processes.share(drawn).to(self.device)

    def normal(self, rows: int, *shape: int) -> Tensor:
        """Standard normal numbers, (rows, *shape).

        Args:
            rows: this process's rows of the batch.
            shape: shape of a row.
        """
        drawn = torch.randn(rows * self.processes.count, *shape, generator=self.rng)
        return self.processes.share(drawn).to(self.device)

    def chance(self, probability: float, rows: int, *shape: int) -> Tensor:
        """Independent Bernoulli draws, (rows, *shape) bool.

        Args:
            probability: probability of True.
            rows: this process's rows of the batch.
            shape: shape of a row.
        """
        return self.uniform(rows, *shape) < probability
