# SPDX-License-Identifier: Apache-2.0
"""SSIM against scikit-image's standard one, on 8-bit pictures."""

import numpy as np
import pytest
import torch
from skimage import data
from skimage.metrics import structural_similarity
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from semveil.faces.pixels import to_pixels, to_tensor
from semveil.metrics import similarity_map, ssim

LIMIT = 1e-4


def standard(a: Tensor, b: Tensor) -> list[float]:
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    pairs = zip(to_pixels(a), to_pixels(b), strict=True)
    return [structural_similarity(x, y, channel_axis=-1, **settings) for x, y in pairs]


def photos() -> tuple[Tensor, Tensor]:
    images = to_tensor(
        [data.astronaut()[:96, 150:230], data.chelsea()[50:146, 100:180], data.rocket()[200:296, 280:360]]
    )
    rng = torch.Generator().manual_seed(0)
    noise = torch.tensor([0.005, 0.1, 0.6]).view(3, 1, 1, 1) * torch.randn(images.shape, generator=rng)
    return images, images + noise


def pairs() -> dict[str, tuple[Tensor, Tensor]]:
    rng = torch.Generator().manual_seed(1)
    image, changed = photos()
    noise = torch.rand(2, 3, 2, 40, 33, generator=rng) * 2 - 1
    levels = torch.tensor([-1.0, -0.9, 0.0, 0.97, 1.0]).view(5, 1, 1, 1).expand(5, 3, 16, 16)
    steps = torch.linspace(-1, 1, 24).round().view(1, 1, 1, -1).expand(1, 3, 24, 24)
    return {
        "photos and noise": (image, changed),
        "a photo and another": (image, image.flip(0)),
        "photos and their negatives": (image, -image),
        "values beyond the range": (image, 2 * image),
        "noise": (noise[0].transpose(0, 1).contiguous(), noise[1].transpose(0, 1).contiguous()),
        "weak noise": (0.02 * noise[0].transpose(0, 1), 0.02 * noise[1].transpose(0, 1)),
        "equal constants": (levels, levels),
        "different constants": (levels, levels.roll(1, 0)),
        "a constant and a photo": (torch.full_like(image, 0.98), image),
        "edges": (steps, steps.transpose(2, 3)),
    }


@pytest.mark.parametrize("name", pairs())
def test_each_image_has_scikit_images_value(name: str) -> None:
    a, b = pairs()[name]
    assert np.allclose(ssim(a, b), standard(a, b), rtol=0, atol=LIMIT)
    assert np.allclose(ssim(b, a), standard(a, b), rtol=0, atol=LIMIT)


def test_the_check_sees_another_range_other_edges_and_unrounded_pictures() -> None:
    a, b = photos()
    wanted = np.array(standard(a, b))
    shifted = structural_similarity_index_measure(a, b.clamp(-1, 1), data_range=2.0, reduction="none")
    mirrored = structural_similarity_index_measure(
        (a + 1) / 2, (b.clamp(-1, 1) + 1) / 2, data_range=1.0, reduction="none"
    )
    unrounded = similarity_map((a + 1) / 2, (b + 1) / 2).mean((1, 2, 3))
    for other in (shifted, mirrored, unrounded):
        assert abs(other.numpy() - wanted).max() > 5 * LIMIT


def test_the_map_is_that_of_a_window_around_each_pixel() -> None:
    a, b = ((x + 1) / 2 for x in photos())
    reach = torch.arange(-5.0, 6.0, dtype=torch.float64)
    window = torch.exp(-(reach[:, None] ** 2 + reach**2) / 4.5)
    window /= window.sum()
    x, y = a[1, 0, 20:31, 30:41].double(), b[1, 0, 20:31, 30:41].double()
    mean_x, mean_y = (window * x).sum(), (window * y).sum()
    spread_x, spread_y = (window * (x - mean_x) ** 2).sum(), (window * (y - mean_y) ** 2).sum()
    shared = (window * (x - mean_x) * (y - mean_y)).sum()
    value = (2 * mean_x * mean_y + 1e-4) * (2 * shared + 9e-4)
    value /= (mean_x**2 + mean_y**2 + 1e-4) * (spread_x + spread_y + 9e-4)
    found = similarity_map(a, b)
    assert found.shape == (3, 3, 86, 70)
    assert found[1, 0, 20, 30].item() == pytest.approx(value.item(), abs=1e-5)


def test_losses_get_the_gradient_of_unrounded_pictures() -> None:
    a, b = (((x[:1, :, 40:56, 40:56] + 1) / 2).double() for x in photos())
    moving = b.requires_grad_()
    assert torch.autograd.gradcheck(lambda y: similarity_map(a, y).mean(), (moving,))
    assert not ssim(2 * a - 1, 2 * moving - 1).requires_grad, "rounding has no gradient"


def test_too_small_for_the_window() -> None:
    for call in (ssim, similarity_map):
        with pytest.raises(ValueError, match="at least 11 px"):
            call(torch.zeros(1, 3, 8, 30), torch.zeros(1, 3, 8, 30))


def test_large_batches_are_cut_without_a_trace() -> None:
    rng = torch.Generator().manual_seed(2)
    a, b = torch.rand(2, 40, 3, 128, 128, generator=rng) * 2 - 1
    assert torch.allclose(ssim(a, b)[37:39], ssim(a[37:39], b[37:39]), atol=1e-6)
    assert ssim(a[:0], b[:0]).shape == (0,)
