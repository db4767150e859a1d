# SPDX-License-Identifier: Apache-2.0
"""The verdict on attacks: who is recognised, what is nearer than a blind guess, and when the recogniser is no
use.
"""

import pytest
import torch
from torch import Tensor

from semveil.link.attack_message import Found
from semveil.link.verdict import MARGIN_DB, judge
from semveil.metrics import psnr

PHOTO = torch.linspace(-0.9, 0.9, 3 * 16 * 16).reshape(1, 3, 16, 16)
AVERAGE = torch.zeros(1, 3, 16, 16)


class ByLikeness:
    """Takes pictures for one person whose mean squared difference is small."""

    name, threshold, digest = "likeness", 0.05, None

    def embed(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def same(self, a: Tensor, b: Tensor) -> Tensor:
        return (a - b).square().mean(1) < self.threshold


def found(*images: Tensor) -> list[Found]:
    return [Found(f"attack-{number}", "all of it", image) for number, image in enumerate(images, 1)]


def test_a_picture_of_the_person_undoes_the_protection() -> None:
    verdict = judge(found(AVERAGE, PHOTO + 0.05), PHOTO, AVERAGE, ByLikeness())
    assert (verdict.outcome, [score.recognised for score in verdict.scores]) == ("undone", [0, 1])
    assert verdict.sentences()[0].startswith("UNDONE by attack-2: likeness takes its picture for the person")
    assert verdict.as_dict()["scores"][0]["nearer_db"] == pytest.approx(0)


def test_what_is_clearly_nearer_than_the_average_face_undoes_it_in_part() -> None:
    near = PHOTO * 0.5  # three quarters of the squared error are gone: 6 dB
    verdict = judge(found(near), PHOTO, AVERAGE, ByLikeness())
    assert verdict.outcome == "partly undone" and verdict.scores[0].nearer_db == pytest.approx(6.02, abs=0.01)
    assert "6.0 dB closer" in verdict.sentences()[0]


def test_a_little_nearer_is_luck() -> None:
    verdict = judge(found(PHOTO * 0.05), PHOTO, AVERAGE, ByLikeness())
    assert verdict.outcome == "held" and 0 < verdict.scores[0].nearer_db < MARGIN_DB
    assert verdict.sentences()[0].startswith("Held") and "proves nothing" in verdict.sentences()[-1]
    assert "none is more than 1 dB closer" in verdict.sentences()[0]


def test_one_picture_given_away_is_not_averaged_out() -> None:
    photos = torch.cat([PHOTO, *[-PHOTO] * 9])
    verdict = judge(found(torch.cat([PHOTO * 0.5] * 10)), photos, AVERAGE, ByLikeness())
    assert verdict.outcome == "partly undone" and verdict.scores[0].nearer_db == pytest.approx(6.02, abs=0.01)
    assert "one of its 10 pictures is 6.0 dB closer" in verdict.sentences()[0]


def test_a_recogniser_that_takes_the_average_face_for_the_person_does_not_count() -> None:
    blind = ByLikeness()
    blind.threshold = 9.0
    verdict = judge(found(AVERAGE), PHOTO, AVERAGE, blind)
    assert verdict.outcome == "held" and verdict.average_recognised == 1
    assert any("even the average face" in text for text in verdict.sentences())
    nearer = judge(found(PHOTO * 0.5), PHOTO, AVERAGE, blind)
    assert nearer.outcome == "partly undone"
    for judged in (verdict, nearer):
        assert "taken for the person" not in judged.sentences()[0], "the recogniser's decisions do not count"


def test_several_images_are_counted() -> None:
    photos = torch.cat([PHOTO, -PHOTO])
    verdict = judge(found(torch.cat([PHOTO, PHOTO])), photos, AVERAGE, ByLikeness())
    assert verdict.outcome == "undone" and "1 of its 2 pictures" in verdict.sentences()[0]
    assert verdict.scores[0].psnr == pytest.approx(float(psnr(torch.cat([PHOTO, PHOTO]), photos).mean()))


def test_photos_must_fit_the_message() -> None:
    with pytest.raises(ValueError, match="1 images, 2 photos"):
        judge(found(PHOTO), torch.cat([PHOTO, PHOTO]), AVERAGE, ByLikeness())
    with pytest.raises(ValueError, match="no attack"):
        judge([], PHOTO, AVERAGE, ByLikeness())
