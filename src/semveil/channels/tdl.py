# SPDX-License-Identifier: Apache-2.0
"""The tapped delay lines of 5G's channel models (3GPP TR 38.901, table 7.7.2) under OFDM.

Needs the extra `channels`: delays and powers come from Sionna's tables.
"""

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from semveil.channels.channel import Channel, Heard, check_count, complex_normal, multiply, source, uniform
from semveil.channels.fading import MOST_SUBCARRIERS
from semveil.core.device import CPU
from semveil.core.errors import SemveilError
from semveil.core.registry import suggest

MODELS = ("A", "B", "C", "D", "E")
LONGEST_NS = 1e5
WIDEST_KHZ = 1e4
RELATIVE = 1e-6  # of the amplitude: what the receiver's basis leaves out


class SionnaMissing(SemveilError):
    """Something of 5G needs the extra `channels`."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Power delay profile of unit power.

    Attributes:
        delays: (L,) in seconds, ascending from 0.
        powers: (L,) mean powers of the taps, summing to 1.
        sight: share of the first tap's power that is the line of sight.
    """

    delays: Tensor
    powers: Tensor
    sight: float


def profile_of(model: str, delay_spread_ns: float) -> Profile:
    """Profile of a model, from Sionna's copy of the tables.

    Args:
        model: one of `MODELS`.
        delay_spread_ns: RMS delay spread in ns, by which the tables' delays are multiplied.

    Raises:
        SionnaMissing: Sionna is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from sionna.phy.channel.tr38901 import TDL as Table
    except ImportError:
        raise SionnaMissing(
            "the channel tdl needs sionna-no-rt; install it with: pip install 'semveil[channels]'"
        ) from None
    # static taps do not depend on the carrier frequency
    table = Table(model, delay_spread_ns * 1e-9, 3.5e9, precision="double", device=str(CPU))
    powers = table.mean_powers.double()
    sight = float(table.mean_power_los / powers[0]) if table.los else 0.0
    return Profile(table.delays.double(), powers, sight)


class TDL(Channel):
    """Tapped delay line of 3GPP TR 38.901 over subcarriers: y_k = H_k s_k + n_k.

    H_k = sum over l of h_l e^(-2 pi j k spacing tau_l), with independent h_l ~ CN(0, p_l); in models D and E
    the first tap has a line of sight of uniform phase. Taps are drawn for each message and stay: there is no
    Doppler. Symbols fill one OFDM symbol after another, as in `OFDM`; the cyclic prefix is as long as the
    longest delay.

    Args:
        model: `A`, `B` or `C` (no line of sight), `D` or `E` (line of sight).
        delay_spread_ns: RMS delay spread in ns, above 0 and at most `LONGEST_NS`.
        subcarriers: F, at most `MOST_SUBCARRIERS`.
        spacing_khz: distance of the subcarriers in kHz, above 0 and at most `WIDEST_KHZ`.

    Raises:
        ValueError: a setting is out of range.
        SionnaMissing: the extra `channels` is not installed.
    """

    def __init__(
        self,
        model: str = "A",
        delay_spread_ns: float = 100.0,
        subcarriers: int = 64,
        spacing_khz: float = 30.0,
    ) -> None:
        super().__init__()
        if model not in MODELS:
            raise ValueError(
                f"no TDL model named {model!r}{suggest(model, MODELS)}; use one of {', '.join(MODELS)}"
            )
        for name, value, most in (
            ("delay_spread_ns", delay_spread_ns, LONGEST_NS),
            ("spacing_khz", spacing_khz, WIDEST_KHZ),
        ):
            if not 0 < value <= most:
                raise ValueError(f"{name} must lie above 0 and up to {most:g}, got {value}")
        check_count("subcarriers", subcarriers, 1, MOST_SUBCARRIERS)
        self.subcarriers, self.profile = subcarriers, profile_of(model, delay_spread_ns)
        self.cycles = self.profile.delays * spacing_khz * 1e3  # of phase from subcarrier to subcarrier
        if float(self.cycles[-1]) > 1:
            raise ValueError(
                f"the longest delay of model {model}, {float(self.profile.delays[-1]) * 1e9:.0f} ns, exceeds "
                f"an OFDM symbol of {1e6 / spacing_khz:.0f} ns; take a smaller spacing_khz or delay_spread_ns"
            )
        response = self._waves(torch.arange(subcarriers)) * self.profile.powers.sqrt()
        vectors, values, _ = torch.linalg.svd(response, full_matrices=False)
        self.directions = vectors[:, values > RELATIVE * values[0]]  # (F, M): close delays are not told apart

    def forward(self, symbols: Tensor, snr_db: float | Tensor, rng: torch.Generator | None = None) -> Heard:
        """Draw the taps of each row, then apply their frequency response with noise.

        Args:
            symbols: (B, N) complex, of unit mean power.
            snr_db: mean SNR per complex symbol in dB, one number or (B,).
            rng: source of fading and noise; the operating system's entropy where None.
        """
        rng = source(symbols, rng)
        count, sight = len(symbols), self.profile.sight
        taps = complex_normal((count, len(self.cycles)), rng)
        phase = torch.exp(2j * math.pi * uniform((count, 1), rng))
        first = math.sqrt(sight) * phase + math.sqrt(1 - sight) * taps[:, :1]
        taps = torch.cat([first, taps[:, 1:]], 1) * self.profile.powers.sqrt().to(rng.device)
        return multiply(symbols, taps @ self._waves(torch.arange(symbols.shape[1])).T.to(taps), snr_db, rng)

    def basis(self, length: int) -> Tensor | None:
        """Principal directions of the gain over the subcarriers, (length, M), to one millionth.

        Args:
            length: N, symbols per frame, pilots included.
        """
        return self.directions[torch.arange(length) % self.subcarriers]

    def correlation(self, first: Tensor, second: Tensor) -> Tensor:
        """R_ij = sum over l of p_l e^(-2 pi j (k_i - k_j) spacing tau_l), k the subcarrier of a position.

        Args:
            first: (P,) symbol positions i within the frame, counted from 0.
            second: (Q,) symbol positions j.

        Returns:
            (P, Q) complex128.
        """
        return (self._waves(first) * self.profile.powers) @ self._waves(second).conj().T

    def prefix(self, length: int) -> int:
        """The longest delay in samples per OFDM symbol, and the unused subcarriers of the last one.

        Args:
            length: N, symbols per frame, pilots included.
        """
        blocks = -(-length // self.subcarriers)
        guard = math.ceil(float(self.cycles[-1]) * self.subcarriers)
        return blocks * (self.subcarriers + guard) - length

    def pilot_spacing(self, every: int) -> None:
        """Check that pilots of one OFDM symbol determine its gain.

        Args:
            every: spacing in symbols.

        Raises:
            ValueError: the spacing does not divide the number of subcarriers, or leaves fewer pilots per OFDM
                symbol than the gain has unknowns.
        """
        unknowns = self.directions.shape[1]
        if self.subcarriers % every or self.subcarriers < every * unknowns:
            raise ValueError(
                f"{unknowns} unknowns over {self.subcarriers} subcarriers need pilots at least at every "
                f"{self.subcarriers // unknowns}, at a spacing that divides the number of subcarriers, got "
                f"{every}"
            )

    def _waves(self, places: Tensor) -> Tensor:
        """Complex exponential of tap l at each position, (P, L)."""
        angle = (places[:, None] % self.subcarriers) * self.cycles
        return torch.exp(-2j * math.pi * angle)
