# SPDX-License-Identifier: Apache-2.0
"""The Gaussian conditional against the textbook's formula photo by photo, and its shrinkage."""

import pytest
import torch

from semveil.attacks.gaussian import GaussianPrior


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


def test_shrinkage_predicts_better_than_the_sample_covariance(world):
    few, codes = world.latents(16), world.latents(500)
    shrunken = GaussianPrior.fit(few)
    rows = (few - few.mean(0)).flatten(1)
    sample = GaussianPrior(few.mean(0), rows.T @ rows / 16 + 1e-4 * torch.eye(24))
    variance = torch.full((500, 3), 1e-4)
    missed = [
        float((p.posterior_mean(codes[:, ::2], [0, 2, 4], variance) - codes).square().mean())
        for p in (shrunken, sample)
    ]
    assert missed[0] < 0.8 * missed[1]


def test_shrinkage_vanishes_when_there_are_many_rows(world):
    latents = world.latents(20_000)
    rows = (latents - latents.mean(0)).flatten(1)
    sample = rows.T @ rows / len(rows)
    assert float((GaussianPrior.fit(latents).covariance - sample).norm() / sample.norm()) < 0.01


def test_without_codes_heard_the_mean_remains(world):
    prior = world.public.prior
    estimate = prior.posterior_mean(torch.zeros(3, 0, 4), [], torch.zeros(3, 0))
    torch.testing.assert_close(estimate, prior.mean.expand(3, -1, -1))
