# SPDX-License-Identifier: Apache-2.0
"""Receivers: channel knowledge (perfect, from pilots, or none), equalisation and antenna combining."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from semveil.channels.channel import AWGN, Channel, ChannelState, Heard
from semveil.channels.pilots import Pilots
from semveil.core.registry import suggest

CSI = ("perfect", "ls", "mmse", "none")
EQUALISERS = ("zf", "mmse")
MOST_ANTENNAS = 256
LEAST_NOISE = 1e-9  # floor in estimators, so that noiseless systems stay regular


@dataclass(frozen=True, eq=False)
class Estimate:
    """Channel estimate of a receiver.

    Attributes:
        gain: (B, N) complex.
        error: (B, N) or (B, 1), mean squared error of the gain.
    """

    gain: Tensor
    error: Tensor


class Link(nn.Module):
    """Pilots, channel, estimation and equalisation in one module with the interface of a channel.

    `received` holds estimates of the payload; `state` has the residual gain and noise of these estimates.

    Args:
        channel: any `Channel`; AWGN where None.
        csi: channel state information: `perfect`, the realisation; `ls` or `mmse`, estimated from pilots by
            least squares within the channel's basis (linear interpolation if it has none) or by the linear
            MMSE estimate under the channel's public statistics; `none`, a gain of 1.
        equaliser: `zf`, received / gain; or `mmse`, least mean squared error for symbols of unit power, which
            shrinks them.
        pilots: spacing in symbols of the pilots, which have the payload's power; used for `ls` and `mmse`.
        antennas: number of receive antennas with independent fading and noise, combined by maximum-ratio
            combining; `snr_db` is the SNR of one antenna.

    Raises:
        ValueError: no `Channel`, an unknown name, pilots that cannot follow the channel, or antennas not in
            1..`MOST_ANTENNAS`.

    Example:
        >>> from semveil.channels.fading import Fading
        >>> sent = torch.ones(1, 6, dtype=torch.complex64)
        >>> link = Link(Fading(), csi="ls", equaliser="zf", pilots=4)
        >>> torch.allclose(link(sent, float("inf")).received, sent, atol=1e-5), link.uses(6)
        (True, 8)
    """

    def __init__(
        self,
        channel: Channel | None = None,
        *,
        csi: str = "perfect",
        equaliser: str = "zf",
        pilots: int = 16,
        antennas: int = 1,
    ) -> None:
        super().__init__()
        if channel is not None and not isinstance(channel, Channel):
            raise ValueError(
                f"a link needs a semveil.channels.Channel, which states its statistics, got "
                f"{type(channel).__name__}; a function is a channel by itself, without a link"
            )
        for what, name, allowed in (("csi", csi, CSI), ("equaliser", equaliser, EQUALISERS)):
            if name not in allowed:
                raise ValueError(
                    f"no {what} named {name!r}{suggest(name, allowed)}; use one of {', '.join(allowed)}"
                )
        if not 1 <= antennas <= MOST_ANTENNAS:
            raise ValueError(f"a receiver has 1 to {MOST_ANTENNAS} antennas, got {antennas}")
        self.channel, self.csi, self.equaliser, self.antennas = channel or AWGN(), csi, equaliser, antennas
        spaced = Pilots(pilots)  # checks the spacing, whatever csi is
        self.pilots = spaced if csi in ("ls", "mmse") else None
        if self.pilots is not None:
            self.channel.pilot_spacing(self.pilots.every)

    def forward(self, symbols: Tensor, snr_db: float | Tensor, rng: torch.Generator | None = None) -> Heard:
        """Transmit the payload with pilots, estimate the channel and equalise.

        The returned state describes the residual channel.

        Args:
            symbols: (B, N) complex, of unit mean power.
            snr_db: mean SNR per complex symbol in dB, one number or (B,).
            rng: source of fading and noise; the operating system's entropy where None.
        """
        sent = symbols if self.pilots is None else self.pilots.insert(symbols)
        branches = [self._branch(*self.channel(sent, snr_db, rng)) for _ in range(self.antennas)]
        heard = combine(branches, mmse=self.equaliser == "mmse")
        if self.pilots is None:
            return heard
        take = self.pilots.payload
        left = ChannelState(take(heard.state.gain), take(heard.state.noise_power))
        return Heard(take(heard.received), left)

    def uses(self, symbols: int) -> int:
        """Channel uses of a message, including pilots and prefixes.

        Args:
            symbols: payload symbols per row.
        """
        frame = symbols if self.pilots is None else self.pilots.frame(symbols)
        return frame + self.channel.prefix(frame)

    def _branch(self, received: Tensor, state: ChannelState) -> "Branch":
        if self.pilots is not None:
            mmse = self.csi == "mmse"
            return Branch(
                received,
                state,
                estimate_gain(received, state.noise_power, self.pilots, self.channel, mmse=mmse),
            )
        known = state.gain if self.csi == "perfect" else torch.ones_like(state.gain)
        return Branch(received, state, Estimate(known, torch.zeros_like(state.noise_power)))


def estimate_gain(
    received: Tensor, noise: Tensor, pilots: Pilots, channel: Channel, *, mmse: bool
) -> Estimate:
    """Estimate the gain at all N positions of a frame from its pilots.

    Least squares: h = B (B_p)^+ z for the channel's basis B and z = received / sent at the pilots; error
    sigma^2 |row|^2. MMSE: h = R_ap (R_pp + sigma^2 I)^-1 z, where R is the channel's correlation; error R_aa
    - R_ap (R_pp + sigma^2 I)^-1 R_pa.

    Args:
        received: (B, N) frame.
        noise: (B, 1) noise power per symbol, assumed to be measured between messages.
        pilots: positions and value of the pilots.
        channel: its basis or correlation is used.
        mmse: MMSE instead of least squares.
    """
    places, everywhere = pilots.places(received.shape[1]), torch.arange(received.shape[1])
    heard = (received[:, places.to(received.device)] / pilots.value).to(torch.complex128)
    variance = noise.double().clamp_min(LEAST_NOISE)
    if not mmse:
        matrix = _least_squares(channel.basis(received.shape[1]), places, everywhere).to(heard.device)
        gain, error = heard @ matrix.T, variance * matrix.abs().square().sum(1)
        return Estimate(gain.to(received), error.to(noise))
    values, vectors, across = (
        part.to(heard.device) for part in _spectrum(channel, pilots, received.shape[1])
    )
    inverse = 1 / (values + variance)  # (B, P), eigenvalues of (R_pp + sigma^2 I)^-1 per message
    gain = ((heard @ vectors.conj()) * inverse) @ across.T
    error = 1 - inverse @ across.abs().square().T  # every channel has unit power
    return Estimate(gain.to(received), error.clamp_min(0).to(noise))


@lru_cache(maxsize=4)
def _spectrum(channel: Channel, pilots: Pilots, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Eigenvalues l (P,) and eigenvectors V (P, P) of R_pp, and R_ap V (N, P).

    R_pp = V diag(l) V^H. Cached, since frames of the same length recur.
    """
    places = pilots.places(length)
    values, vectors = torch.linalg.eigh(channel.correlation(places, places))
    return values.clamp_min(0), vectors, channel.correlation(torch.arange(length), places) @ vectors


@dataclass(frozen=True, eq=False)
class Branch:
    """Signal of one receive antenna.

    Attributes:
        received: (B, N) complex.
        state: state of its channel.
        estimate: estimate of its gain.
    """

    received: Tensor
    state: ChannelState
    estimate: Estimate


def equalise(received: Tensor, state: ChannelState, estimate: Estimate, *, mmse: bool) -> Heard:
    """Single-antenna equalisation: y / h (zero forcing) or h* y / (|h|^2 + e + sigma^2) (MMSE).

    Args:
        received: y, (B, N) complex.
        state: the channel's realisation, for its noise power sigma^2 and its domain.
        estimate: h with its error variance e.
        mmse: MMSE instead of zero forcing.
    """
    return combine([Branch(received, state, estimate)], mmse=mmse)


def combine(branches: Sequence[Branch], *, mmse: bool) -> Heard:
    """Maximum-ratio combining of receive antennas.

    The sum over antennas of h* y, divided by sum |h|^2 (zero forcing) or sum |h|^2 + e + sigma^2 (MMSE). All
    antennas are assumed to have the noise power and estimation error of the first.

    Args:
        branches: one or more, of equal shape and domain.
        mmse: MMSE instead of zero forcing.

    Returns:
        Symbol estimates (B, N) and the state of the residual channel.
    """
    first = branches[0]
    spectral = first.state.domain == "frequency"
    noise = first.state.noise_power + first.estimate.error
    power = torch.stack([branch.estimate.gain.abs().square() for branch in branches]).sum(0)
    whole = (power + noise if mmse else power).clamp_min(torch.finfo(power.dtype).tiny)
    out, gain, variance = (
        torch.zeros_like(first.received),
        torch.zeros_like(first.estimate.gain),
        torch.zeros_like(power),
    )
    for branch in branches:
        heard = torch.fft.fft(branch.received, norm="ortho") if spectral else branch.received
        scale = branch.estimate.gain.conj() / whole
        out = out + heard * scale
        gain = gain + (scale * branch.estimate.gain).detach()
        variance = variance + (scale.abs().square() * noise).detach()
    if spectral:  # the inverse transform spreads gain and noise evenly over the symbols
        mean = [part.mean(1, keepdim=True).expand_as(part) for part in (gain, variance)]
        return Heard(torch.fft.ifft(out, norm="ortho"), ChannelState(mean[0], mean[1]))
    return Heard(out, ChannelState(gain, variance))


def _least_squares(basis: Tensor | None, places: Tensor, everywhere: Tensor) -> Tensor:
    """Matrix (N, P) from pilots to all positions, by the basis or by linear interpolation between pilots."""
    if basis is not None:
        if len(places) < basis.shape[1]:
            raise ValueError(
                f"a frame of {len(everywhere)} symbols has {len(places)} pilots for the {basis.shape[1]} "
                "unknowns of its channel; take more pilots, csi=mmse, or a longer message"
            )
        return basis @ torch.linalg.pinv(basis[places])
    after = torch.searchsorted(places, everywhere).clamp(1, len(places) - 1)
    before = after - 1
    share = (
        ((everywhere - places[before]) / (places[after] - places[before])).clamp(0, 1).to(torch.complex128)
    )
    matrix = torch.zeros(len(everywhere), len(places), dtype=torch.complex128)
    matrix[everywhere, before] = 1 - share
    matrix[everywhere, after] += share
    return matrix
