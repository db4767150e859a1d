# SPDX-License-Identifier: Apache-2.0
"""Pixels and image tensors convert back and forth without loss; broken values are refused."""

import numpy as np
import pytest
import torch

from semveil.faces.pixels import to_pixels, to_tensor

LEVELS = np.arange(256, dtype=np.uint8)


def test_every_level_comes_back():
    crops = np.stack([LEVELS, LEVELS[::-1], np.roll(LEVELS, 9)], -1).reshape(2, 8, 16, 3)
    images = to_tensor(crops)
    assert images.shape == (2, 3, 8, 16) and images.dtype == torch.float32
    assert images.min() == -1 and images.max() == 1
    assert (to_pixels(images) == crops).all()
    assert (to_pixels(to_tensor(list(crops))) == crops).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_are_clamped_and_halves_go_to_even(dtype):
    levels = torch.tensor([0.5, 1.5, 2.5, 127.5, 254.5, -0.5, 255.5, -400, 1e30], dtype=torch.float64)
    images = (levels / 127.5 - 1).to(dtype).reshape(1, 1, 3, 3).expand(1, 3, 3, 3)
    got = to_pixels(images)[0, ..., 0].flatten().tolist()
    assert got[3] == 128 and got[5:] == [0, 255, 0, 255]
    assert all(abs(g - x) <= 0.5 + 1e-4 for g, x in zip(got[:3], (0.5, 1.5, 2.5), strict=True))


def test_halves_that_floats_hold_exactly_go_to_even():
    images = torch.tensor([-1 + 1 / 255]).double()  # 0.5 levels before float32 rounds
    assert torch.tensor([0.5, 1.5, 2.5, 127.5]).round().tolist() == [0, 2, 2, 128]
    assert to_pixels(images.reshape(1, 1, 1, 1).expand(1, 3, 1, 1)).max() <= 1


def test_gradients_and_memory_layout_do_not_matter():
    images = torch.zeros(1, 4, 5, 3, requires_grad=True).permute(0, 3, 1, 2)
    assert (to_pixels(images) == 128).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers_are_refused(value):
    images = torch.zeros(1, 3, 2, 2)
    images[0, 1, 0, 1] = value
    with pytest.raises(ValueError, match="1 of 12 values are NaN or infinite"):
        to_pixels(images)


@pytest.mark.parametrize("shape", [(3, 2, 2), (1, 4, 2, 2), (1, 2, 2, 3)])
def test_other_tensors_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\)"):
        to_pixels(torch.zeros(shape))


@pytest.mark.parametrize(
    "crops",
    [[], [np.zeros((2, 2, 3), np.uint8), np.zeros((3, 3, 3), np.uint8)], np.zeros((2, 2, 3), np.uint8)],
)
def test_crops_of_several_sizes_or_none_are_refused(crops):
    with pytest.raises(ValueError, match="of one size"):
        to_tensor(crops)


def test_crops_of_another_type_are_refused():
    with pytest.raises(TypeError, match="uint8"):
        to_tensor(np.zeros((1, 2, 2, 3), np.float32))
