# SPDX-License-Identifier: Apache-2.0
"""The interface of simulated channels.

A channel is a torch module from transmitted to received symbols, with the genie-aided channel state.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from semveil.channels.awgn import awgn, noise_power
from semveil.channels.packing import check_symbols

MOST_DB = 100.0  # of a setting in dB, either way: powers beyond it vanish in floats
MOST_COUNT = 10**9  # of a setting that counts symbols


@dataclass(frozen=True, eq=False)
class ChannelState:
    """One realisation of a channel: received = gain * sent + noise, elementwise in its domain.

    Attributes:
        gain: (B, N) complex.
        noise_power: (B, 1) or (B, N), noise power per complex symbol.
        domain: `symbols`, or `frequency` where the product holds between discrete Fourier transforms of the
            message.
    """

    gain: Tensor
    noise_power: Tensor
    domain: Literal["symbols", "frequency"] = "symbols"

    @property
    def error_power(self) -> Tensor:
        """Mean squared error of received against sent symbols of unit power, (B, N)."""
        return (self.gain - 1).abs().square() + self.noise_power


class Heard(NamedTuple):
    """Received symbols with the channel state.

    Attributes:
        received: (B, N) complex.
        state: realisation of the channel.
    """

    received: Tensor
    state: ChannelState


class Channel(nn.Module, ABC):
    """Channel for symbols of unit mean power, differentiable with respect to them.

    It is called as `channel(symbols, snr_db, rng) -> received, state`. Fading has unit mean power, so
    `snr_db` is the mean SNR at the receiver, per complex symbol. A message is one row; rows fade
    independently. Any callable with this signature also works as a channel. The methods other than `forward`
    serve receivers without perfect channel knowledge; they are public because they describe the channel's
    statistics, not its realisation.
    """

    @abstractmethod
    def forward(self, symbols: Tensor, snr_db: float | Tensor, rng: torch.Generator | None = None) -> Heard:
        """Transmit (B, N) complex symbols.

        Args:
            symbols: (B, N) complex, of unit mean power.
            snr_db: mean SNR per complex symbol in dB, one number or (B,).
            rng: source of fading and noise; the operating system's entropy where None.
        """

    def basis(self, length: int) -> Tensor | None:
        """Basis of the gain: every realisation over a frame is a linear combination of its columns.

        Args:
            length: N, symbols of the frame, pilots included.

        Returns:
            (N, M) complex128; None for a channel without a finite basis. One constant column (a flat channel)
            by default.
        """
        return torch.ones(length, 1, dtype=torch.complex128)

    def correlation(self, first: Tensor, second: Tensor) -> Tensor:
        """Correlation of the gain, R_ij = E[h_i h_j*]; all ones by default, for a flat channel.

        Args:
            first: (P,) symbol positions i within the frame, counted from 0.
            second: (Q,) symbol positions j.

        Returns:
            (P, Q) complex128.
        """
        return torch.ones(len(first), len(second), dtype=torch.complex128)

    def prefix(self, length: int) -> int:
        """Number of channel uses added to a frame by cyclic prefixes and unused subcarriers; 0 by default.

        Args:
            length: symbols of the frame, pilots included.
        """
        return 0

    def pilot_spacing(self, every: int) -> None:
        """Check that pilots at a given spacing determine the channel.

        Args:
            every: spacing in symbols.

        Raises:
            ValueError: the spacing is too wide, or does not fit the structure of the channel. Never raised by
                default.
        """
        return None


def multiply(symbols: Tensor, gain: Tensor, snr_db: float | Tensor, rng: torch.Generator) -> Heard:
    """Apply a gain and add noise: y = h s + n.

    The noise is drawn after the gain, from the same generator.

    Args:
        symbols: s, (B, N) complex, of unit mean power.
        gain: h, complex, broadcastable to (B, N).
        snr_db: mean SNR per complex symbol in dB, one number or (B,).
        rng: source of the noise.

    Raises:
        ValueError: as for `awgn`.
    """
    gain = gain.to(symbols)
    return Heard(awgn(gain * symbols, snr_db, rng=rng), ChannelState(gain, noise_column(symbols, snr_db)))


def noise_column(symbols: Tensor, snr_db: float | Tensor) -> Tensor:
    """Noise power per complex symbol for symbols of unit power, as a column (B, 1).

    Args:
        symbols: (B, N) complex; sets B, the real dtype and the device of the result.
        snr_db: SNR per complex symbol in dB, one number or (B,).

    Raises:
        ValueError: as for `noise_power`.
    """
    return noise_power(snr_db).reshape(-1, 1).expand(len(symbols), 1).to(symbols.real)


def check_db(name: str, value: float, advice: str = "") -> None:
    """Check a setting in dB.

    Args:
        name: name of the setting.
        value: in dB.
        advice: what to do instead, added to the error.

    Raises:
        ValueError: the value is not in -`MOST_DB`..`MOST_DB`.
    """
    if not abs(value) <= MOST_DB:
        raise ValueError(f"{name} must lie in {-MOST_DB:g}..{MOST_DB:g} dB, got {value}{advice}")


def check_count(name: str, value: object, least: int, most: int = MOST_COUNT, advice: str = "") -> None:
    """Check a setting that counts something.

    Args:
        name: name of the setting.
        value: value of the setting.
        least: smallest value.
        most: largest value.
        advice: what to do instead, added to the error.

    Raises:
        ValueError: the value is no integer from `least` to `most`.
    """
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number in {least}..{most}, got {value}{advice}")


def source(symbols: Tensor, rng: torch.Generator | None) -> torch.Generator:
    """Validate the symbols and return a random generator.

    Args:
        symbols: (B, N) complex.
        rng: returned unchanged; where None, a new generator on the symbols' device, seeded by the operating
            system.

    Raises:
        ValueError: the symbols are not (B, N) complex with N > 0.
    """
    check_symbols(symbols)
    if rng is None:
        rng = torch.Generator(symbols.device)
        rng.seed()
    return rng


def complex_normal(shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Circularly symmetric complex normal samples CN(0, 1), complex128, variance 1/2 per real axis.

    Args:
        shape: shape of the result.
        rng: source of the samples; also sets the device of the result.
    """
    return torch.randn(shape, dtype=torch.complex128, device=rng.device, generator=rng)


def uniform(shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Uniform samples in [0, 1), float64.

    Args:
        shape: shape of the result.
        rng: source of the samples; also sets the device of the result.
    """
    return torch.rand(shape, dtype=torch.float64, device=rng.device, generator=rng)


class AWGN(Channel):
    """Additive white Gaussian noise, y = s + n; see `awgn`.

    Example:
        >>> heard = AWGN()(torch.ones(1, 3, dtype=torch.complex64), float("inf"))
        >>> heard.received
        tensor([[1.+0.j, 1.+0.j, 1.+0.j]])
    """

    def forward(self, symbols: Tensor, snr_db: float | Tensor, rng: torch.Generator | None = None) -> Heard:
        """Add noise, see `awgn`; the channel state has gain 1.

        Args:
            symbols: (B, N) complex, of unit mean power.
            snr_db: mean SNR per complex symbol in dB, one number or (B,).
            rng: source of the noise; the operating system's entropy where None.
        """
        received = awgn(symbols, snr_db, rng=rng)
        return Heard(received, ChannelState(torch.ones_like(symbols), noise_column(symbols, snr_db)))


class ClippedAWGN(Channel):
    """Amplifier of bounded amplitude, followed by additive white Gaussian noise.

    s -> s min(1, A / |s|), with A^2 = 10^(backoff/10) times the mean power; the phase is kept. Clipping
    happens at the sender and cannot be told apart from the signal, so the channel state has gain 1.

    Args:
        backoff_db: A^2 over the mean power, in dB, in -100..100.

    Raises:
        ValueError: `backoff_db` is out of range.

    Example:
        >>> ClippedAWGN(backoff_db=0)(torch.tensor([[3j, 0.5 + 0j]]), float("inf")).received
        tensor([[0.0000+1.j, 0.5000+0.j]])
    """

    def __init__(self, backoff_db: float = 3.0) -> None:
        super().__init__()
        check_db("backoff_db", backoff_db, "; an amplifier that clips nothing is awgn")
        self.amplitude = 10 ** (backoff_db / 20)

    def forward(self, symbols: Tensor, snr_db: float | Tensor, rng: torch.Generator | None = None) -> Heard:
        """Clip the amplitude, then add noise; the channel state has gain 1.

        Args:
            symbols: (B, N) complex, of unit mean power.
            snr_db: mean SNR per complex symbol in dB, one number or (B,).
            rng: source of the noise; the operating system's entropy where None.
        """
        rng = source(symbols, rng)
        bounded = symbols * (self.amplitude / symbols.abs().clamp_min(self.amplitude))
        return Heard(
            awgn(bounded, snr_db, rng=rng),
            ChannelState(torch.ones_like(symbols), noise_column(symbols, snr_db)),
        )
