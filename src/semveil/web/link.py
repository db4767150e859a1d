# SPDX-License-Identifier: Apache-2.0
"""The link: one photo sent to Bob while Eve listens, and Eve's attacks on it."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

import semveil
from semveil.attacks import ATTACKS
from semveil.core.progress import Progress, quiet
from semveil.core.rng import streams
from semveil.faces.pixels import to_pixels
from semveil.link.attack_message import AttackedMessage, attack_message, tried_on_message
from semveil.link.measure import compare
from semveil.link.transmit import Transmitted, meaning
from semveil.methods.messages import to_message
from semveil.methods.protections import PROTECTIONS
from semveil.models.face import FaceModel
from semveil.recognition.by_name import load_verifier
from semveil.web.asked import Asked
from semveil.web.html import Card, cards, certificate_box

PUBLIC_FACES = 2000  # known to Eve: drawn from the model's prior
# transmissions with known photos; under a key more of them give no further information
KNOWN, KNOWN_UNDER_KEYS = 2000, 300
UNUSED = 100  # for attacks that do not use them
SLOW = ("learned-same", "learned-deep")  # a minute or more; `semveil attack` runs them
RECOGNISER = "dlib"
CERTIFIED = "What is guaranteed about Eve's picture"


def send_photo(
    photo: NDArray[np.uint8],
    asked: Asked,
    *,
    model: FaceModel,
    snr_db: float = 20.0,
    eve_snr_db: float = 20.0,
    progress: Progress = quiet,
) -> Transmitted:
    """Transmit the photo over the simulated wiretap channel, by `semveil.transmit`.

    Args:
        photo: (H, W, 3) RGB.
        asked: protection and face.
        model: loaded face model.
        snr_db: SNR of Bob's channel, in dB per complex symbol.
        eve_snr_db: SNR of Eve's channel, in dB per complex symbol.
        progress: called with stage, amount done and total.

    Returns:
        The transmission.

    Raises:
        ValueError, SemveilError: as for `semveil.transmit`.
    """
    return semveil.transmit(
        photo,
        model=model,
        face=asked.chosen_face(),
        snr_db=snr_db,
        eve_snr_db=eve_snr_db,
        verifier=RECOGNISER,
        train=False,
        progress=progress,
        **asked.options(),
    )


def try_attacks(
    sent: Transmitted,
    model: FaceModel,
    eve_snr_db: float,
    names: Sequence[str],
    *,
    progress: Progress = quiet,
) -> AttackedMessage:
    """Attack the same message by `attack_message`; Eve receives it again, over a channel of the same SNR.

    Args:
        sent: result of `send_photo`.
        model: the face model that sent it.
        eve_snr_db: SNR of Eve's channel, in dB per complex symbol.
        names: names of the attacks.
        progress: called with stage, amount done and total.

    Returns:
        Results of the attacks.
    """
    rng = streams(None)["eve"]
    return attack_message(
        to_message(sent.method, sent.result.transmission),
        model,
        latents=model.public_latents(PUBLIC_FACES, rng=rng),
        known=known_transmissions(sent.method.protection, names),
        names=names,
        snr_db=eve_snr_db,
        pair=sent.method.pair,
        rng=rng,
        progress=progress,
    )


def known_transmissions(protection: str, names: Sequence[str]) -> int:
    """Number of known transmissions that Eve has for the attacks; `UNUSED` if no attack needs any.

    Args:
        protection: name of the protection.
        names: names of the attacks.
    """
    if not any("pairs" in ATTACKS[name].needs for name in names):
        return UNUSED
    return KNOWN_UNDER_KEYS if PROTECTIONS[protection].keyed else KNOWN


def attack_for(protection: str) -> str:
    """Name of the attack shown on the link's page: fast, and as strong as any against the protection.

    Args:
        protection: name of the protection.
    """
    if PROTECTIONS[protection].genuine_noise:
        return "prior-search"
    return "denoise" if protection == "none" else "linear"


def quick_attacks(protection: str) -> list[str]:
    """Names of the attacks on a single message that take seconds: all that apply, except `SLOW`.

    Args:
        protection: name of the protection.
    """
    kind = PROTECTIONS[protection]
    return [name for name, attack in ATTACKS.items() if name not in SLOW and tried_on_message(attack, kind)]


def show_link(sent: Transmitted, tried: AttackedMessage) -> str:
    """HTML of the photo, Bob's and Eve's pictures and one by an attack, with the certificate of Eve's signal.

    Args:
        sent: transmission of one photo.
        tried: result of exactly one attack on it.
    """
    (record,) = sent.summary["images"]
    (attack,) = tried.results
    result, bob = sent.result, "He has the key." if sent.method.kind.keyed else "He has no key."
    told = [
        Card("The photo's face", _pixels(result.source), ["What Alice has."]),
        Card("Bob", _pixels(result.bob), [bob, *verdict(record["bob"])]),
        Card(
            "Eve",
            _pixels(result.eve),
            ["She puts what she hears into the generator.", *verdict(record["eve"])],
        ),
        Card(
            "Adaptive Eve",
            _pixels(attack.images),
            [
                f"Attack {attack.name}; she has {attack.knowledge}.",
                *judged(result.source, attack.images),
            ],
        ),
    ]
    return cards(told) + _nominal(sent) + certificate_box(sent.certificate, CERTIFIED)


def show_attacks(sent: Transmitted, tried: AttackedMessage) -> str:
    """HTML of the photo and of each attack's result, with the certificate.

    Args:
        sent: transmission of one photo.
        tried: results of any number of attacks on it.
    """
    told = [Card("The photo's face", _pixels(sent.result.source), ["What Alice has."])]
    for one in tried.results:
        words = [f"She has {one.knowledge}.", *judged(sent.result.source, one.images)]
        told.append(Card(one.name, _pixels(one.images), words))
    return cards(told) + _nominal(sent) + certificate_box(sent.certificate, CERTIFIED)


def judged(source: Tensor, images: Tensor) -> list[str]:
    """Compare an image with the photo, by face recognition and PSNR, in words.

    Args:
        source: (1, 3, S, S), clamped to [-1, 1].
        images: (1, 3, S, S), clamped to [-1, 1].
    """
    verifier, _ = load_verifier(RECOGNISER, resolution=source.shape[-1])
    columns = compare(source.clamp(-1, 1), images.clamp(-1, 1), verifier)
    return verdict({name: None if values is None else values[0] for name, values in columns.items()})


def verdict(measured: Mapping[str, Any]) -> list[str]:
    """Recorded measurements of one picture, in words.

    Args:
        measured: `fppsr`, 0 if the recogniser accepts the same person, and optionally `psnr` in dB.

    Example:
        >>> verdict({"fppsr": 0.0, "psnr": 21.34})
        ["dlib's recogniser: the same person. PSNR to the photo 21.3 dB."]
    """
    same = "the same person" if measured["fppsr"] == 0 else "another person, or no face"
    psnr = measured.get("psnr")
    return [
        f"{RECOGNISER}'s recogniser: {same}."
        + (f" PSNR to the photo {psnr:.1f} dB." if psnr is not None else "")
    ]


def _nominal(sent: Transmitted) -> str:
    return (
        f'<p class="sv-words">The {escape(meaning(sent.method))}.</p>'
        if sent.method.protection == "nn"
        else ""
    )


def _pixels(images: Tensor) -> NDArray[np.uint8]:
    return to_pixels(images)[0]
