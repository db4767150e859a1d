# SPDX-License-Identifier: Apache-2.0
"""The knowledge of an eavesdropper of dp-semcom: observation, public knowledge and known pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from semveil.attacks import ATTACKS, Attack, KnownPairs, Observation, PublicKnowledge
from semveil.channels import Link, noise_power
from semveil.channels.wiretap import AnyChannel, over
from semveil.mechanisms import Laplace
from semveil.methods.latent_link import LatentLink
from semveil.methods.protections import Protection
from semveil.methods.transmission import Transmission

CHUNK = 500  # transmissions simulated at once


@dataclass(frozen=True, eq=False)
class Eve:
    """Eve's knowledge, in the form that attacks take.

    Attributes:
        observation: the received signal under attack.
        public: public knowledge.
        pairs: known pairs of latents and received codes.
    """

    observation: Observation
    public: PublicKnowledge
    pairs: KnownPairs


@dataclass(frozen=True, eq=False)
class Traffic:
    """Transmissions other than the message under attack, each with fresh noise or a fresh nonce.

    Attributes:
        again: further transmissions of the same photos.
        known: (M, K, D) latents of photos that Eve chose or knows.
        sent: transmissions of the known photos, in parts.
    """

    again: tuple[Transmission, ...]
    known: Tensor
    sent: tuple[Transmission, ...]

    @classmethod
    def of(cls, method: LatentLink, codes: Tensor, *, shots: int, known: Tensor) -> "Traffic":
        """Simulate further transmissions by Alice, each with fresh noise or a fresh nonce.

        Args:
            method: Alice's method.
            codes: (B, K, D) latents of the photos under attack.
            shots: total transmissions of these photos, including the one under attack; at least 1.
            known: (M, K, D) latents of photos that Eve knows, clipped to the public box and transmitted once.
        """
        again = tuple(method.send_codes(codes) for _ in range(shots - 1))
        return cls(
            again, method.model.box.clip(known), tuple(method.send_codes(part) for part in known.split(CHUNK))
        )


def listen(
    method: LatentLink,
    heard: Transmission,
    traffic: Traffic,
    *,
    snr_db: float,
    latents: Tensor,
    rng: torch.Generator | None = None,
    channel: AnyChannel | None = None,
    variance: Tensor | None = None,
) -> Eve:
    """Eve's observation over her own channel, her public knowledge and her known pairs.

    Args:
        method: Alice's method, of which Eve uses the public part.
        heard: the received signal of the message under attack.
        traffic: other transmissions that Eve receives.
        snr_db: SNR of Eve's channel in dB.
        latents: (N, K, D) of public faces.
        rng: source of Eve's channel noise.
        channel: Eve's channel; AWGN where None.
        variance: noise variance in `heard`, as returned by `hear`; that of AWGN where None.
    """

    again = [method.heard_codes(over_the_air(sent, snr_db, rng, channel)) for sent in traffic.again]
    recorded = [_record(method, sent, snr_db, rng, channel) for sent in traffic.sent]
    received, noise = (torch.cat(parts) for parts in zip(*recorded, strict=True))
    law = getattr(method.protector, "mechanism", None)
    scale = law.scale if isinstance(law, Laplace) else None
    public = PublicKnowledge(
        private_codes=method.private_codes,
        box=method.model.box,
        latents=latents,
        synthesize=method.synthesize,
        interpret=method.protector.interpret,
    )
    if variance is None:
        # denormalisation scales the noise by 1 / gain
        variance = noise_power(snr_db) / 2 / heard.gains.square()
    repeats = torch.stack(again) if again else None
    observation = Observation(method.heard_codes(heard), variance, scale, repeats, recordings=received)
    return Eve(observation, public, KnownPairs(received, traffic.known, noise))


def _record(
    method: LatentLink,
    sent: Transmission,
    snr_db: float,
    rng: torch.Generator | None,
    channel: AnyChannel | None,
) -> tuple[Tensor, Tensor]:
    """Received codes (N, K, D), and their noise variance per code (N, K)."""
    heard, variance = hear(method, sent, snr_db, rng, channel)
    return method.heard_codes(heard), variance.float()


def over_the_air(
    sent: Transmission, snr_db: float, rng: torch.Generator | None, channel: AnyChannel | None = None
) -> Transmission:
    """Pass the symbols of a transmission through a channel.

    Args:
        sent: the transmission, symbols (B, N) of unit power.
        snr_db: SNR per complex symbol in dB.
        rng: source of the channel noise; the operating system's entropy where None.
        channel: the channel; AWGN where None.
    """
    return replace(sent, symbols=over(channel, sent.symbols, snr_db, rng=rng))


def hear(
    method: LatentLink,
    sent: Transmission,
    snr_db: float,
    rng: torch.Generator | None,
    channel: AnyChannel | None = None,
) -> tuple[Transmission, Tensor]:
    """Receive a transmission over a channel, with its noise variance.

    The variance is the receiver's estimate over a `Link`, otherwise that of AWGN.

    Args:
        method: Alice's method, for the latent shape.
        sent: the transmission, symbols (B, N) of unit power.
        snr_db: SNR per complex symbol in dB.
        rng: source of the channel noise.
        channel: a link, whose receiver estimates the error power of each symbol, or any other channel; AWGN
            where None.

    Returns:
        The received transmission, and the noise variance (B, K) per real latent coordinate, averaged over
        each code.
    """
    codes = method.model.latent_shape[0]
    if not isinstance(channel, Link):
        variance = noise_power(snr_db) / 2 / sent.gains.square()
        return over_the_air(sent, snr_db, rng, channel), variance[:, None].expand(-1, codes)
    received, state = channel(sent.symbols, snr_db, rng)
    power = state.error_power.expand(received.shape).unflatten(1, (codes, -1)).mean(2)
    return replace(sent, symbols=received), power / 2 / sent.gains.square()[:, None]


def applies(attack: type[Attack], kind: Protection, *, repeated: bool) -> bool:
    """Whether an attack can be run on transmissions under a protection.

    Args:
        attack: an entry of `ATTACKS`.
        kind: an entry of `PROTECTIONS`.
        repeated: whether Eve has further transmissions of the same photos.

    Example:
        >>> from semveil.methods.protections import PROTECTIONS
        >>> [applies(ATTACKS["glass-box"], PROTECTIONS[name], repeated=False) for name in ("nn", "rotation")]
        [True, False]
    """
    if "protect" in attack.needs:
        return not (kind.keyed or kind.genuine_noise)  # only a deterministic protection can be inverted
    return kind.undone if "deprotect" in attack.needs else repeated or "repeats" not in attack.needs


def attacks_on(
    method: LatentLink, sent: Transmission, eve: Eve, names: Sequence[str] | None = None
) -> Iterator[Attack]:
    """The attacks that apply to a transmission, in the order of `ATTACKS`.

    `stolen` applies where Bob holds a secret: a trained network or a key. With the key it always succeeds: a
    control that the attack itself works, not an attack that keyed protection claims to withstand.

    Args:
        method: Alice's method.
        sent: the transmission under attack; `stolen` reads its side information.
        eve: Eve's knowledge; attacks on repeated transmissions apply only if it includes repeats.
        names: restricts the attacks to these names; other names are ignored.
    """
    for attack in (
        dict(ATTACKS.items()).values()
        if names is None
        else [ATTACKS[name] for name in ATTACKS if name in names]
    ):
        if not applies(attack, method.kind, repeated=eve.observation.repeats is not None):
            continue
        taken: dict[str, Any] = {}
        if "protect" in attack.needs:
            taken["protect"] = lambda block: method.protector.protect(block).block
        if "deprotect" in attack.needs:
            taken["deprotect"] = lambda block: method.protector.deprotect(block, sent.keyed, sent.bound())
        yield attack(**taken)
