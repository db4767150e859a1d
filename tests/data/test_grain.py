# SPDX-License-Identifier: Apache-2.0
"""The grain of a picture is told from its edges and textures."""

import numpy as np
import pytest
from skimage.data import astronaut

from semveil.data.grain import grain_of, grains

SEEN = np.ones((128, 128), bool)


def noisy(sigma: float) -> np.ndarray:
    """A picture of slopes and edges with white noise, the same in all colours."""
    ground = np.add.outer(np.linspace(0, 40, 128), np.linspace(60, 90, 128))
    ground[:, 70:] += 60
    return (ground + np.random.default_rng(0).normal(0, sigma, ground.shape))[..., None].repeat(3, -1)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 6.0])
def test_it_is_that_of_the_noise(sigma):
    # 256 blocks of 64 values that depend on each other and scatter by .19: the first quartile lies 0.67
    # deviations below
    assert grain_of(grains(noisy(sigma), SEEN)) == pytest.approx(0.87 * sigma, rel=0.06)


def test_pictures_without_noise_have_none():
    assert grain_of(grains(noisy(0), SEEN)) < 0.01


def test_only_what_is_seen_counts():
    pixels = noisy(1.0)
    pixels[64:] = noisy(8.0)[64:]
    upper = SEEN.copy()
    upper[64:] = False
    assert grain_of(grains(pixels, upper)) == pytest.approx(0.87, rel=0.1)
    assert grain_of(grains(pixels, ~upper)) == pytest.approx(0.87 * 8, rel=0.1)
    assert (
        grain_of(grains(pixels, np.zeros_like(SEEN))) == grain_of(grains(pixels[:5, :5], SEEN[:5, :5])) == 0
    )


def test_texture_is_no_grain():
    photo = astronaut()[:256, :256]
    assert (
        grain_of(grains(photo, np.ones((256, 256), bool)))
        < 2
        < np.mean(grains(photo, np.ones((256, 256), bool)))
    )
