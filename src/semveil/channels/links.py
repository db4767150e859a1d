# SPDX-License-Identifier: Apache-2.0
"""Channels by name, such as `rayleigh:coherence=64,csi=mmse`, and the channel uses of a message."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass

from semveil.channels.channel import AWGN, Channel, ClippedAWGN
from semveil.channels.fading import OFDM, Fading
from semveil.channels.offsets import PhaseOffset, TimingOffset
from semveil.channels.packing import bandwidth_ratio
from semveil.channels.receiver import Link
from semveil.channels.tdl import TDL
from semveil.channels.wiretap import AnyChannel
from semveil.core.registry import Registry, suggest

SIDE_BITS_PER_USE = 1.0  # side information is transmitted as rate-1/2 coded QPSK


@dataclass(frozen=True)
class ChannelKind:
    """Registered kind of channel.

    Attributes:
        make: builds the channel, with its settings as keyword arguments.
        equaliser: default equaliser of a link over this channel.
    """

    make: Callable[..., Channel]
    equaliser: str


def rayleigh(coherence: int | None = None) -> Fading:
    """Rayleigh fading.

    Args:
        coherence: symbols per fading block, pilots included; None for flat fading over the whole message.
    """
    return Fading(coherence=coherence)


def rician(k_db: float = 6.0, coherence: int | None = None) -> Fading:
    """Rician fading.

    Args:
        k_db: Rician K-factor, line-of-sight over scattered power, in dB.
        coherence: symbols per fading block, pilots included; None for flat fading over the whole message.
    """
    return Fading(k_db, coherence)


def _as_kind(name: str, entry: object) -> ChannelKind:
    """Accept a package's channel factory, or a `ChannelKind` where links should zero-force by default."""
    if isinstance(entry, ChannelKind):
        return entry
    if not callable(entry):
        raise TypeError(f"{type(entry).__name__} makes no channel")
    return ChannelKind(entry, "mmse")


CHANNELS: Registry[ChannelKind] = Registry(
    "channel", group="semveil.channels", accept=_as_kind, files="semveil.channels"
)
CHANNELS.add("awgn", ChannelKind(AWGN, "zf"))
CHANNELS.add("clipped", ChannelKind(ClippedAWGN, "zf"))
CHANNELS.add("rayleigh", ChannelKind(rayleigh, "mmse"))
CHANNELS.add("rician", ChannelKind(rician, "mmse"))
CHANNELS.add("ofdm", ChannelKind(OFDM, "mmse"))
CHANNELS.add("tdl", ChannelKind(TDL, "mmse"))
CHANNELS.add("phase", ChannelKind(PhaseOffset, "zf"))
CHANNELS.add("timing", ChannelKind(TimingOffset, "zf"))


def parse_link(text: str) -> Link:
    """Build a link from its description.

    Args:
        text: `NAME` or `NAME:setting=value,...`; settings of the channel, and `csi`, `equaliser`, `pilots`
            and `antennas` of `Link`.

    Raises:
        ValueError: unknown name or setting, a setting given twice, or a value out of range.

    Example:
        >>> link = parse_link("rician:k_db=3,coherence=64,csi=mmse,pilots=8")
        >>> link.csi, link.equaliser, link.channel.coherence
        ('mmse', 'mmse', 64)
    """
    name, _, rest = text.partition(":")
    kind = CHANNELS[name]
    own = {
        key: parameter.default
        for key, parameter in inspect.signature(kind.make).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    settings: dict[str, object] = {}
    link: dict[str, object] = {"equaliser": kind.equaliser}
    given: set[str] = set()
    for part in filter(None, rest.split(",")):
        key, sign, value = part.partition("=")
        allowed = [*own, "csi", "equaliser", "pilots", "antennas"]
        if key in allowed and not sign:
            raise ValueError(f"setting {key!r} of channel {name} has no value; write {key}=VALUE")
        if key not in allowed:
            raise ValueError(
                f"channel {name} has no setting {key!r}{suggest(key, allowed)}; available: "
                f"{', '.join(allowed)}"
            )
        if key in given:
            raise ValueError(f"channel {name} has the setting {key!r} twice; give it once")
        given.add(key)
        (settings if key in own else link)[key] = _value(
            key, value, own.get(key, None if key in ("pilots", "antennas") else "")
        )
    return Link(kind.make(**settings), **link)  # type: ignore[arg-type]


def channel_of(channel: AnyChannel | str | None) -> AnyChannel | None:
    """Resolve a channel argument to a channel.

    Args:
        channel: a description for `parse_link`; a channel or None (AWGN) is returned unchanged.

    Raises:
        ValueError: as for `parse_link`.
    """
    return parse_link(channel) if isinstance(channel, str) else channel


def _value(key: str, text: str, default: object) -> object:
    """Convert text to the default's type: text, a number, or an integer where the default is one or None."""
    if isinstance(default, str):
        return text
    try:
        return float(text) if isinstance(default, float) else int(text)
    except ValueError:
        wanted = "a number" if isinstance(default, float) else "a whole number"
        raise ValueError(f"{key} must be {wanted}, got {text!r}") from None


@dataclass(frozen=True)
class Bandwidth:
    """Channel uses of one image over a link.

    Attributes:
        symbols: payload symbols.
        overhead: pilots, prefixes and unused subcarriers.
        side: channel uses for the side information, coded and modulated.
        image_size: side of the image in pixels.
    """

    symbols: int
    overhead: int
    side: int
    image_size: int

    @property
    def uses(self) -> int:
        """Total channel uses of one image."""
        return self.symbols + self.overhead + self.side

    @property
    def ratio(self) -> float:
        """Channel bandwidth ratio (CBR): complex channel uses per real value of the RGB image."""
        return bandwidth_ratio(self.uses, self.image_size)

    def as_dict(self) -> dict[str, int | float]:
        """JSON-ready dict, with the total and the ratio."""
        return {
            "symbols": self.symbols,
            "overhead": self.overhead,
            "side": self.side,
            "channel_uses": self.uses,
            "bandwidth_ratio": self.ratio,
        }

    def __str__(self) -> str:
        overhead = f", {self.overhead:,} for pilots and prefixes" if self.overhead else ""
        return (
            f"{self.uses:,} channel uses an image ({self.symbols:,} symbols, {self.side:,} for side "
            f"information{overhead}), bandwidth ratio {self.ratio:.4f}"
        )


def bandwidth(
    symbols: int, image_size: int, *, link: AnyChannel | None = None, side_bits: int = 0
) -> Bandwidth:
    """Channel uses and bandwidth ratio of one image.

    Args:
        symbols: payload symbols of the image.
        image_size: side of the image in pixels.
        link: adds its pilots and prefixes; no overhead where None, or where it is another callable.
        side_bits: side information in bits, e.g. `Message.side_information_bits`, transmitted at one bit per
            channel use (coded QPSK of rate 1/2).

    Example:
        >>> bandwidth(896, 64, link=parse_link("rayleigh:coherence=64,csi=ls,pilots=8"), side_bits=64)
        Bandwidth(symbols=896, overhead=128, side=64, image_size=64)
    """
    overhead = link.uses(symbols) - symbols if isinstance(link, Link) else 0
    return Bandwidth(symbols, overhead, math.ceil(side_bits / SIDE_BITS_PER_USE), image_size)
