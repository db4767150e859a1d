# SPDX-License-Identifier: Apache-2.0
"""Modulation and code rates of 5G NR, and which of them a channel carries."""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch

from semveil.channels import Link

# what these codes and constellations lose to capacity at blocks of some hundred symbols, and a little more
MARGIN_DB = 3.0
_TRIALS = 1000  # realisations of fading from which an outage is read


@dataclass(frozen=True)
class Scheme:
    """One line of a modulation and coding table.

    Attributes:
        bits: coded bits of a symbol: QPSK 2, 16-QAM 4, 64-QAM 6, 256-QAM 8.
        rate: information bits over coded bits.
    """

    bits: int
    rate: float

    @property
    def efficiency(self) -> float:
        """Information bits per symbol."""
        return self.bits * self.rate

    @property
    def name(self) -> str:
        """Such as `16-QAM 0.48`."""
        return f"{'QPSK' if self.bits == 2 else f'{2**self.bits}-QAM'} {self.rate:.2f}"


# 3GPP TS 38.214, Table 5.1.3.1-2: rates times 1024. Its two lines below 1/5, which are repetitions, are left
# out.
_TABLE = {
    2: (308, 449, 602),
    4: (378, 434, 490, 553, 616, 658),
    6: (466, 517, 567, 616, 666, 719, 772, 822, 873),
    8: (682.5, 711, 754, 797, 841, 885, 916.5, 948),
}
SCHEMES = tuple(Scheme(bits, rate / 1024) for bits, rates in _TABLE.items() for rate in rates)


def choose_scheme(capacity: float) -> Scheme | None:
    """The scheme with the most bits that a capacity supports; None if there is none.

    Args:
        capacity: bits per symbol, as `link_efficiency` gives it at an SNR that is lower by the margin.

    Example:
        >>> choose_scheme(3.7).name, choose_scheme(0.1)
        ('64-QAM 0.60', None)
    """
    carried = [scheme for scheme in SCHEMES if scheme.efficiency <= capacity]
    return max(carried, key=lambda scheme: scheme.efficiency, default=None)


@lru_cache(maxsize=64)
def link_efficiency(link: Link, snr_db: float, symbols: int, *, outage: float, seed: int = 0) -> float:
    """Bits per symbol that all but a share of a link's messages carry, an upper bound for every code.

    The mean over a message's symbols of log2(1 + |g|^2 / sigma^2), with the gain g and noise power sigma^2
    after equalisation; of its distribution over messages the quantile `outage`, from simulated realisations.
    Without fading it is log2(1 + SNR). Results are cached per link object.

    Args:
        link: channel and receiver.
        snr_db: mean SNR per complex symbol.
        symbols: of a message, over which its code spreads.
        outage: share of messages that may fail, 0 to 1.
        seed: of the realisations.

    Raises:
        ValueError: an outage out of range.

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
