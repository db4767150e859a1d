# SPDX-License-Identifier: Apache-2.0
"""What the mechanisms claim, against closed forms and independent numbers."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from semveil.mechanisms import (
    CoordinateSensitivity,
    Gaussian,
    L2Laplace,
    Laplace,
    PerCoordinateLaplace,
    gaussian_delta,
    gaussian_epsilon,
    gaussian_ratio,
)
from semveil.privacy.guarantee import Basis, Norm, Sensitivity

positive = st.floats(1e-3, 1e4)


@given(value=positive, epsilon=positive, dimension=st.integers(1, 20_000))
def test_round_trip_and_metric_form(value: float, epsilon: float, dimension: int) -> None:
    for kind, norm in ((Laplace, Norm.L1), (L2Laplace, Norm.L2)):
        sensitivity = Sensitivity(value, norm, dimension, source="test")
        mechanism = kind.calibrate(sensitivity, epsilon)
        guarantee = mechanism.guarantee(sensitivity)
        assert guarantee.epsilon == pytest.approx(epsilon)
        assert guarantee.metric.rate * value == pytest.approx(epsilon)
        assert guarantee.metric.norm == norm


@given(value=positive, epsilon=st.floats(0.01, 100), delta=st.floats(1e-12, 0.5))
def test_gaussian_round_trip(value: float, epsilon: float, delta: float) -> None:
    sensitivity = Sensitivity(value, "l2", 10, source="test")
    guarantee = Gaussian.calibrate(sensitivity, epsilon, delta).guarantee(sensitivity)
    assert guarantee.epsilon == pytest.approx(epsilon, rel=1e-6)
    assert guarantee.delta == delta


@pytest.mark.parametrize(
    ("epsilon", "delta", "sigma"),
    [(0.1, 1e-5, 30.7), (0.9, 1e-5, 4.11), (0.1, 0.9, 0.30), (0.9, 0.9, 0.27)],  # errata.md, noise-image 3
)
def test_analytic_gaussian_meets_known_numbers(epsilon: float, delta: float, sigma: float) -> None:
    assert gaussian_ratio(epsilon, delta) == pytest.approx(
        sigma, rel=0.5 * 10 ** -(len(str(sigma).replace(".", "").strip("0")) - 1)
    )


@pytest.mark.parametrize(("epsilon", "ratio"), [(0.1, 30.7), (1.0, 3.73), (5.0, 0.5), (0.0, 2.0)])
def test_gaussian_delta_is_the_hockey_stick_integral(epsilon: float, ratio: float) -> None:
    """delta = integral of max(0, p - e^epsilon q) over the two neighbours' densities, by quadrature."""
    p, q = stats.norm(0, ratio).pdf, stats.norm(1, ratio).pdf
    crossing = 0.5 - epsilon * ratio**2  # p = e^epsilon q here; p is the larger one to the left
    integral, _ = integrate.quad(
        lambda y: p(y) - math.exp(epsilon) * q(y),
        crossing - 40 * ratio,
        crossing,
        epsabs=1e-14,
        limit=200,
        points=[crossing - ratio],
    )
    assert gaussian_delta(epsilon, ratio) == pytest.approx(integral, rel=1e-6)


@given(epsilon=st.floats(1e-3, 50), delta=st.floats(1e-9, 0.5))
def test_gaussian_solutions_lie_on_the_safe_side_and_are_tight(epsilon: float, delta: float) -> None:
    ratio = gaussian_ratio(epsilon, delta)
    assert gaussian_delta(epsilon, ratio) <= delta
    assert gaussian_delta(epsilon, ratio * (1 - 1e-9)) > delta * (1 - 1e-6)
    assert gaussian_delta(gaussian_epsilon(delta, ratio), ratio) <= delta


def test_gaussian_that_needs_no_epsilon() -> None:
    assert gaussian_epsilon(0.5, 10.0) == 0.0


def test_classical_bound_is_not_what_is_used() -> None:
    classical = math.sqrt(2 * math.log(1.25 / 1e-5)) / 0.1
    assert classical == pytest.approx(48.4, abs=0.1)
    assert gaussian_ratio(0.1, 1e-5) < 0.65 * classical


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1, math.nan])
def test_gaussian_needs_a_delta(delta: float) -> None:
    with pytest.raises(ValueError, match="delta in"):
        Gaussian(1.0, delta)
    with pytest.raises(ValueError, match="delta in"):
        Gaussian.calibrate(Sensitivity(1.0, "l2", 1, source="test"), 1.0, delta)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6), st.floats(0.01, 100))
def test_coordinate_losses_add_up_to_epsilon(widths: list[float], epsilon: float) -> None:
    sensitivity = CoordinateSensitivity(torch.tensor([*widths, 0.0], dtype=torch.float64), source="test")
    for weights in (None, sensitivity.values, sensitivity.values ** (2 / 3), sensitivity.values.sqrt()):
        mechanism = PerCoordinateLaplace.calibrate(sensitivity, epsilon, weights=weights)
        assert mechanism.guarantee(sensitivity).epsilon == pytest.approx(epsilon)
        assert mechanism.scales[-1] == 0


def test_weights_proportional_to_the_widths_are_ordinary_laplace() -> None:
    """errata.md, latent-dp 4, and its two optima:
    S^(2/3) for the variance, sqrt(S) for the absolute error.
    """
    sensitivity = CoordinateSensitivity(torch.tensor([0.5, 1.0, 4.0], dtype=torch.float64), source="test")
    powers = (0.0, 0.5, 2 / 3, 1.0)
    scales = [
        PerCoordinateLaplace.calibrate(sensitivity, 2.0, weights=sensitivity.values**p).scales for p in powers
    ]
    assert torch.allclose(
        scales[3], torch.full((3,), Laplace.calibrate(sensitivity.l1(), 2.0).scale, dtype=torch.float64)
    )
    assert min(range(4), key=lambda i: float(scales[i].sum())) == 1
    assert min(range(4), key=lambda i: float(scales[i].square().sum())) == 2


def test_the_published_latent_dp_split_is_vacuous() -> None:
    """[LDP] Alg. 2 prints S_j w_j / epsilon: with 9,216 equal weights the loss is 9216^2 epsilon (errata.md,
    latent-dp 1).
    """
    sensitivity = CoordinateSensitivity(torch.ones(9216), source="test")
    published = PerCoordinateLaplace(torch.full((9216,), 1 / 9216))
    assert published.guarantee(sensitivity).epsilon == pytest.approx(84_934_656)


def test_a_varying_coordinate_without_noise_voids_the_claim() -> None:
    sensitivity = CoordinateSensitivity(torch.tensor([1.0, 1.0, 0.0]), source="test")
    guarantee = PerCoordinateLaplace(torch.tensor([1.0, 0.0, 0.0])).guarantee(sensitivity)
    assert guarantee.epsilon is None
    assert "1 coordinates vary and get no noise" in guarantee.reason
    assert guarantee.metric is None


@pytest.mark.parametrize("weights", [[1.0, 0.0], [1.0, -1.0], [1.0, math.nan], [1.0]])
def test_weights_that_leave_a_coordinate_bare_are_refused(weights: list[float]) -> None:
    sensitivity = CoordinateSensitivity(torch.ones(2), source="test")
    with pytest.raises(ValueError, match="weight"):
        PerCoordinateLaplace.calibrate(sensitivity, 1.0, weights=torch.tensor(weights))


def test_wrong_norm_says_how_to_convert() -> None:
    l2 = Sensitivity(3.0, "l2", 4, source="the box")
    with pytest.raises(ValueError, match=r"needs an l1 sensitivity, got l2 \(the box\).*\.to\('l1'\)"):
        Laplace.calibrate(l2, 1.0)
    assert Laplace.calibrate(l2.to("l1"), 1.0).scale == 6.0


def test_observed_sensitivity_shows_in_the_claim() -> None:
    seen = Sensitivity(3.0, "l1", 4, source="seen", basis=Basis.OBSERVED_SENSITIVITY)
    guarantee = Laplace(1.0).guarantee(seen)
    assert guarantee.basis is Basis.SIMULATION
    assert any("observed-sensitivity" in a for a in guarantee.assumptions)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_scales_are_positive_and_finite(scale: float) -> None:
    for kind in (Laplace, L2Laplace, Gaussian):
        with pytest.raises(ValueError, match="positive, finite"):
            kind(scale)


def test_zero_sensitivity_has_nothing_to_protect() -> None:
    constant = Sensitivity(0.0, "l1", 4, source="test")
    assert Laplace(1.0).guarantee(constant).epsilon == 0.0
    with pytest.raises(ValueError, match="nothing to protect"):
        Laplace.calibrate(constant, 1.0)
