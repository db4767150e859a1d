# SPDX-License-Identifier: Apache-2.0
"""The Laplace fit tells Laplace from Gaussian, and its epsilon' never passes as a guarantee."""

import json
import math

import pytest
import torch
from scipy import stats

from semveil.core.rng import streams
from semveil.mechanisms import Gaussian, Laplace, fit_laplace, fitted_epsilon
from semveil.privacy.guarantee import Basis, Sensitivity

N = 50_000
BLOCK = Sensitivity(100.0, "l1", 10, source="test")


def draw(mechanism: Laplace | Gaussian) -> torch.Tensor:
    return mechanism(torch.zeros(N, 1, dtype=torch.float64), rng=streams(2)["dp"])


def test_fit_agrees_with_scipy() -> None:
    residuals = draw(Laplace(3.0))
    fit = fit_laplace(residuals)
    x = residuals.numpy().ravel()
    assert fit.scale == pytest.approx(stats.laplace.fit(x, floc=0)[1])
    assert fit.ks_distance == pytest.approx(stats.kstest(x, stats.laplace(scale=fit.scale).cdf).statistic)
    assert fit.excess_kurtosis == pytest.approx(stats.kurtosis(x))
    sigma = math.sqrt((x**2).mean())
    ratio = (stats.laplace.logpdf(x, scale=fit.scale) - stats.norm.logpdf(x, scale=sigma)).mean()
    assert fit.log_likelihood_ratio == pytest.approx(ratio)
    assert fit.count == N


def test_laplace_residuals_fit_and_gaussian_ones_do_not() -> None:
    laplace, gaussian = fit_laplace(draw(Laplace(3.0))), fit_laplace(draw(Gaussian(3.0)))
    assert laplace.scale == pytest.approx(3.0, abs=4.5 * 3.0 / math.sqrt(N))
    assert laplace.ks_distance < 2 / math.sqrt(N) < gaussian.ks_distance
    assert laplace.log_likelihood_ratio == pytest.approx(0.072, abs=0.02)
    assert gaussian.log_likelihood_ratio == pytest.approx(-0.048, abs=0.02)
    assert laplace.excess_kurtosis == pytest.approx(3, abs=1)
    assert gaussian.excess_kurtosis == pytest.approx(0, abs=0.1)


def test_a_shift_shows_in_the_fit() -> None:
    shifted = fit_laplace(draw(Laplace(1.0)) + 0.5)
    assert shifted.location == 0.0
    assert shifted.median == pytest.approx(0.5, abs=0.03)
    assert shifted.ks_distance > 0.1


def test_epsilon_prime_falls_with_the_noise() -> None:
    """errata.md, dp-semcom 1: epsilon' = Delta / s, not s / Delta."""
    for scale in (2.0, 20.0):
        assert fitted_epsilon(draw(Laplace(scale)), BLOCK).epsilon_prime == pytest.approx(
            100 / scale, rel=4.5 / math.sqrt(N)
        )


def test_a_fit_is_never_a_guarantee() -> None:
    """errata.md, dp-semcom 4: a fixed function of the photo has no finite epsilon, however well its residuals
    fit.
    """
    calibration = fitted_epsilon(draw(Laplace(2.0)), BLOCK)
    assert calibration.basis is Basis.FITTED
    assert calibration.guarantee("the private codes").epsilon is None
    assert "not a privacy guarantee" in calibration.summary()
    data = json.loads(json.dumps(calibration.as_dict(), allow_nan=False))
    assert data["guarantee"] is False
    assert "epsilon" not in data


@pytest.mark.parametrize("bad", [[0.0, 0.0], [1.0], [1.0, math.nan], []])
def test_residuals_that_cannot_be_fitted_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="at least two finite residuals"):
        fit_laplace(torch.tensor(bad))


def test_the_wrong_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="l1"):
        fitted_epsilon(torch.ones(3), Sensitivity(1.0, "l2", 3, source="test"))
