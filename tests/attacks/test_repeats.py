# SPDX-License-Identifier: Apache-2.0
"""Searching for the most probable codes, behind one signal and behind several."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from semveil.attacks import Denoise, Direct, MultiShot, Observation, PriorSearch
from semveil.attacks.gaussian import GaussianPrior
from semveil.attacks.map_search import most_probable
from semveil.mechanisms import ClipBox, Laplace


def noisy(world, codes, scale, shots):
    """Several transmissions of the same codes with fresh Laplace noise on the private ones and a little
    channel noise.
    """
    sent = codes.expand(shots, *codes.shape).clone()
    sent[:, :, world.private] = Laplace(scale)(sent[:, :, world.private], rng=world.rng)
    heard = sent + 0.05 * torch.randn(sent.shape, generator=world.rng)
    return Observation(heard[0], torch.full((len(codes),), 0.05**2), scale, heard[1:] if shots > 1 else None)


def test_the_search_finds_the_minimum_that_scipy_finds():
    """Two shots of three coordinates, the box touched by one of them."""
    mean = np.array([0.2, -0.1, 0.4])
    covariance = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, 0.3], [0.0, 0.3, 0.5]])
    shots = np.array([[3.0, 0.5, 0.3], [-2.0, 0.2, 0.9]])
    variance, scale = np.full(3, 0.04), np.array([0.8, 0.8, 0.0])

    def objective(x):
        n = np.abs(shots - x)
        with np.errstate(divide="ignore"):
            bound = variance / scale
        huber = np.where(
            n <= bound, n**2 / (2 * variance), (n - np.minimum(bound, 1e9) / 2) / np.maximum(scale, 1e-9)
        )
        return (x - mean) @ np.linalg.solve(covariance, x - mean) / 2 + huber.sum()

    truth = minimize(
        objective, mean, bounds=[(-0.5, 0.5)] * 3, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-10}
    ).x
    prior = GaussianPrior(torch.tensor(mean)[:, None], torch.tensor(covariance))
    found = most_probable(
        prior,
        ClipBox(-0.5, 0.5),
        torch.tensor(shots)[:, None, :, None],
        torch.tensor(variance)[None],
        torch.tensor(scale),
        steps=3000,
    )
    np.testing.assert_allclose(found.flatten(), truth, atol=2e-4)


def test_without_laplace_noise_the_search_is_the_wiener_estimate(world):
    codes = world.latents(50)
    heard = world.hear(codes, 0.1)
    torch.testing.assert_close(
        PriorSearch()(heard, world.public), Denoise()(heard, world.public), atol=2e-3, rtol=0
    )


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_likelihood_of_laplace_noise_gains_on_its_variance(world, scale):
    heard = noisy(world, codes := world.latents(1500), scale, 1)
    searched, denoised, direct = (
        world.error(a(heard, world.public), codes) for a in (PriorSearch(), Denoise(), Direct())
    )
    assert searched < denoised < direct


def test_repeats_add_up(world):
    """Sixteen signals tell what epsilon composed sixteen times tells; one does not."""
    heard = noisy(world, codes := world.latents(300), 1.0, 16)
    assert world.error(MultiShot()(heard, world.public), codes) < 0.5 * world.error(
        PriorSearch()(heard, world.public), codes
    )


def test_repeats_of_a_deterministic_signal_add_nothing_but_channel_noise(world):
    codes = world.latents(300)
    sent = codes.roll(1, 0)  # a fixed, wrong signal
    sent[:, [0, 3, 5]] = codes[:, [0, 3, 5]]
    heard = world.hear(sent, 1e-6)
    again = Observation(heard.received, heard.noise_variance, None, heard.received.expand(8, *codes.shape))
    single, several = (
        world.error(attack(again, world.public), codes) for attack in (PriorSearch(), MultiShot())
    )
    assert several == pytest.approx(single, rel=0.02)


def test_missing_repeats_are_named(world):
    with pytest.raises(ValueError, match="repeats="):
        MultiShot()(world.hear(world.latents(2), 0.1), world.public)
