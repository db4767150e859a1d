# SPDX-License-Identifier: Apache-2.0
"""Data-parallel training by several processes, as started by torchrun.

Each process computes its rows of every batch. All draw the same random numbers and hold the same weights.
Gradients and batch norm statistics are averaged over the processes, so a run of several equals the run of
one, except for rounding. (`DistributedDataParallel` assumes one backward pass per forward pass, which does
not hold for a step with a discriminator; StyleGAN2's own code also averages by hand.)
"""

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from semveil.core.device import AUTO, DeviceError, choose_device

PAIR = 2  # rows kept together: every second row of all shares is every second row of the batch
PARTS = 4  # batch sizes are multiples of this per process, so that fractions of a batch are shared evenly


@dataclass(frozen=True)
class Processes:
    """This process among those of a run; by default the only one.

    Attributes:
        rank: number of this process, from 0.
        count: number of processes.

    Example:
        >>> Processes(1, 2).share(torch.arange(8)).tolist()
        [2, 3, 6, 7]
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and output for the user."""
        return self.rank == 0

    def check_batch(self, batch: int) -> None:
        """Check that a batch can be divided among the processes.

        Args:
            batch: samples over all processes.

        Raises:
            ValueError: with several processes, the batch is not a multiple of 8 and of four times their
                number.
        """
        whole = math.lcm(8, PARTS * self.count)
        if self.count > 1 and batch % whole:
            raise ValueError(
                f"a batch of {batch} cannot be shared by {self.count} processes; take a multiple of {whole}"
            )

    def share(self, rows: Tensor) -> Tensor:
        """This process's rows of a batch, which is dealt out in pairs of rows.

        Args:
            rows: (N, ...), the batch of all processes.

        Returns:
            (N / count, ...).
        """
        if self.count == 1:
            return rows
        return rows.unflatten(0, (-1, self.count, PAIR))[:, self.rank].flatten(0, 1)

    def gather(self, rows: Tensor) -> Tensor:
        """Collect the whole batch from the shares of all processes, without gradient; the inverse of `share`.

        Args:
            rows: (N / count, ...).
        """
        if self.count == 1:
            return rows
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(self.count)]
        dist.all_gather(parts, rows.contiguous())
        return torch.stack([part.unflatten(0, (-1, PAIR)) for part in parts], 1).flatten(0, 2)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their means over all processes, in one message.

        Args:
            parameters: parameters; those without a gradient are skipped.
        """
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.count == 1 or not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, mean in zip(
            gradients, (flat / self.count).split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(mean.view_as(gradient))

    def agreed(self, yes: bool) -> bool:
        """Broadcast the first process's decision to all.

        Args:
            yes: this process's decision.
        """
        if self.count == 1:
            return yes
        said: list[Any] = [yes]
        dist.broadcast_object_list(said)
        return bool(said[0])

    def share_statistics(self, network: nn.Module) -> None:
        """Make all batch norms of a network use the statistics of the whole batch, in place.

        The weights stay the same objects.

        Args:
            network: its batch norms are replaced, unless the network itself is one.
        """
        if self.count == 1:
            return
        for parent in list(network.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.modules.batchnorm._BatchNorm):
                    setattr(parent, name, _WholeBatchNorm(child, self.count))


ALONE = Processes()


@contextmanager
def joined(device: str = AUTO) -> Iterator[tuple[Processes, torch.device]]:
    """Join the processes that torchrun started, each with its own GPU if the device is `auto` or `cuda`.

    Args:
        device: `auto`, `cpu`, `cuda` or a single GPU such as `cuda:1`, which several processes cannot share.

    Yields:
        This process and its device; a single process if torchrun started none.

    Raises:
        DeviceError: the device is not available, or is a single GPU for several processes.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE, choose_device(device)
        return
    chosen = choose_device(device)
    if chosen.index is not None:
        if ":" in device:
            raise DeviceError(
                f"each of {count} processes needs a GPU of its own; give {chosen.type} in place of {device}"
            )
        chosen = choose_device(f"{chosen.type}:{os.environ['LOCAL_RANK']}")
        torch.cuda.set_device(chosen)
    dist.init_process_group("gloo" if chosen.index is None else "nccl")
    try:
        yield Processes(dist.get_rank(), count), chosen
    finally:
        dist.destroy_process_group()


class _Summed(torch.autograd.Function):
    """Sum over the processes, of values and of gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


class _WholeBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over the rows of all processes (torch's `SyncBatchNorm` supports only GPUs)."""

    def __init__(self, one: nn.modules.batchnorm._BatchNorm, count: int) -> None:
        super().__init__(one.num_features, one.eps, one.momentum, one.affine, one.track_running_stats)
        self.weight, self.bias, self.count = one.weight, one.bias, count
        self.running_mean, self.running_var = one.running_mean, one.running_var
        self.num_batches_tracked = one.num_batches_tracked
        self.train(one.training)

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any number of dimensions."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        x, over = input.float(), [0, *range(2, input.ndim)]
        shape = [1, -1, *[1] * (input.ndim - 2)]
        mean = _Summed.apply(x.mean(over)) / self.count
        centred = x - mean.view(shape)
        variance = _Summed.apply(centred.square().mean(over)) / self.count
        with torch.no_grad():
            rows = self.count * x.numel() // x.shape[1]
            tracked, means, variances = self.num_batches_tracked, self.running_mean, self.running_var
            assert (
                tracked is not None
                and means is not None
                and variances is not None
                and self.momentum is not None
            )
            tracked.add_(1)
            means.lerp_(mean, self.momentum)
            variances.lerp_(variance * rows / (rows - 1), self.momentum)
        y = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            y = torch.addcmul(self.bias.view(shape), y, self.weight.view(shape))
        return y.to(input.dtype)
