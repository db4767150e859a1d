# SPDX-License-Identifier: Apache-2.0
"""Fading channels: flat or block Rayleigh and Rician fading, and frequency-selective fading under OFDM."""

import math
from abc import abstractmethod

import torch
from torch import Tensor

from semveil.channels.channel import (
    Channel,
    Heard,
    check_count,
    check_db,
    complex_normal,
    multiply,
    source,
    uniform,
)

MOST_SUBCARRIERS = 1 << 15  # DVB-T2's largest number


class Fading(Channel):
    """Rayleigh or Rician fading, flat or in blocks: y_n = h_b(n) s_n + n_n, of mean power 1.

    h_b = sqrt(K/(K+1)) e^(j theta) + sqrt(1/(K+1)) g_b, with g_b ~ CN(0, 1) and theta uniform. The scattered
    part g is drawn for each block of `coherence` symbols, the line of sight once for the whole message.

    Args:
        k_db: Rician K-factor, line-of-sight over scattered power, in dB, in -100..100; -inf for Rayleigh
            fading, inf for a random phase only.
        coherence: symbols per fading block, pilots included; None for flat fading over the whole message.

    Raises:
        ValueError: `k_db` or the coherence is out of range.

    Example:
        >>> rng = torch.Generator().manual_seed(0)
        >>> heard = Fading(coherence=2)(torch.ones(1, 5, dtype=torch.complex64), float("inf"), rng)
        >>> heard.received[0, 0] == heard.received[0, 1] != heard.received[0, 2]
        tensor(True)
    """

    def __init__(self, k_db: float = -math.inf, coherence: int | None = None) -> None:
        super().__init__()
        if not math.isinf(k_db):
            check_db("k_db", k_db, "; -inf is no line of sight, inf nothing else")
        if coherence is not None:
            check_count("coherence", coherence, 1, advice="; leave it out for a flat channel")
        self.coherence = coherence
        self.sight = 1.0 if k_db == math.inf else 10 ** (k_db / 10) / (1 + 10 ** (k_db / 10))  # K / (K + 1)

    def forward(self, symbols: Tensor, snr_db: float | Tensor, rng: torch.Generator | None = None) -> Heard:
        """Draw one gain per coherence block and row, then apply it with noise.

        Args:
            symbols: (B, N) complex, of unit mean power.
            snr_db: mean SNR per complex symbol in dB, one number or (B,).
            rng: source of fading and noise; the operating system's entropy where None.
        """
        rng = source(symbols, rng)
        count, length = symbols.shape
        block = self._block(torch.arange(length))
        phase = torch.exp(2j * math.pi * uniform((count, 1), rng))
        scattered = complex_normal((count, int(block[-1]) + 1), rng)
        gain = math.sqrt(self.sight) * phase + math.sqrt(1 - self.sight) * scattered
        return multiply(symbols, gain[:, block.to(gain.device)], snr_db, rng)

    def basis(self, length: int) -> Tensor | None:
        """One indicator column per coherence block, (length, blocks).

        Args:
            length: N, symbols per frame, pilots included.
        """
        block = self._block(torch.arange(length))
        return (block[:, None] == torch.arange(int(block[-1]) + 1)).to(torch.complex128)

    def correlation(self, first: Tensor, second: Tensor) -> Tensor:
        """1 within a coherence block, K / (K + 1) across blocks.

        Args:
            first: (P,) symbol positions i within the frame, counted from 0.
            second: (Q,) symbol positions j.

        Returns:
            (P, Q) complex128.
        """
        together = self._block(first)[:, None] == self._block(second)
        return (self.sight + (1 - self.sight) * together).to(torch.complex128)

    def pilot_spacing(self, every: int) -> None:
        """Check that all coherence blocks have the same pilot positions.

        Args:
            every: spacing in symbols.

        Raises:
            ValueError: the spacing does not divide the coherence.
        """
        if self.coherence is not None and self.coherence % every:
            raise ValueError(
                f"pilots at every {every} symbols do not fall into each block of {self.coherence}; "
                f"choose a spacing that divides the coherence"
            )

    def _block(self, places: Tensor) -> Tensor:
        return torch.zeros_like(places) if self.coherence is None else places // self.coherence


def waves_of(cycles: Tensor) -> Tensor:
    """Return e^(-2 pi j x) for phases x in cycles.

    Args:
        cycles: phases, of any shape.
    """
    return torch.exp(-2j * math.pi * cycles)


class Subcarriers(Channel):
    """Frequency-selective fading over subcarriers: y_k = H_k s_k + n_k, H_k the sum of waves of all taps.

    Symbols fill the F subcarriers of one OFDM symbol after another; the last OFDM symbol is always
    transmitted in full, and cyclic prefixes and unused subcarriers count as channel uses (`prefix`). Taps are
    drawn independently for each message. Channels define `angles`.

    Args:
        subcarriers: F, at most `MOST_SUBCARRIERS`.
        powers: (L,) mean powers of the taps, summing to 1.
        guard: samples of the cyclic prefix.
        unknowns: number of coefficients that determine H within an OFDM symbol.
        called: what these coefficients are called in messages.
    """

    def __init__(self, subcarriers: int, powers: Tensor, *, guard: int, unknowns: int, called: str) -> None:
        super().__init__()
        self.subcarriers, self.powers, self.guard = subcarriers, powers, guard
        self.unknowns, self.called = unknowns, called

    @abstractmethod
    def angles(self, places: Tensor) -> Tensor:
        """Phase of each tap's wave in cycles, (P, L).

        Args:
            places: (P,) subcarriers.
        """

    def draw(self, count: int, rng: torch.Generator) -> Tensor:
        """Taps of unit mean power, (count, L) complex; CN(0, 1) by default.

        Args:
            count: number of messages.
            rng: source of fading.
        """
        return complex_normal((count, len(self.powers)), rng)

    def forward(self, symbols: Tensor, snr_db: float | Tensor, rng: torch.Generator | None = None) -> Heard:
        """Draw the taps of each row, then apply their frequency response with noise.

        Args:
            symbols: (B, N) complex, of unit mean power.
            snr_db: mean SNR per complex symbol in dB, one number or (B,).
            rng: source of fading and noise; the operating system's entropy where None.
        """
        rng = source(symbols, rng)
        taps = self.draw(len(symbols), rng) * self.powers.sqrt().to(rng.device)
        return multiply(symbols, taps @ self.waves(torch.arange(symbols.shape[1])).T.to(taps), snr_db, rng)

    def basis(self, length: int) -> Tensor | None:
        """Complex exponentials of the taps over the subcarriers, (length, L).

        Args:
            length: N, symbols per frame, pilots included.
        """
        return self.waves(torch.arange(length))

    def correlation(self, first: Tensor, second: Tensor) -> Tensor:
        """R_ij = sum over l of p_l times the waves of tap l at i and, conjugated, at j.

        Args:
            first: (P,) symbol positions i within the frame, counted from 0.
            second: (Q,) symbol positions j.

        Returns:
            (P, Q) complex128.
        """
        return (self.waves(first) * self.powers) @ self.waves(second).conj().T

    def prefix(self, length: int) -> int:
        """The guard samples of each OFDM symbol, and the unused subcarriers of the last one.

        Args:
            length: N, symbols per frame, pilots included.
        """
        blocks = -(-length // self.subcarriers)
        return blocks * (self.subcarriers + self.guard) - length

    def pilot_spacing(self, every: int) -> None:
        """Check that pilots of one OFDM symbol determine its gain.

        Args:
            every: spacing in symbols.

        Raises:
            ValueError: the spacing does not divide the number of subcarriers, or leaves fewer pilots per OFDM
                symbol than the gain has unknowns.
        """
        if self.subcarriers % every or self.subcarriers < every * self.unknowns:
            raise ValueError(
                f"{self.unknowns} {self.called} over {self.subcarriers} subcarriers need pilots at least at "
                f"every {self.subcarriers // self.unknowns}, at a spacing that divides the number of "
                f"subcarriers, got {every}"
            )

    def waves(self, places: Tensor) -> Tensor:
        """Complex exponential of tap l at each position, (P, L).

        Args:
            places: (P,) symbol positions within the frame.
        """
        return waves_of(self.angles(places % self.subcarriers))


class OFDM(Subcarriers):
    """Frequency-selective fading with taps one sample apart: H_k = sum over l of h_l e^(-2 pi j k l / F).

    Exact for OFDM with a cyclic prefix of at least taps - 1 samples. Tap l is CN(0, p_l), with p_l falling by
    `decay_db` from tap to tap and summing to 1.

    Args:
        subcarriers: F, at most `MOST_SUBCARRIERS`.
        taps: L, at most F.
        decay_db: decay of the power-delay profile per tap, in dB, in -100..100; negative for a growing one.

    Raises:
        ValueError: a setting is out of range.
    """

    def __init__(self, subcarriers: int = 64, taps: int = 8, decay_db: float = 2.0) -> None:
        check_count("subcarriers", subcarriers, 1, MOST_SUBCARRIERS)
        check_count("taps", taps, 1, subcarriers, "; there are no more taps than subcarriers")
        check_db("decay_db", decay_db)
        levels = -decay_db * torch.arange(taps, dtype=torch.float64)
        powers = 10 ** ((levels - levels.max()) / 10)
        super().__init__(subcarriers, powers / powers.sum(), guard=taps - 1, unknowns=taps, called="taps")
        self.taps = taps

    def angles(self, places: Tensor) -> Tensor:
        """Phase k l / F of each tap's wave in cycles, (P, L).

        Args:
            places: (P,) subcarriers k.
        """
        return (places[:, None] * torch.arange(self.taps) / self.subcarriers).double()
