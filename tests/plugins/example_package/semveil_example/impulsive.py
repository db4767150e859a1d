# SPDX-License-Identifier: Apache-2.0
"""Impulsive noise: now and then a symbol is hit by far more noise than the others."""

import torch
from torch import Tensor

from semveil.channels import Channel, ChannelState, Heard
from semveil.channels.channel import complex_normal, noise_column, source, uniform


class Impulsive(Channel):
    """y = s + n, n ~ CN(0, sigma_0^2), and ratio * sigma_0^2 with a probability; sigma^2 on average, as the
    SNR says.

    Args:
        probability: of an impulse, for each symbol.
        ratio: power of an impulse's noise over the usual one.
    """

    def __init__(self, probability: float = 0.05, ratio: float = 100.0) -> None:
        super().__init__()
        self.probability, self.ratio = probability, ratio

    def forward(self, symbols: Tensor, snr_db: float | Tensor, rng: torch.Generator | None = None) -> Heard:
        rng = source(symbols, rng)
        power = noise_column(symbols, snr_db)
        usual = power / (1 + self.probability * (self.ratio - 1))
        hit = (uniform(tuple(symbols.shape), rng) < self.probability).to(symbols.device)
        noise = (
            complex_normal(tuple(symbols.shape), rng).to(symbols)
            * (usual * torch.where(hit, self.ratio, 1.0)).sqrt()
        )
        return Heard(symbols + noise, ChannelState(torch.ones_like(symbols), power))
