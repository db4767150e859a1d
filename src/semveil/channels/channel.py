# SPDX-License-Identifier: Apache-2.0
"""What every simulated channel is: a torch module from sent symbols to received ones, with what a genie knows of it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from semveil.channels.awgn import awgn, noise_power
from semveil.channels.packing import check_symbols


@dataclass(frozen=True, eq=False)
class ChannelState:
    """One realisation of a channel: received = gain * sent + noise, element by element in its domain.

    Attributes:
        gain: (B, N) complex.
        noise_power: (B, 1) or (B, N), of the noise per complex symbol.
        domain: `symbols`, or `frequency` where the product holds between the discrete Fourier transforms of the message.
    """

    gain: Tensor
    noise_power: Tensor
    domain: Literal["symbols", "frequency"] = "symbols"

    @property
    def error_power(self) -> Tensor:
        """(B, N) mean square of received - sent, for sent symbols of unit power."""
        return (self.gain - 1).abs().square() + self.noise_power


class Heard(NamedTuple):
    """Attributes: received, (B, N) complex; state, of the channel that they came through."""

    received: Tensor
    state: ChannelState


class Channel(nn.Module, ABC):
    """A channel for symbols of unit mean power, differentiable in them: `channel(symbols, snr_db, rng) -> received, state`.

    Fading has unit mean power, so that `snr_db` is the mean SNR at the receiver, per complex symbol. A message is one row; rows
    fade independently. Anything else that is called like this serves as a channel too; what is below helps a receiver
    that has no perfect knowledge, and is public: it describes the law, never the realisation.
    """

    @abstractmethod
    def forward(self, symbols: Tensor, snr_db: float | Tensor, rng: torch.Generator | None = None) -> Heard:
        """Send (B, N) complex symbols.

        Args:
            symbols: of unit mean power.
            snr_db: mean SNR per complex symbol in dB, one number or (B,).
            rng: source of fading and noise; the operating system's entropy where None.
        """

    def basis(self, length: int) -> Tensor | None:
        """(length, M): every realisation of the gain is a combination of these columns; None where there is no such basis."""
        return torch.ones(length, 1, dtype=torch.complex128)

    def correlation(self, first: Tensor, second: Tensor) -> Tensor:
        """(P, Q) complex: mean of gain at place i times the conjugate gain at place j, for places (P,) and (Q,)."""
        return torch.ones(len(first), len(second), dtype=torch.complex128)

    def prefix(self, length: int) -> int:
        """Channel uses beside the symbols that a message of this length needs: cyclic prefixes, unused subcarriers."""
        return 0

    def pilot_spacing(self, every: int) -> None:
        """Raise ValueError where pilots at every so many symbols could miss part of the channel."""
        return None


def multiply(symbols: Tensor, gain: Tensor, snr_db: float | Tensor, rng: torch.Generator) -> Heard:
    """gain * symbols + noise; the noise is drawn after the gain, from the same source."""
    gain = gain.to(symbols)
    return Heard(awgn(gain * symbols, snr_db, rng=rng), ChannelState(gain, noise_column(symbols, snr_db)))


def noise_column(symbols: Tensor, snr_db: float | Tensor) -> Tensor:
    """(B, 1) noise power per symbol, in the symbols' real type."""
    return noise_power(snr_db).reshape(-1, 1).expand(len(symbols), 1).to(symbols.real)


def source(symbols: Tensor, rng: torch.Generator | None) -> torch.Generator:
    """Check the symbols; a source of randomness, from the operating system's entropy where none is given."""
    check_symbols(symbols)
    if rng is None:
        rng = torch.Generator(symbols.device)
        rng.seed()
    return rng


def complex_normal(shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Circularly symmetric normal numbers of unit power, complex128."""
    return torch.randn(shape, dtype=torch.complex128, device=rng.device, generator=rng)


def uniform(shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Uniform numbers in [0, 1), double precision."""
    return torch.rand(shape, dtype=torch.float64, device=rng.device, generator=rng)


class AWGN(Channel):
    """y = s + n, see `awgn`.

    Example:
        >>> heard = AWGN()(torch.ones(1, 3, dtype=torch.complex64), float("inf"))
        >>> heard.received
        tensor([[1.+0.j, 1.+0.j, 1.+0.j]])
    """

    def forward(self, symbols: Tensor, snr_db: float | Tensor, rng: torch.Generator | None = None) -> Heard:
        received = awgn(symbols, snr_db, rng=rng)
        return Heard(received, ChannelState(torch.ones_like(symbols), noise_column(symbols, snr_db)))


class ClippedAWGN(Channel):
    """An amplifier of bounded amplitude before the noise: s -> s min(1, A / |s|), A^2 = 10^(backoff/10) times the mean power.

    The phase is kept. Clipping is the sender's and cannot be told from the signal, so the state says gain 1.

    Args:
        backoff_db: A^2 over the mean power, in dB.

    Example:
        >>> ClippedAWGN(backoff_db=0)(torch.tensor([[3j, 0.5 + 0j]]), float("inf")).received
        tensor([[0.0000+1.j, 0.5000+0.j]])
    """

    def __init__(self, backoff_db: float = 3.0) -> None:
        super().__init__()
        self.amplitude = 10 ** (backoff_db / 20)

    def forward(self, symbols: Tensor, snr_db: float | Tensor, rng: torch.Generator | None = None) -> Heard:
        rng = source(symbols, rng)
        bounded = symbols * (self.amplitude / symbols.abs().clamp_min(self.amplitude))
        return Heard(awgn(bounded, snr_db, rng=rng), ChannelState(torch.ones_like(symbols), noise_column(symbols, snr_db)))
