"""What the trainings of all pairs share: latents in order, noise to imitate, and the link between the two networks."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from semveil.channels import denormalise_power, normalise_power, pack, unpack
from semveil.channels.wiretap import AnyChannel, over
from semveil.protection.pair import PairSettings, TrainedPair

Report = Callable[[int, int, float], None]
"""Called with epochs done, epochs, and the mean loss of the last."""


def silent(epoch: int, epochs: int, loss: float) -> None:
    """A `Report` that says nothing."""


@dataclass(frozen=True, eq=False)
class Passed:
    """Attributes: protected, the block (B, m, D) as sent; symbols (B, N) of unit power; restored, Bob's codes (B, K, D)."""

    protected: Tensor
    symbols: Tensor
    restored: Tensor


@dataclass(frozen=True, eq=False)
class PairLink:
    """Alice's and Bob's networks with what lies between them in use: merging, power, channel.

    Args:
        channel: any `channel(symbols, snr_db, rng) -> received, state`; AWGN where None.
        snr_db: lowest and highest SNR, drawn evenly for each latent; that of the pair's settings where None.
    """

    pair: TrainedPair
    channel: AnyChannel | None
    snr_db: tuple[float, float] | None
    rng: torch.Generator

    def __call__(self, latents: Tensor) -> Passed:
        """Send clipped latents (B, K, D) to Bob."""
        codes = list(self.pair.settings.codes)
        protected = self.pair.protect(latents[:, codes])
        sent = latents.clone()
        sent[:, codes] = protected
        symbols, gain = normalise_power(pack(sent.flatten(1)))
        snrs: float | Tensor = self.pair.settings.snr_db
        if self.snr_db is not None:
            low, high = self.snr_db
            snrs = low + (high - low) * torch.rand(len(latents), generator=self.rng)
        heard = over(self.channel, symbols, snrs, rng=self.rng)
        restored = unpack(denormalise_power(heard, gain)).view_as(latents).clone()
        restored[:, codes] = self.pair.deprotect(restored[:, codes])
        return Passed(protected, symbols, restored)


def check_training(latents: Tensor, settings: PairSettings, snr_db: tuple[float, float] | None) -> None:
    """Refuse what no pair can be trained on.

    Raises:
        ValueError: latents of the wrong shape, or fewer than two; SNRs in the wrong order.
    """
    if latents.ndim != 3 or latents.shape[2] != settings.style_dim or len(latents) < 2:
        raise ValueError(f"latents must be (N >= 2, K, {settings.style_dim}), got {tuple(latents.shape)}")
    if snr_db is not None and not snr_db[0] <= snr_db[1]:
        raise ValueError(f"snr_db must be the lowest and the highest SNR, got {snr_db}")


def batches(count: int, batch: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Rows of one epoch, each once, in random order."""
    yield from torch.randperm(count, generator=rng).split(batch)


def steps_of(count: int, batch: int) -> int:
    """Batches in an epoch."""
    return math.ceil(count / batch)
