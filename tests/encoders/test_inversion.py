# SPDX-License-Identifier: Apache-2.0
"""Inversion: the official schedule, and codes that are really found."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from semveil.encoders.inversion import InversionSettings, invert, learning_rate_factor, mean_codes


class Linear:
    """A generator whose inversion has a closed form: pixels are an orthogonal map of the codes."""

    def __init__(self) -> None:
        square = torch.randn(48, 48, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        self.matrix = torch.linalg.qr(square)[0].float()

    def synthesize(self, codes: Tensor) -> Tensor:
        return (codes.flatten(1) @ self.matrix).view(-1, 3, 4, 4)

    def solve(self, images: Tensor, shape: tuple[int, ...]) -> Tensor:
        return (images.flatten(1) @ self.matrix.T).view(-1, *shape)


class Brighter:
    """A perceptual term that wants images half a unit brighter than the photos, and counts how often it looks
    at those.
    """

    name, looks = "brighter", 0

    def distance_to(self, photos: Tensor) -> Callable[[Tensor], Tensor]:
        self.looks += 1
        return lambda images: (images - photos - 0.5).square().mean((1, 2, 3))


SETTINGS = InversionSettings(steps=300, learning_rate=0.1, mse=1.0, prior=0.0)


def test_schedule_is_the_official_one(shared):
    with np.load(shared / "parity" / "invert_lr.npz") as fixture:
        stored = fixture["out__lr"]
    ours = [0.1 * learning_rate_factor(step, 400) for step in range(len(stored))]
    np.testing.assert_allclose(ours, stored, atol=1e-12)


@pytest.mark.parametrize(
    ("step", "factor"), [(0, 0.0), (10, 0.5), (20, 1.0), (300, 1.0), (350, 0.5), (400, 0.0)]
)
def test_schedule_at_known_steps(step, factor):
    assert learning_rate_factor(step, 400) == pytest.approx(factor, abs=1e-12)


def test_codes_of_a_linear_generator_are_found():
    generator, rng = Linear(), torch.Generator().manual_seed(1)
    codes = torch.randn(5, 6, 8, generator=rng)
    found = invert(generator.synthesize(codes), generator, start=torch.zeros(1, 6, 8), settings=SETTINGS)
    torch.testing.assert_close(found.codes, codes, atol=1e-3, rtol=0)
    assert (found.mse < 1e-6).all()


def test_prior_term_has_the_closed_form_of_ridge_regression():
    """Orthogonal map: mse * |c - c0|^2 + prior * |c - centre|^2 is least at their weighted mean."""
    generator, rng = Linear(), torch.Generator().manual_seed(2)
    codes, centre = torch.randn(2, 6, 8, generator=rng), torch.randn(1, 6, 8, generator=rng)
    settings = InversionSettings(steps=600, learning_rate=0.1, mse=1.0, prior=0.5)
    found = invert(generator.synthesize(codes), generator, start=centre, settings=settings).codes
    torch.testing.assert_close(found, (codes + 0.5 * centre) / 1.5, atol=1e-3, rtol=0)


def test_photos_do_not_influence_each_other():
    generator, rng = Linear(), torch.Generator().manual_seed(3)
    images = generator.synthesize(torch.randn(7, 6, 8, generator=rng))
    start, short = torch.zeros(1, 6, 8), InversionSettings(steps=20, mse=1.0, prior=0.1, batch=3)
    together = invert(images, generator, start=start, settings=short).codes
    alone = torch.cat([invert(image[None], generator, start=start, settings=short).codes for image in images])
    torch.testing.assert_close(together, alone)


def test_perceptual_term_steers_and_progress_counts():
    generator, seen = Linear(), []
    target = torch.zeros(3, 3, 4, 4)
    settings = InversionSettings(steps=200, mse=0.0, perceptual=1.0, prior=0.0, batch=2)
    found = invert(
        target, generator, start=torch.zeros(1, 6, 8), settings=settings,
        perceptual=Brighter(), progress=lambda *p: seen.append(p),
    )  # fmt: skip
    torch.testing.assert_close(generator.synthesize(found.codes), target + 0.5, atol=1e-2, rtol=0)
    assert seen[-1] == (600, 600)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_photos_are_looked_at_once_for_each_batch():
    term = Brighter()
    short = InversionSettings(steps=5, mse=0.0, batch=2)
    invert(torch.zeros(3, 3, 4, 4), Linear(), start=torch.zeros(1, 6, 8), settings=short, perceptual=term)
    assert term.looks == 2


def test_bad_input_is_named():
    generator = Linear()
    with pytest.raises(ValueError, match="NaN"):
        invert(torch.full((1, 3, 4, 4), float("nan")), generator, start=torch.zeros(1, 6, 8))
    with pytest.raises(ValueError, match="2 latents for 3 photos"):
        invert(torch.zeros(3, 3, 4, 4), generator, start=torch.zeros(2, 6, 8))
    with pytest.raises(ValueError, match="no photo"):
        invert(torch.zeros(0, 3, 4, 4), generator, start=torch.zeros(1, 6, 8))


def test_mean_codes_are_the_mean_of_mapped_normals():
    """Mean of z^2 is 1; 10,000 samples leave a standard error of sqrt(2 / 10,000)."""
    mean = mean_codes(torch.square, 16, 28, rng=torch.Generator().manual_seed(4))
    assert mean.shape == (1, 28, 16)
    assert (mean - 1).abs().max() < 5 * (2 / 10_000) ** 0.5
    assert (mean[:, 0] == mean[:, 27]).all()


def test_photos_can_be_inverted_in_inference_mode():
    generator = Linear()
    images = generator.synthesize(torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(4)))
    short = InversionSettings(steps=20, mse=1.0, prior=0.1)
    expected = invert(images, generator, start=torch.zeros(1, 6, 8), settings=short).codes
    with torch.inference_mode():
        found = invert(images + 0, generator, start=torch.zeros(1, 6, 8), settings=short).codes
    assert torch.equal(found, expected)
