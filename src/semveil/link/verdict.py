# SPDX-License-Identifier: Apache-2.0
"""The verdict on attacks: is the person recognised in their pictures, and are they nearer than a blind guess."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from semveil.channels import Message
from semveil.link.attack_message import Found
from semveil.methods.messages import heard, method_for_bob
from semveil.methods.protections import PROTECTIONS
from semveil.metrics import fppsr, psnr
from semveil.models.face import FaceModel
from semveil.protection.pair import TrainedPair
from semveil.recognition.verifier import Verifier

CLEAN_DB = 100.0
MARGIN_DB = 1.0  # over the average face: on a single photo, less is luck as often as knowledge


@dataclass(frozen=True)
class Score:
    """One attack against the photo.

    Attributes:
        attack: its name.
        psnr: of its pictures to the photos in dB, the mean over the message.
        recognised: number of its pictures that the recogniser accepts as the photo's person.
        nearer_db: mean PSNR of its pictures to the photos minus that of the average face, in dB.
    """

    attack: str
    psnr: float
    recognised: int
    nearer_db: float


@dataclass(frozen=True)
class Verdict:
    """The verdict on all attacks together.

    Attributes:
        outcome: `undone` (a picture shows the person), `partly undone` (a picture is nearer to the photo than
            a blind guess) or `held`.
        scores: of the attacks.
        images: number of images in the message.
        verifier: name of the recogniser.
        average_recognised: pictures in which the recogniser takes even the average face for the person; where
            there are any, its decision says nothing and does not count.
    """

    outcome: str
    scores: tuple[Score, ...]
    images: int
    verifier: str
    average_recognised: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self) | {"scores": [asdict(score) for score in self.scores]}

    def sentences(self) -> tuple[str, ...]:
        """The verdict in words, the shortest first."""
        best = max(self.scores, key=lambda score: (score.recognised, score.nearer_db))
        blind = (
            (
                f"{self.verifier} takes even the average face for this person, so only the likeness of "
                "pictures counts.",
            )
            if self.average_recognised
            else ()
        )
        if self.outcome == "undone":
            seen = "its picture" if self.images == 1 else f"{best.recognised} of its {self.images} pictures"
            return (
                f"UNDONE by {best.attack}: {self.verifier} takes {seen} for the person in the photo.",
                *blind,
            )
        best = max(self.scores, key=lambda score: score.nearer_db)
        if self.outcome == "partly undone":
            return (
                f"Partly UNDONE by {best.attack}: its picture is {best.nearer_db:.1f} dB nearer to the "
                "photo than the average face is, though it is not taken for the person.",
                *blind,
            )
        return (
            "Held: no picture is taken for the person, and none is nearer to the photo than the average face "
            "is.",
            *blind,
            f"That {len(self.scores)} attacks failed on one message proves nothing; the certificate says "
            "what is promised.",
        )


def opened_without_key(message: Message, model: FaceModel, pair: TrainedPair | None = None) -> Tensor | None:
    """Bob's images of a message without key, as a reference where the photos are not given.

    Symbols that were recorded over a channel stay as they are; clean ones pass AWGN at 100 dB.

    Args:
        message: the message.
        model: its face model.
        pair: the trained pair that protected it; looked up where None.

    Returns:
        (B, 3, S, S), or None for keyed protection and for genuine noise, which Bob cannot remove.

    Raises:
        MessageError: the message does not fit the model or the pair.
    """
    kind = PROTECTIONS[message.protection]
    if kind.keyed or kind.genuine_noise:
        return None
    method = method_for_bob(message, model, pair=pair)
    return method.receive(heard(message, snr_db=None if message.snr_db is not None else CLEAN_DB))


def judge(found: Sequence[Found], truth: Tensor, average: Tensor, verifier: Verifier) -> Verdict:
    """Compare what attacks give with the photos.

    Args:
        found: results of the attacks, images (B, 3, S, S).
        truth: the photos' crops (B, 3, S, S), or what stands for them, in [-1, 1].
        average: the average face (1, 3, S, S), which a blind guess gives.
        verifier: decides whether two faces show the same person.

    Raises:
        ValueError: there is no attack, or not a photo for each image.
    """
    if not found:
        raise ValueError("there is no attack to judge")
    if any(one.images.shape != truth.shape for one in found):
        raise ValueError(f"the message holds {len(found[0].images)} images, {len(truth)} photos are given")
    truth = truth.cpu().clamp(-1, 1)
    guess = average.cpu().clamp(-1, 1).expand_as(truth)
    floor, blind = psnr(guess, truth), _recognised(guess, truth, verifier)
    scores = []
    for one in found:
        images = one.images.cpu().clamp(-1, 1)
        quality = psnr(images, truth)
        recognised = 0 if blind else _recognised(images, truth, verifier)
        scores.append(Score(one.name, float(quality.mean()), recognised, float((quality - floor).mean())))
    outcome = "held"
    if any(score.nearer_db > MARGIN_DB for score in scores):
        outcome = "partly undone"
    if any(score.recognised for score in scores):
        outcome = "undone"
    return Verdict(outcome, tuple(scores), len(truth), verifier.name, blind)


def _recognised(images: Tensor, truth: Tensor, verifier: Verifier) -> int:
    # NaN, where no face is found, is no recognition
    return int(torch.eq(fppsr(truth, images, verifier), 0).sum())
