# SPDX-License-Identifier: Apache-2.0
"""dp-image makes as many draws as it pays for, and no more."""

from collections.abc import Callable
from unittest import mock

import pytest
import torch
from torch import Tensor

from semveil.mechanisms import ExactRelease
from semveil.methods import dp_image
from semveil.methods.dp_image import DPImage
from semveil.methods.latent_model import LatentModel

PHOTOS = torch.zeros(4, 3, 2, 2)


def counted(draws: int, accepts: Callable[[int], bool]) -> list[int]:
    """How many releases are drawn for each of four photos; `accepts` is asked with the number of the draw."""
    made = []
    honest = ExactRelease.__call__

    def drawing(self: ExactRelease, x: Tensor) -> Tensor:
        made[-1] += len(x)
        return honest(self, x)

    method = DPImage(LatentModel.example(), scale=4.0, accept="face", draws=draws)
    method._test_checked = True
    with (
        mock.patch.object(ExactRelease, "__call__", drawing),
        mock.patch.object(dp_image, "ACCEPTANCE", {"face": lambda picture: accepts(made[-1])}),
    ):
        for photo in PHOTOS:
            made.append(0)
            method.protect(photo[None])
    return made


@pytest.mark.parametrize("draws", [2, 3, 7])
def test_no_photo_gets_more_draws_than_are_paid_for(draws: int) -> None:
    assert counted(draws, lambda done: False) == [draws] * 4
    assert (
        DPImage(LatentModel.example(), scale=4.0, accept="face", draws=draws).guarantee().epsilon
        == draws * 9.0
    )


def test_drawing_ends_with_the_first_that_is_accepted() -> None:
    assert counted(5, lambda done: done == 2) == [2] * 4
    assert counted(0, lambda done: done == 40) == [40] * 4  # without a limit


def test_a_draw_too_many_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same loop with its end one draw later."""

    def one_more(self: DPImage, features: Tensor, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
        done = 0
        while True:
            noisy = self._noisy(features, rng)
            picture = self.model.synthesize(noisy)
            done += 1
            if done == self.draws + 1 or dp_image.ACCEPTANCE[self.accept](picture[0]):
                return picture, noisy

    monkeypatch.setattr(DPImage, "_draw", one_more)
    assert counted(3, lambda done: False) == [4] * 4
