# SPDX-License-Identifier: Apache-2.0
"""The inverter of converted pictures: what it must undo, what nobody can undo, and what it says of itself."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.attacks.inverter import Inverter, InverterSettings, train_inverter

SETTINGS = InverterSettings(width=24, blocks=1, steps=200, batch=32, learning_rate=4e-3, linear_pairs=600)
SIDE = 8


def pictures(count: int, seed: int) -> Tensor:
    """Smooth colour pictures: few large numbers behind each, as in photographs."""
    rng = torch.Generator().manual_seed(seed)
    return (
        F.interpolate(torch.randn(count, 3, 3, 3, generator=rng), size=(SIDE, SIDE), mode="bilinear")
        .mul(0.5)
        .clamp(-1, 1)
    )


def shuffled(images: Tensor) -> Tensor:
    order = torch.randperm(SIDE * SIDE, generator=torch.Generator().manual_seed(7))
    return images.flatten(2)[:, :, order].view(images.shape)


def blurred(images: Tensor) -> Tensor:
    return F.avg_pool2d(images, 3, 1, 1)


def crooked(images: Tensor) -> Tensor:
    """Green and blue change their sign where red is negative."""
    red = images[:, :1]
    return torch.cat([red, images[:, 1:] * red.sign()], 1)


def fresh_noise(images: Tensor) -> Tensor:
    return torch.randn(images.shape, generator=torch.Generator().manual_seed(len(images))).clamp(-1, 1)


def attacked(conversion, settings: InverterSettings = SETTINGS) -> tuple[Inverter, float]:
    """The inverter, and its error on fresh pictures over that of answering with the mean."""
    known, unseen = pictures(800, 1), pictures(200, 2)
    inverter = train_inverter(conversion(known), known, settings, rng=torch.Generator().manual_seed(0))
    error = (inverter(conversion(unseen)) - unseen).square().mean() / (unseen - inverter.mean).square().mean()
    return inverter, float(error)


@pytest.mark.parametrize("conversion", [shuffled, blurred], ids=lambda conversion: conversion.__name__)
def test_a_permutation_and_a_blur_are_undone(conversion):
    inverter, error = attacked(conversion)
    assert error < 0.05
    assert inverter.error == pytest.approx(error, rel=0.3), (
        "its own account of itself, on the validation part"
    )


def test_the_network_undoes_what_no_linear_map_does():
    linear = attacked(crooked, InverterSettings(width=4, blocks=0, steps=0, linear_pairs=600))[1]
    assert attacked(crooked)[1] < 0.5 * linear


def test_noise_that_tells_nothing_leaves_the_mean():
    inverter, error = attacked(fresh_noise)
    assert 0.99 < error < 1.05 and 0.99 < inverter.error <= 1.0


def test_the_same_stream_gives_the_same_inverter():
    known = pictures(64, 1)
    settings = InverterSettings(width=4, blocks=1, steps=5, linear_pairs=32)
    one, other = (
        train_inverter(-known, known, settings, rng=torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert torch.equal(one(-known), other(-known))


@pytest.mark.parametrize(
    ("converted", "sources", "words"),
    [
        (torch.zeros(20, 3, 8, 8), torch.zeros(20, 3, 8, 6), "two stacks"),
        (torch.zeros(20, 3, 7, 7), torch.zeros(20, 3, 7, 7), "even sides"),
        (torch.zeros(3, 3, 8, 8), torch.zeros(3, 3, 8, 8), "at least 16"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(converted, sources, words):
    with pytest.raises(ValueError, match=words):
        train_inverter(converted, sources)
