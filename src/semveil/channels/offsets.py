# SPDX-License-Identifier: Apache-2.0
"""Synchronisation errors: phase, carrier frequency and timing offsets."""

import math

import torch
from torch import Tensor

from semveil.channels.awgn import awgn
from semveil.channels.channel import Channel, ChannelState, Heard, multiply, noise_column, source, uniform

MOST_DELAY = 1000.0  # symbols; a message of one image has 896


class PhaseOffset(Channel):
    """Carrier offset: random phase and carrier frequency.

    y_n = e^(j (theta + 2 pi f n)) s_n + n_n, with theta uniform and f uniform in -frequency..frequency.

    Args:
        frequency: largest frequency offset, in cycles per symbol; 0 for a random phase only.

    Raises:
        ValueError: `frequency` is not in 0..0.5.
    """

    def __init__(self, frequency: float = 0.0) -> None:
        super().__init__()
        if not 0 <= frequency <= 0.5:
            raise ValueError(f"frequency must lie in 0..0.5 cycles per symbol, got {frequency}")
        self.frequency = frequency

    def forward(self, symbols: Tensor, snr_db: float | Tensor, rng: torch.Generator | None = None) -> Heard:
        """Draw phase and frequency offset of each row, then rotate and add noise.

        Args:
            symbols: (B, N) complex, of unit mean power.
            snr_db: mean SNR per complex symbol in dB, one number or (B,).
            rng: source of offsets and noise; the operating system's entropy where None.
        """
        rng = source(symbols, rng)
        phase, turn = (
            uniform((len(symbols), 1), rng),
            self.frequency * (2 * uniform((len(symbols), 1), rng) - 1),
        )
        places = torch.arange(symbols.shape[1], device=phase.device)
        return multiply(symbols, torch.exp(2j * math.pi * (phase + turn * places)), snr_db, rng)

    def basis(self, length: int) -> Tensor | None:
        """None for a frequency offset; one constant column for a phase offset only.

        Args:
            length: N, symbols per frame, pilots included.
        """
        return None if self.frequency else super().basis(length)

    def correlation(self, first: Tensor, second: Tensor) -> Tensor:
        """R_ij = sinc(2 f (i - j)), with f the largest frequency offset.

        Args:
            first: (P,) symbol positions i within the frame, counted from 0.
            second: (Q,) symbol positions j.

        Returns:
            (P, Q) complex128.
        """
        return torch.sinc(2 * self.frequency * (first[:, None] - second).double()).to(torch.complex128)

    def pilot_spacing(self, every: int) -> None:
        """Check that the phase between neighbouring pilots is unambiguous.

        Args:
            every: spacing in symbols.

        Raises:
            ValueError: 2 * frequency * every >= 1.
        """
        if 2 * self.frequency * every >= 1:
            raise ValueError(
                f"pilots at every {every} symbols cannot follow {self.frequency:g} cycles per symbol; take "
                f"every {max(2, math.ceil(1 / (2 * self.frequency)) - 1)} at most, or a lower frequency"
            )


class TimingOffset(Channel):
    """Delay by an integer or fractional number of symbols, followed by noise.

    The spectrum is multiplied by e^(-2 pi j f delay): band-limited interpolation, exact for a message with a
    cyclic extension (counted by `prefix`).

    Args:
        delay: delay in symbols, in -1000..1000; negative for an early message.

    Raises:
        ValueError: the delay is out of range.

    Example:
        >>> late = TimingOffset(1.0)(torch.tensor([[1 + 0j, 2, 3, 4]]), float("inf")).received
        >>> late.real.round(decimals=4)
        tensor([[4., 1., 2., 3.]])
    """

    def __init__(self, delay: float = 0.5) -> None:
        super().__init__()
        if not abs(delay) <= MOST_DELAY:
            raise ValueError(f"delay must lie in {-MOST_DELAY:g}..{MOST_DELAY:g} symbols, got {delay}")
        self.delay = delay

    def forward(self, symbols: Tensor, snr_db: float | Tensor, rng: torch.Generator | None = None) -> Heard:
        """Delay each row in the frequency domain, then add noise; the state's domain is `frequency`.

        Args:
            symbols: (B, N) complex, of unit mean power.
            snr_db: mean SNR per complex symbol in dB, one number or (B,).
            rng: source of the noise; the operating system's entropy where None.
        """
        rng = source(symbols, rng)
        frequencies = torch.fft.fftfreq(symbols.shape[1], dtype=torch.float64)
        gain = torch.exp(-2j * math.pi * self.delay * frequencies).to(symbols).expand_as(symbols)
        late = torch.fft.ifft(torch.fft.fft(symbols) * gain)
        state = ChannelState(gain, noise_column(symbols, snr_db), domain="frequency")
        return Heard(awgn(late, snr_db, rng=rng), state)

    def prefix(self, length: int) -> int:
        """Length of the cyclic extension, 2 ceil(|delay|) symbols.

        Args:
            length: N, symbols per frame, pilots included.
        """
        return 2 * math.ceil(abs(self.delay))

    def pilot_spacing(self, every: int) -> None:
        """Reject pilots, which cannot estimate a delay.

        Args:
            every: spacing in symbols.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "pilots among the symbols cannot tell a delay; take csi=perfect or csi=none, or a recording, "
            "whose preamble can (semveil send --iq)"
        )
