# SPDX-License-Identifier: Apache-2.0
"""The wiretap channel: one transmission, two receivers, independent channels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from semveil.channels.awgn import awgn

AnyChannel = Callable[[Tensor, float | Tensor, torch.Generator | None], tuple[Tensor, Any]]
"""`channel(symbols, snr_db, rng) -> received, state`: a `Link`, a `Channel`, or any such callable."""

AnySnr = float | Sequence[float] | Tensor
"""SNR in dB: one number for all messages, or one per message, (B,)."""


def snrs(snr_db: AnySnr, messages: int) -> float | Tensor:
    """Normalise an SNR argument to a number or a float64 tensor.

    Args:
        snr_db: in dB, one number or one per message.
        messages: B.

    Returns:
        A number, or (B,) float64.

    Raises:
        ValueError: several values, but not one per message.

    Example:
        >>> snrs([0, 10], 2), snrs(20.0, 3)
        (tensor([ 0., 10.], dtype=torch.float64), 20.0)
    """
    if isinstance(snr_db, int | float):
        return float(snr_db)
    if isinstance(snr_db, str):
        raise ValueError(f"snr_db must be a number or one for each image, got the text {snr_db!r}")
    found = torch.as_tensor(snr_db, dtype=torch.float64)
    if found.ndim == 0:
        return float(found)
    if found.shape != (messages,):
        raise ValueError(
            f"snr_db must be one number or one for each of {messages} images, got shape {tuple(found.shape)}"
        )
    return found


def over(
    channel: AnyChannel | None,
    symbols: Tensor,
    snr_db: float | Tensor,
    *,
    power: float = 1.0,
    rng: torch.Generator | None = None,
) -> Tensor:
    """Transmit symbols of mean power P over one channel.

    Args:
        channel: called as `channel(symbols, snr_db, rng)` with symbols scaled to unit power; AWGN where None.
        symbols: (B, N) complex.
        snr_db: SNR per complex symbol in dB, one number or (B,).
        power: P, mean power per complex symbol.
        rng: source of the channel's randomness; the operating system's entropy where None.

    Returns:
        (B, N) complex, at power P.

    Raises:
        ValueError: the channel cannot be called, or returned no pair, another shape, dtype or type, or
            symbols that are not finite; or as for `awgn`.
    """
    if channel is None:
        return awgn(symbols, snr_db, power=power, rng=rng)
    if not callable(channel):
        raise ValueError(
            f"a channel is called as channel(symbols, snr_db, rng), which {channel!r} cannot be; "
            "semveil.channels.parse_link makes a channel from its description"
        )
    heard = channel(symbols / power**0.5, snr_db, rng)
    if not isinstance(heard, tuple) or len(heard) != 2:
        raise ValueError(
            "a channel must return two things, what it receives and its state (or None), got "
            f"{type(heard).__name__}"
        )
    received = heard[0]
    if not isinstance(received, Tensor) or received.shape != symbols.shape or received.dtype != symbols.dtype:
        got = (
            f"{received.dtype} {tuple(received.shape)}"
            if isinstance(received, Tensor)
            else type(received).__name__
        )
        raise ValueError(
            f"a channel must return what it receives as {symbols.dtype} {tuple(symbols.shape)}, got {got}"
        )
    if symbols.isfinite().all() and not received.isfinite().all():
        raise ValueError("a channel must return finite symbols; it made NaN or infinity of finite ones")
    return received * power**0.5


def in_words(channel: AnyChannel | str | None) -> str:
    """Name of a channel in results: its description, `awgn`, or the name of its class or function.

    Args:
        channel: a description, a channel, or None for AWGN.

    Example:
        >>> in_words("rayleigh:coherence=64"), in_words(None), in_words(lambda *sent: sent)
        ('rayleigh:coherence=64', 'awgn', '<lambda>')
    """
    if isinstance(channel, str):
        return channel
    return "awgn" if channel is None else getattr(channel, "__name__", type(channel).__name__)


@dataclass(frozen=True)
class WiretapOutput:
    """Symbols received by the two parties.

    Attributes:
        bob: (B, N) complex, received by the legitimate receiver.
        eve: (B, N) complex, received by the eavesdropper.
    """

    bob: Tensor
    eve: Tensor


def wiretap(
    symbols: Tensor,
    snr_db: float | Tensor,
    eve_snr_db: float | Tensor | None = None,
    *,
    power: float = 1.0,
    rng_bob: torch.Generator | None = None,
    rng_eve: torch.Generator | None = None,
    bob_channel: AnyChannel | None = None,
    eve_channel: AnyChannel | None = None,
) -> WiretapOutput:
    """Transmit symbols to Bob and to Eve over independent channels.

    By default both are AWGN channels as in the paper: y_i = s + n_i, [DPSC] Eqs. 10 and 11.

    Args:
        symbols: (B, N) complex, of mean power `power`.
        snr_db: Bob's SNR per complex symbol in dB, one number or (B,).
        eve_snr_db: Eve's SNR; by default Bob's, as in the paper.
        power: P, transmit power per complex symbol.
        rng_bob: source of Bob's noise; the operating system's entropy where None.
        rng_eve: source of Eve's noise, likewise.
        bob_channel: Bob's channel, called as `channel(symbols, snr_db, rng)`; AWGN where None.
        eve_channel: Eve's channel, likewise.

    Raises:
        ValueError: the two generators are in the same state, which would give both receivers the same noise.

    Example:
        >>> heard = wiretap(torch.ones(1, 4, dtype=torch.complex64), float("inf"))
        >>> heard.bob
        tensor([[1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j]])
    """
    if (
        rng_bob is not None
        and rng_eve is not None
        and rng_bob is not rng_eve
        and _same_state(rng_bob, rng_eve)
    ):
        raise ValueError(
            "rng_bob and rng_eve are in the same state, so both would hear the same noise; seed them "
            "differently"
        )
    bob = over(bob_channel, symbols, snr_db, power=power, rng=rng_bob)
    eve = over(eve_channel, symbols, snr_db if eve_snr_db is None else eve_snr_db, power=power, rng=rng_eve)
    return WiretapOutput(bob=bob, eve=eve)


def _same_state(first: torch.Generator, second: torch.Generator) -> bool:
    return first.device == second.device and torch.equal(first.get_state(), second.get_state())
