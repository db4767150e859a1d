# SPDX-License-Identifier: Apache-2.0
"""The traditional methods of [IDP]'s Table I: where they act, how much, and what sets the readings apart."""

import math

import pytest
import torch
from torch import Tensor

from semveil.experiments.identity_dp.baselines import (
    READINGS,
    baseline,
    clusters,
    face_pixels,
    fit_of_readings,
)
from semveil.experiments.identity_dp.paper import TABLE_AMOUNTS
from semveil.metrics import psnr

SIZE = 64
LEFT, TOP, RIGHT, BOTTOM = face_pixels(SIZE)


def _picture(seed: int = 0) -> Tensor:
    """A smooth picture in 8-bit levels, not near black or white."""
    coarse = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(seed)) * 1.2 - 0.6
    smooth = torch.nn.functional.interpolate(coarse, size=SIZE, mode="bicubic", align_corners=True)
    return (smooth * 127.5 + 127.5).round() / 127.5 - 1


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize(("name", "amount"), TABLE_AMOUNTS)
def test_the_face_changes_and_nothing_else(name: str, amount: float, reading: str) -> None:
    image = _picture()
    before = image.clone()
    shown = baseline(name, amount, image, reading=reading, rng=torch.Generator().manual_seed(1))
    outside = torch.ones(SIZE, SIZE, dtype=torch.bool)
    outside[TOP:BOTTOM, LEFT:RIGHT] = False
    assert torch.equal(shown[..., outside], image[..., outside]) and torch.equal(image, before)
    assert not torch.equal(shown, image) and shown.abs().max() <= 1 + 1e-6


@pytest.mark.parametrize("name", ["pixelization", "noise"])
@pytest.mark.parametrize("reading", READINGS)
def test_more_costs_more(name: str, reading: str) -> None:
    image, rng = _picture(), torch.Generator().manual_seed(2)
    less, more = (baseline(name, amount, image, reading=reading, rng=rng) for amount in (8, 49))
    assert psnr(image, more) < psnr(image, less)


def test_shrinking_to_few_pixels_and_shrinking_few_times_are_opposite() -> None:
    image = _picture()
    seven, nineteen = (
        {r: float(psnr(image, baseline("blur", k, image, reading=r))) for r in READINGS} for k in (7, 19)
    )
    assert seven["text"] < nineteen["text"] and seven["numbers"] > nineteen["numbers"]


def test_noise_has_its_standard_deviation_and_only_the_numbers_reading_overflows() -> None:
    grey, rng = torch.zeros(4, 3, SIZE, SIZE), torch.Generator().manual_seed(3)
    face = (slice(None), slice(None), slice(TOP, BOTTOM), slice(LEFT, RIGHT))
    for reading in READINGS:
        levels = baseline("noise", 9, grey, reading=reading, rng=rng)[face] * 127.5
        assert levels.std().item() == pytest.approx(9, rel=5 / math.sqrt(2 * levels.numel()))
    white = torch.ones(4, 3, SIZE, SIZE)
    darkest = {
        reading: baseline("noise", 9, white, reading=reading, rng=rng).min().item() for reading in READINGS
    }
    assert darkest["text"] > 0.5 and darkest["numbers"] < -0.9  # 260 is 4


def test_clusters_are_of_one_colour_and_as_many_as_asked() -> None:
    shown = clusters(_picture(), 8.0)
    colours = shown[0].flatten(1).T.unique(dim=0)
    assert 32 <= len(colours) <= 96  # 64 asked for; SLIC joins small ones


def test_an_unknown_reading_or_method_is_refused() -> None:
    with pytest.raises(ValueError, match="text and numbers, got 'letters'"):
        baseline("blur", 7, _picture(), reading="letters")
    with pytest.raises(ValueError, match="did you mean 'blur'"):
        baseline("blurr", 7, _picture(), reading="text")


def test_the_fit_stands_beside_the_papers_numbers() -> None:
    table = fit_of_readings(_picture()).splitlines()
    assert len(table) == 2 + len(TABLE_AMOUNTS) and table[2].startswith("| pixelization 8 | 26.73 | 0.767 |")
