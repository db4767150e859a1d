# SPDX-License-Identifier: Apache-2.0
"""Sharpness inside the face: what blurs lowers it, what is outside does not count."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional as F

from semveil.metrics import sharpness

SOURCE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_it_is_the_share_of_the_laplacians_variance():
    blurred = F.avg_pool2d(F.pad(SOURCE, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
    rows, columns = (np.mgrid[:64, :64] + 0.5) / 64
    inside = ((columns - 0.5) / 0.21) ** 2 + ((rows - 0.61) / 0.22) ** 2 <= 1
    for i in range(2):
        rough = [
            ndimage.laplace(np.tensordot((0.299, 0.587, 0.114), pictures[i].double().numpy(), 1))[
                inside
            ].var()
            for pictures in (blurred, SOURCE)
        ]
        assert sharpness(SOURCE, blurred)[i].item() == pytest.approx(rough[0] / rough[1], rel=1e-4)
    assert sharpness(SOURCE, blurred).max() < 0.2


def test_hair_and_background_do_not_count():
    other = SOURCE.clone()
    other[..., :17] = 0
    other[:, :, :20] = 0
    assert torch.equal(sharpness(SOURCE, other), torch.ones(2))


def test_flat_pictures_have_a_number():
    flat = torch.zeros(1, 3, 64, 64)
    assert sharpness(flat, flat).item() == 1
    assert sharpness(SOURCE[:1], flat).item() < 1e-3


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        sharpness(SOURCE, SOURCE[..., :32])
