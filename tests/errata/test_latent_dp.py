# SPDX-License-Identifier: Apache-2.0
"""What docs/errata.md says about latent-dp [LDP], shown with numbers; the sections are numbered as there."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate

from semveil.mechanisms import CoordinateSensitivity, PerCoordinateLaplace
from semveil.mechanisms.bounds.weights import WEIGHTINGS, budget_shares, scales_as_published
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel, load_latent_model
from semveil.models.quantile_bounds import QuantileBounds
from semveil.privacy.strength import best_guess

COMPONENTS = 18 * 512
MODEL = LatentModel.example()


def laplace(y: np.ndarray | float, centre: float, scale: float) -> np.ndarray | float:
    return np.exp(-np.abs(y - centre) / scale) / (2 * scale)


def test_1_the_published_scale_multiplies_epsilon_by_the_inverse_weights() -> None:
    widths = CoordinateSensitivity(torch.ones(COMPONENTS), source="the paper's number of components")
    shares = budget_shares(widths)
    assert scales_as_published(widths, 1.0, shares).guarantee(widths).epsilon == pytest.approx(
        84_934_656, rel=1e-9
    )
    assert PerCoordinateLaplace.calibrate(widths, 1.0, weights=shares).guarantee(
        widths
    ).epsilon == pytest.approx(1.0)
    assert LatentDP(MODEL, epsilon=1.0, calibration="as_published").guarantee().epsilon == pytest.approx(
        12**2
    )


def test_1_the_density_ratio_of_one_component() -> None:
    """Two values a width apart: exp(S / b), which is exp(w epsilon) for b = S / (w epsilon), exp(epsilon / w)
    as printed.
    """
    width, weight, epsilon = 3.0, 0.25, 0.8
    outputs = np.linspace(-50, 50, 20_001)
    for scale, loss in (
        (width / (weight * epsilon), weight * epsilon),
        (width * weight / epsilon, epsilon / weight),
    ):
        ratio = np.log(laplace(outputs, 0.0, scale) / laplace(outputs, width, scale))
        assert ratio.max() == pytest.approx(loss)
        assert integrate.quad(laplace, -np.inf, np.inf, args=(0.0, scale))[0] == pytest.approx(1.0)
    assert integrate.quad(lambda y: 2 * 0.7**2 * laplace(y, 0.0, 0.7), -np.inf, np.inf)[0] != pytest.approx(
        1.0
    ), "prefactor b"


def test_2_without_clipping_first_an_outlier_is_shown_with_certainty() -> None:
    """Clipping after the noise alone: a record far outside always lands on the upper bound, an ordinary one
    hardly ever.
    """
    method = LatentDP(MODEL, epsilon=1.0)
    assert method.noise is not None
    rng = torch.Generator().manual_seed(0)
    shown = {}
    for name, value in (("outlier", 1e4), ("ordinary", 0.0)):
        latents = torch.full((500, 3, 4), value)
        after_only = method.box.clip(method.noise(latents, rng=rng))
        both = method.protect_latents(latents, rng=rng).latents
        assert both is not None
        top = method.box.clip(torch.full((1, 3, 4), 1e9))
        shown[name] = [(x == top).flatten(1).all(1).float().mean().item() for x in (after_only, both)]
    assert shown["outlier"][0] == 1.0 and shown["ordinary"][0] < 0.02
    assert shown["outlier"][1] < 0.02


def test_3_the_sensitivity_is_a_width_for_every_component() -> None:
    latents = torch.randn(50, 2, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [1.0, 5.0, 25.0]
    )
    widths = QuantileBounds.fit(latents, of="test latents").box(0).coordinate_sensitivity().values
    distances = (latents[:, None] - latents).abs()
    assert bool((widths + 1e-9 >= distances.amax((0, 1))).all())
    as_printed = distances.sum((2, 3)).max()  # a distance of whole vectors, the same for every component
    assert as_printed > widths.max() and as_printed > 20 * widths.min()


def test_4_what_the_weights_amount_to() -> None:
    """Each optimum beats the others in its own measure; proportional weights are one scale for all."""
    widths = load_latent_model().quantiles(25).coordinate_sensitivity()
    scales = {
        name: PerCoordinateLaplace.calibrate(widths, 1.0, weights=budget_shares(widths, name)).scales
        for name in WEIGHTINGS
    }
    variance = {name: 2 * scale.square().sum().item() for name, scale in scales.items()}
    error = {name: scale.sum().item() for name, scale in scales.items()}
    assert min(variance, key=variance.__getitem__) == "least-variance"
    assert min(error, key=error.__getitem__) == "least-absolute-error"
    assert scales["proportional"].max().item() == pytest.approx(scales["proportional"].min().item())


def test_5_what_epsilon_means_in_odds() -> None:
    assert best_guess(1.0) == pytest.approx(0.731, abs=5e-4)
    assert best_guess(1.0) < 0.75
    assert math.log(7.9e9) == pytest.approx(22.8, abs=0.01)
    assert best_guess(9216) == 1.0


def test_6_bounds_are_public_and_clipping_alone_hides_the_face() -> None:
    method = LatentDP(load_latent_model(), clip=40.0, mechanism="none")
    assert "public training photos" in method.box.source
    assert method.guarantee().epsilon is None
    latents = MODEL.public_latents(200, torch.Generator().manual_seed(1))
    kept = [
        (LatentDP(MODEL, clip=share, mechanism="none").box.clip(latents) == latents).float().mean()
        for share in (0, 40)
    ]
    assert kept[0] > 0.99 and kept[1] < 0.3


def test_7_the_model_that_stands_in() -> None:
    assert load_latent_model().latent_shape == (28, 64)
    assert load_latent_model("faces-128").bounds().count >= 1000


def test_8_components_without_width_get_no_noise_and_no_nan() -> None:
    constant = CoordinateSensitivity(torch.tensor([1.0, 0.0, 2.0]), source="a test")
    for name in WEIGHTINGS:
        shares = budget_shares(constant, name)
        noise = PerCoordinateLaplace.calibrate(constant, 1.0, weights=shares)
        assert shares[1] == 0 and noise.scales[1] == 0 and bool(noise.scales.isfinite().all())
        assert noise.guarantee(constant).epsilon == pytest.approx(1.0)
