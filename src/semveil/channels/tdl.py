# SPDX-License-Identifier: Apache-2.0
"""The tapped delay lines of 5G's channel models (3GPP TR 38.901, table 7.7.2) under OFDM.

Needs the extra `channels`: delays and powers come from Sionna's tables.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from semveil.channels.channel import check_count, uniform
from semveil.channels.fading import MOST_SUBCARRIERS, Subcarriers, waves_of
from semveil.channels.sionna import import_sionna
from semveil.core.device import CPU
from semveil.core.registry import suggest

MODELS = ("A", "B", "C", "D", "E")
LONGEST_NS = 1e5
WIDEST_KHZ = 1e4
RELATIVE = 1e-6  # of the amplitude: what the receiver's basis leaves out


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
    tables = import_sionna("channel.tr38901", needed="the channel tdl needs").channel.tr38901
    # static taps do not depend on the carrier frequency
    table = tables.TDL(model, delay_spread_ns * 1e-9, 3.5e9, precision="double", device=str(CPU))
    powers = table.mean_powers.double()
    sight = float(table.mean_power_los / powers[0]) if table.los else 0.0
    return Profile(table.delays.double(), powers, sight)


class TDL(Subcarriers):
    """Tapped delay line of 3GPP TR 38.901: H_k = sum over l of h_l e^(-2 pi j k spacing tau_l).

    The h_l ~ CN(0, p_l) are independent; in models D and E the first tap has a line of sight of uniform
    phase. Taps stay for a message: there is no Doppler. The cyclic prefix is as long as the longest delay.

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
        profile = profile_of(model, delay_spread_ns)
        cycles = profile.delays * spacing_khz * 1e3  # of phase from subcarrier to subcarrier
        if float(cycles[-1]) > 1:
            raise ValueError(
                f"the longest delay of model {model}, {float(profile.delays[-1]) * 1e9:.0f} ns, exceeds "
                f"an OFDM symbol of {1e6 / spacing_khz:.0f} ns; take a smaller spacing_khz or delay_spread_ns"
            )
        response = waves_of(torch.arange(subcarriers)[:, None] * cycles) * profile.powers.sqrt()
        vectors, values, _ = torch.linalg.svd(response, full_matrices=False)
        directions = vectors[:, values > RELATIVE * values[0]]  # (F, M): close delays are not told apart
        guard = math.ceil(float(cycles[-1]) * subcarriers)
        super().__init__(
            subcarriers, profile.powers, guard=guard, unknowns=directions.shape[1], called="unknowns"
        )
        self.profile, self.cycles, self.directions = profile, cycles, directions

    def angles(self, places: Tensor) -> Tensor:
        """Phase k spacing tau_l of each tap's wave in cycles, (P, L).

        Args:
            places: (P,) subcarriers k.
        """
        return places[:, None] * self.cycles

    def draw(self, count: int, rng: torch.Generator) -> Tensor:
        """Taps of unit mean power, (count, L), the first with the line of sight.

        Args:
            count: number of messages.
            rng: source of fading.
        """
        taps, sight = super().draw(count, rng), self.profile.sight
        phase = torch.exp(2j * math.pi * uniform((count, 1), rng))
        first = math.sqrt(sight) * phase + math.sqrt(1 - sight) * taps[:, :1]
        return torch.cat([first, taps[:, 1:]], 1)

    def basis(self, length: int) -> Tensor | None:
        """Principal directions of the gain over the subcarriers, (length, M), to one millionth.

        Args:
            length: N, symbols per frame, pilots included.
        """
        return self.directions[torch.arange(length) % self.subcarriers]
