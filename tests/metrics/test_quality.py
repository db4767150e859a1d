# SPDX-License-Identifier: Apache-2.0
"""PSNR against numpy; what PSNR and SSIM have in common."""

import numpy as np
import pytest
import torch
from torch import Tensor

from semveil.faces.pixels import to_pixels
from semveil.metrics import l2, psnr, sharpness, ssim


@pytest.fixture
def images() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    a = torch.nn.functional.interpolate(
        torch.rand(3, 3, 8, 8, generator=rng) * 2 - 1, size=(48, 40), mode="bicubic"
    ).clamp(-1, 1)
    noise = torch.tensor([0.02, 0.1, 0.4]).view(3, 1, 1, 1)
    return a, (a + noise * torch.randn(a.shape, generator=rng)).clamp(-1, 1)


def test_psnr_per_image_is_the_formula(images: tuple[Tensor, Tensor]) -> None:
    a, b = images
    expected = 10 * np.log10(4 / ((a - b).double().numpy() ** 2).mean((1, 2, 3)))
    assert np.allclose(psnr(a, b), expected, rtol=1e-5)
    assert psnr(a, a).isinf().all()


def test_values_do_not_depend_on_the_rest_of_the_batch(images: tuple[Tensor, Tensor]) -> None:
    a, b = images
    for metric in (psnr, ssim):
        assert torch.allclose(metric(a, b)[1:2], metric(a[1:2], b[1:2]))


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_wrong_shapes_are_named(metric) -> None:
    with pytest.raises(ValueError, match=r"\(1, 3, 16, 16\) and \(2, 3, 16, 16\)"):
        metric(torch.zeros(1, 3, 16, 16), torch.zeros(2, 3, 16, 16))
    with pytest.raises(ValueError, match=r"must be \(B, 3, H, W\), got \(3, 16, 16\)"):
        metric(torch.zeros(3, 16, 16), torch.zeros(3, 16, 16))


@pytest.mark.parametrize("metric", [psnr, ssim, l2, to_pixels, sharpness])
def test_pixels_are_not_taken_for_images(metric) -> None:
    """SSIM called any two batches of 8-bit pixels equal, and PSNR subtracted them modulo 256."""
    pixels = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    images = () if metric is to_pixels else (pixels / 127.5 - 1,)
    with pytest.raises(ValueError, match="floats in"):
        metric(*images, pixels)
