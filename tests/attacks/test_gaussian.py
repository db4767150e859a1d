"""The Gaussian conditional against scipy-style formulas photo by photo, and against the world's own laws."""

import pytest
import torch

from semveil.attacks.gaussian import GaussianPrior, shrunken_covariance


def textbook(prior: GaussianPrior, y: torch.Tensor, codes: list[int], variance: torch.Tensor) -> torch.Tensor:
    """E[x | y] of one photo with a noise covariance of its own."""
    size = prior.mean.shape[1]
    at = torch.tensor([c * size + d for c in codes for d in range(size)])
    inner = prior.covariance[at][:, at] + variance.repeat_interleave(size).diag()
    gain = prior.covariance[:, at] @ torch.linalg.inv(inner)
    return prior.mean + (gain @ (y - prior.mean[codes]).flatten()).view_as(prior.mean)


@pytest.mark.parametrize("codes", [[0, 1, 2, 3, 4, 5], [0, 3, 5]])
def test_posterior_mean_is_the_textbooks(world, codes):
    prior = GaussianPrior.fit(world.latents(500).double())
    heard = world.latents(3).double()[:, codes]
    per_code = torch.linspace(0.1, 2.0, len(codes), dtype=torch.float64)
    variance = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)[:, None] * per_code
    expected = torch.stack([textbook(prior, y, codes, v) for y, v in zip(heard, variance, strict=True)])
    torch.testing.assert_close(prior.posterior_mean(heard, codes, variance), expected)


def test_heard_without_noise_is_believed(world):
    codes = world.latents(4)
    estimate = GaussianPrior.fit(world.public.latents).posterior_mean(codes, range(6), torch.zeros(4, 6))
    torch.testing.assert_close(estimate, codes, atol=1e-3, rtol=0)


def test_shrinkage_beats_the_sample_covariance_when_there_are_few_rows():
    rng = torch.Generator().manual_seed(1)
    true = torch.linspace(0.5, 2.0, 40)
    rows = torch.randn(60, 40, generator=rng) * true.sqrt()
    rows = rows - rows.mean(0)
    distance = [float((c - true.diag()).norm()) for c in (shrunken_covariance(rows), rows.T @ rows / 60)]
    assert distance[0] < 0.6 * distance[1]


def test_shrinkage_vanishes_when_there_are_many_rows(world):
    rows = world.latents(20_000).flatten(1)
    rows = rows - rows.mean(0)
    sample = rows.T @ rows / len(rows)
    assert float((shrunken_covariance(rows) - sample).norm() / sample.norm()) < 0.01
