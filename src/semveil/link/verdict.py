# SPDX-License-Identifier: Apache-2.0
"""The verdict on attacks: whether their images show the person or are nearer than a blind guess."""

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
MARGIN_DB = 1.0  # over the average face; on a single photo, a smaller gain may well be chance


@dataclass(frozen=True)
class Score:
    """Result of one attack compared with the photo.

    Attributes:
        attack: name of the attack.
        psnr: PSNR of its images to the photos in dB, the mean over the message.
        recognised: number of its images that the verifier accepts as the person in the photo.
        nearer_db: PSNR of an image to its photo minus that of the average face, in dB; the largest over the
            message, so that one image which is given away is not averaged out.
    """

    attack: str
    psnr: float
    recognised: int
    nearer_db: float


@dataclass(frozen=True)
class Verdict:
    """The verdict on all attacks.

    Attributes:
        outcome: `undone` (an image shows the person), `partly undone` (an image is more than `MARGIN_DB`
            closer to the photo than a blind guess) or `held`.
        scores: one per attack.
        images: number of images in the message.
        verifier: name of the verifier.
        average_recognised: number of photos for which the verifier accepts even the average face as the
            person; if there are any, its decisions are uninformative and do not count.
    """

    outcome: str
    scores: tuple[Score, ...]
    images: int
    verifier: str
    average_recognised: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready dict."""
        return asdict(self) | {"scores": [asdict(score) for score in self.scores]}

    def sentences(self) -> tuple[str, ...]:
        """The verdict in words, the shortest sentence first."""
        best = max(self.scores, key=lambda score: (score.recognised, score.nearer_db))
        blind = (
            (
                f"{self.verifier} takes even the average face for this person, so only the similarity of "
                "the pictures counts.",
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
            which = "its picture" if self.images == 1 else f"one of its {self.images} pictures"
            though = "" if blind else ", though it is not taken for the person"
            return (
                f"Partly UNDONE by {best.attack}: {which} is {best.nearer_db:.1f} dB closer to the photo "
                f"than the average face is{though}.",
                *blind,
            )
        none = "no picture" if blind else "no picture is taken for the person, and none"
        return (
            f"Held: {none} is more than {MARGIN_DB:g} dB closer to the photo than the average face is.",
            *blind,
            f"The failure of {len(self.scores)} attacks on one message proves nothing; the certificate "
            "states what is guaranteed.",
        )


def opened_without_key(message: Message, model: FaceModel, pair: TrainedPair | None = None) -> Tensor | None:
    """Bob's images of a message without a key, used as a reference where the photos are not given.

    Symbols recorded over a channel are used unchanged; clean ones pass AWGN at 100 dB.

    Args:
        message: the message.
        model: its face model.
        pair: trained pair that protected the message; looked up where None.

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
    """Compare the results of attacks with the photos.

    Args:
        found: results of the attacks, images (B, 3, S, S).
        truth: (B, 3, S, S) aligned crops of the photos, or a substitute for them, in [-1, 1].
        average: (1, 3, S, S) average face, the result of a blind guess.
        verifier: decides whether two faces show the same person.

    Raises:
        ValueError: there is no attack, or the number of photos differs from the number of images.
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
        scores.append(Score(one.name, float(quality.mean()), recognised, float((quality - floor).max())))
    outcome = "held"
    if any(score.nearer_db > MARGIN_DB for score in scores):
        outcome = "partly undone"
    if any(score.recognised for score in scores):
        outcome = "undone"
    return Verdict(outcome, tuple(scores), len(truth), verifier.name, blind)


def _recognised(images: Tensor, truth: Tensor, verifier: Verifier) -> int:
    # NaN (no face found) does not count as recognition
    return int(torch.eq(fppsr(truth, images, verifier), 0).sum())
