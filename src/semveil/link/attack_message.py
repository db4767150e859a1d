# SPDX-License-Identifier: Apache-2.0
"""Adaptive attacks on a single message."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from semveil.attacks import Attack
from semveil.channels import Message, channel_of
from semveil.channels.wiretap import AnyChannel, in_words
from semveil.core.brief import Brief
from semveil.core.progress import Progress, quiet
from semveil.link.eves import Traffic, applies, attacks_on, hear, listen
from semveil.methods.messages import DEFAULT_SNR_DB, carried, method_for_bob, method_for_eve
from semveil.methods.protections import Protection
from semveil.models.face import FaceModel
from semveil.protection.pair import TrainedPair

if TYPE_CHECKING:
    from semveil.link.verdict import Verdict


@dataclass(frozen=True, eq=False, repr=False)
class Found(Brief):
    """Result of one attack.

    Attributes:
        name: name of the attack.
        knowledge: knowledge that the attack requires, with the number of known transmissions.
        images: reconstructed images (B, 3, H, W).
    """

    name: str
    knowledge: str
    images: Tensor


@dataclass(frozen=True, eq=False, repr=False)
class AttackedMessage(Brief):
    """Results of adaptive attacks on a message.

    Attributes:
        results: one per attack.
        message: the message.
        snr_db: SNR of the channel over which Eve received the message.
        channel: that channel, such as `awgn`; `recorded` where the message holds received symbols.
        known: number of transmissions whose photos she knew.
        verdict: whether her images show the person; None without a photo or a picture of Bob's to compare.
        reference: what the verdict compares with, `the photo` or `Bob's picture`; empty without a verdict.
    """

    results: tuple[Found, ...]
    message: Message
    snr_db: float
    channel: str
    known: int
    verdict: "Verdict | None" = None
    reference: str = ""


def tried_on_message(attack: type[Attack], kind: Protection) -> bool:
    """Whether an attack is run on a single message.

    These are the attacks that apply, except the control `stolen` under a key.

    Args:
        attack: an entry of `ATTACKS`.
        kind: an entry of `PROTECTIONS`.

    Example:
        >>> from semveil.attacks import ATTACKS
        >>> from semveil.methods.protections import PROTECTIONS
        >>> [tried_on_message(ATTACKS["stolen"], PROTECTIONS[name]) for name in ("nn", "rotation")]
        [True, False]
    """
    return applies(attack, kind, repeated=False) and not (kind.keyed and attack.name == "stolen")


@torch.inference_mode(False)
@torch.enable_grad()  # also where the caller needs no gradients
def attack_message(
    message: Message,
    model: FaceModel,
    *,
    latents: Tensor,
    known: int,
    names: Sequence[str] | None = None,
    snr_db: float | None = None,
    channel: AnyChannel | str | None = None,
    pair: TrainedPair | None = None,
    rng: torch.Generator,
    progress: Progress = quiet,
) -> AttackedMessage:
    """Run all applicable or the named attacks on a message.

    Args:
        message: message with clean symbols, which then pass Eve's simulated channel, or with received
            symbols.
        model: the message's face model.
        latents: (N, K, D) of public faces.
        known: number of transmissions whose photos Eve knows. They are simulated: with the pair that
            protected the message, or under a fresh key.
        names: names of the attacks; all that apply where None.
        snr_db: SNR of Eve's channel; 20 dB where None.
        channel: her channel and receiver, as for `transmit`; AWGN where None.
        pair: trained pair that protected the message; looked up on this machine where None.
        rng: source of Eve's channel noise and samples.
        progress: called with the current attack, the number of finished attacks and their total.

    Raises:
        MessageError: the message does not fit the model or the pair, or a channel is given for received
            symbols.
        ValueError: an attack does not exist, does not apply or returns codes of another shape, or there is no
            such channel.
    """
    keyed = message.keyed is not None
    method = method_for_eve(message, model) if keyed else method_for_bob(message, model, pair=pair)
    power_db = message.snr_db if message.snr_db is not None else DEFAULT_SNR_DB if snr_db is None else snr_db
    over = channel_of(channel)
    received, variance, words = carried(message, snr_db=snr_db, channel=over), None, "recorded"
    if message.snr_db is None:
        received, heard_noise = hear(method, received, power_db, rng, over)
        variance, words = heard_noise.float(), in_words(channel)
    synthetic = model.public_latents(max(known - len(latents), 0), rng=rng)
    traffic = Traffic.of(method, latents[:0], shots=1, known=torch.cat([latents, synthetic])[:known])
    eve = listen(
        method,
        received,
        traffic,
        snr_db=power_db,
        latents=latents,
        rng=rng,
        channel=over,
        variance=variance,
    )
    applicable = [
        one for one in attacks_on(method, received, eve) if tried_on_message(type(one), method.kind)
    ]
    missing = sorted(set(names or ()) - {one.name for one in applicable})
    if missing:
        raise ValueError(
            f"attack {missing[0]!r} does not apply to protection {message.protection!r} of one message; "
            f"use one of {', '.join(one.name for one in applicable)}"
        )
    chosen = [one for one in applicable if not names or one.name in names]
    results = []
    for done, one in enumerate(chosen):
        progress(f"attack: {one.name}", done, len(chosen))
        codes = one(eve.observation, eve.public, pairs=eve.pairs, rng=rng)
        if codes.shape != eve.observation.received.shape:
            raise ValueError(
                f"attack {one.name!r} must return codes {tuple(eve.observation.received.shape)}, got "
                f"{tuple(codes.shape)}"
            )
        knowledge = re.sub(r"\bN\b", str(known), one.knowledge)
        results.append(Found(one.name, knowledge, method.synthesize(codes)))
    progress("attack", len(chosen), len(chosen))
    return AttackedMessage(tuple(results), message, power_db, words, known)
