# SPDX-License-Identifier: Apache-2.0
"""Adaptive augmentation."""

import pytest
import torch

from semveil.training.augment import AdaptiveAugment


def test_augmentation_follows_the_discriminators_certainty():
    augment = AdaptiveAugment(speed=0.01)
    rng = torch.Generator().manual_seed(0)
    images, masks = torch.rand(4, 3, 16, 16, generator=rng), torch.rand(4, 13, 8, 8, generator=rng)
    same = augment(images, masks, rng)
    assert (
        torch.equal(same[0], images)
        and torch.equal(same[1], masks)
        and torch.equal(augment.images(images, rng), images)
    )
    for _ in range(50):
        augment.update(torch.ones(8))
    assert augment.probability == pytest.approx(0.8)
    moved = augment(images, masks, rng)
    assert not torch.allclose(moved[0], images) and not torch.allclose(moved[1], masks)
    alone, together = (torch.Generator().manual_seed(1) for _ in range(2))
    assert torch.equal(augment.images(images, alone), augment(images, masks, together)[0])
    augment.update(-torch.ones(8))
    assert augment.probability < 0.8
