# SPDX-License-Identifier: Apache-2.0
"""The discriminator of placed patches: what it can tell apart."""

import pytest
import torch
from torch.nn import functional as F

from semveil.generators.placed_discriminator import PlacedDiscriminator


@pytest.fixture(scope="module")
def judge() -> PlacedDiscriminator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PlacedDiscriminator(8).eval()


def noise(side: int = 64) -> torch.Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_a_patch_has_another_score_elsewhere(judge: PlacedDiscriminator) -> None:
    """A constant picture has interior patches that differ by their place alone; with equal places they would
    be equal.
    """
    inside = (..., slice(5, -5), slice(5, -5))
    assert judge(torch.zeros(1, 3, 128, 128))[inside].std() > 1e-4
    blind = PlacedDiscriminator(8).eval()
    with torch.no_grad():
        blind.layers[0].weight[:, 9:] = 0
    assert blind(torch.zeros(1, 3, 128, 128))[inside].std() < 1e-6


def test_weak_detail_moves_the_score_more_than_as_much_coarse_change(judge: PlacedDiscriminator) -> None:
    coarse = F.interpolate(
        torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(1)), scale_factor=16, mode="bilinear"
    )
    checks = torch.ones(1, 3, 64, 64)
    checks[..., ::2, ::2] = checks[..., 1::2, 1::2] = -1
    base = torch.zeros(1, 3, 64, 64)
    moved = [
        (judge(base + 0.05 * change / change.std()) - judge(base)).abs().mean() for change in (coarse, checks)
    ]
    assert moved[1] > 3 * moved[0]


def test_images_are_judged_apart(judge: PlacedDiscriminator) -> None:
    torch.testing.assert_close(judge(noise())[1:], judge(noise()[1:]), atol=1e-5, rtol=1e-4)


def test_every_band_and_layer_has_a_gradient(judge: PlacedDiscriminator) -> None:
    images = noise().requires_grad_()
    judge(images).square().mean().backward()
    assert images.grad is not None and images.grad.abs().min() >= 0 and images.grad.std() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in judge.parameters())
    judge.zero_grad()
