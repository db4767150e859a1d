# SPDX-License-Identifier: Apache-2.0
"""Modulation and coding schemes of 5G NR, and the choice of one for a channel."""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch

from semveil.channels import Link

# gap to capacity of these codes and constellations at blocks of a few hundred symbols, slightly rounded up
MARGIN_DB = 3.0
_TRIALS = 1000  # fading realisations for the outage quantile


@dataclass(frozen=True)
class Scheme:
    """One row of a modulation and coding table.

    Attributes:
        bits: coded bits per symbol: QPSK 2, 16-QAM 4, 64-QAM 6, 256-QAM 8.
        rate: code rate, information bits over coded bits.
    """

    bits: int
    rate: float

    @property
    def efficiency(self) -> float:
        """Information bits per symbol."""
        return self.bits * self.rate

    @property
    def name(self) -> str:
        """Name such as `16-QAM 0.48`."""
        return f"{'QPSK' if self.bits == 2 else f'{2**self.bits}-QAM'} {self.rate:.2f}"


# 3GPP TS 38.214, Table 5.1.3.1-2: rates times 1024, without its two rows below 1/5, which are repetitions.
_TABLE = {
    2: (308, 449, 602),
    4: (378, 434, 490, 553, 616, 658),
    6: (466, 517, 567, 616, 666, 719, 772, 822, 873),
    8: (682.5, 711, 754, 797, 841, 885, 916.5, 948),
}
SCHEMES = tuple(Scheme(bits, rate / 1024) for bits, rates in _TABLE.items() for rate in rates)


def choose_scheme(capacity: float) -> Scheme | None:
    """Most efficient scheme within a capacity; None if there is none.

    Args:
        capacity: bits per symbol, as returned by `link_efficiency` at an SNR reduced by the margin.

    Example:
        >>> choose_scheme(3.7).name, choose_scheme(0.1)
        ('64-QAM 0.60', None)
    """
    carried = [scheme for scheme in SCHEMES if scheme.efficiency <= capacity]
    return max(carried, key=lambda scheme: scheme.efficiency, default=None)


@lru_cache(maxsize=64)
def link_efficiency(link: Link, snr_db: float, symbols: int, *, outage: float, seed: int = 0) -> float:
    """Bits per symbol carried by all but a fraction of a link's messages, an upper bound for every code.

    For each simulated realisation, log2(1 + |g|^2 / sigma^2) is averaged over the symbols of a message, with
    the gain g and noise power sigma^2 after equalisation; the result is the quantile `outage` over messages.
    Without fading it is log2(1 + SNR). Results are cached per link object.

    Args:
        link: channel and receiver.
        snr_db: mean SNR per complex symbol in dB.
        symbols: symbols per message, which the code spans.
        outage: fraction of messages that may fail, in [0, 1).
        seed: random seed of the realisations.

    Raises:
        ValueError: the outage is out of range.

    Example:
        >>> round(link_efficiency(Link(), 20.0, 100, outage=0.1), 3)
        6.658
    """
    if not 0 <= outage < 1:
        raise ValueError(f"outage must lie in 0..1, got {outage}")
    rng, rates = torch.Generator().manual_seed(seed), []
    batch = max(1, min(_TRIALS, (1 << 20) // symbols))
    for _ in range(math.ceil(_TRIALS / batch)):
        _, state = link(torch.ones(batch, symbols, dtype=torch.complex64), snr_db, rng)
        ratio = state.gain.abs().double().square() / state.noise_power.double().clamp_min(1e-30)
        rates.append(torch.log2(1 + ratio).mean(1))
    return float(torch.cat(rates).quantile(outage))
