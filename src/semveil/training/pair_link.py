# SPDX-License-Identifier: Apache-2.0
"""Common part of all pair trainings: checks, epochs, and the link between the two networks."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from semveil.channels import denormalise_power, normalise_power, pack, parse_link, unpack
from semveil.channels.wiretap import AnyChannel, over
from semveil.protection.pair import PairSettings, TrainedPair

Report = Callable[[int, int, float], None]
"""Called with the epochs done, the number of epochs and the mean loss of the last epoch."""


def silent(epoch: int, epochs: int, loss: float) -> None:
    """A `Report` without output.

    Args:
        epoch: epochs done.
        epochs: number of epochs.
        loss: mean loss of the last epoch.
    """


@dataclass(frozen=True, eq=False)
class Passed:
    """Result of one pass through the link.

    Attributes:
        protected: transmitted block (B, m, D).
        symbols: (B, N) of unit power.
        restored: Bob's codes (B, K, D).
    """

    protected: Tensor
    symbols: Tensor
    restored: Tensor


@dataclass(frozen=True, eq=False)
class PairLink:
    """Alice's and Bob's networks with merging, power normalisation and channel in between, as in operation.

    If the SNR is a range, each latent has its own draw.

    Args:
        pair: the pair under training.
        channel: any `channel(symbols, snr_db, rng) -> received, state`; that of the pair's settings where
            None.
        rng: source of SNR and channel noise.
    """

    pair: TrainedPair
    channel: AnyChannel | None
    rng: torch.Generator

    @cached_property
    def _channel(self) -> AnyChannel | None:
        named = self.pair.settings.channel
        return parse_link(named) if self.channel is None and named != "awgn" else self.channel

    def __call__(self, latents: Tensor) -> Passed:
        """Transmit clipped latents (B, K, D) to Bob."""
        codes = list(self.pair.settings.codes)
        protected = self.pair.protect(latents[:, codes])
        sent = latents.clone()
        sent[:, codes] = protected
        symbols, gain = normalise_power(pack(sent.flatten(1)))
        low, high = self.pair.settings.snrs_db
        snrs: float | Tensor = low
        if high > low:
            snrs = low + (high - low) * torch.rand(len(latents), generator=self.rng).to(latents.device)
        heard = over(self._channel, symbols, snrs, rng=self.rng)
        restored = unpack(denormalise_power(heard, gain)).view_as(latents).clone()
        restored[:, codes] = self.pair.deprotect(restored[:, codes])
        return Passed(protected, symbols, restored)


def check_training(latents: Tensor, settings: PairSettings) -> None:
    """Check the training data of a pair.

    Args:
        latents: (N, K, D), N at least 2.
        settings: settings of the pair, for D.

    Raises:
        ValueError: latents of another shape, or fewer than two.
    """
    if latents.ndim != 3 or latents.shape[2] != settings.style_dim or len(latents) < 2:
        raise ValueError(f"latents must be (N >= 2, K, {settings.style_dim}), got {tuple(latents.shape)}")


def steps_of(count: int, batch: int) -> int:
    """Batches per epoch, including an incomplete last one.

    Args:
        count: training samples.
        batch: samples per batch.
    """
    return math.ceil(count / batch)


def run_epochs(
    step: Callable[[Tensor], Tensor],
    count: int,
    *,
    epochs: int,
    batch: int,
    rng: torch.Generator,
    progress: Report,
) -> None:
    """Call `step` with the rows of each batch; every epoch uses every row once, in random order.

    Args:
        step: maps rows to their mean loss, after optimisation steps.
        count: number of rows.
        epochs: passes over the rows.
        batch: rows per step; the last batch of an epoch may be smaller.
        rng: source of the order of the rows, on the CPU.
        progress: called with the epochs done, the number of epochs and the mean loss of the epoch.
    """
    for epoch in range(epochs):
        total = sum(
            step(rows).item() * len(rows) for rows in torch.randperm(count, generator=rng).split(batch)
        )
        progress(epoch + 1, epochs, total / count)


def descend(
    loss: Tensor, optimiser: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler
) -> Tensor:
    """Take one optimisation step and return the detached loss.

    Args:
        loss: scalar.
        optimiser: holds the parameters.
        schedule: learning-rate schedule, advanced by one step.
    """
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    schedule.step()
    return loss.detach()
