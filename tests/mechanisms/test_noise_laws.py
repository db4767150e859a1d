# SPDX-License-Identifier: Apache-2.0
"""Does the noise follow its law? Against scipy, with tolerances from the sample size; the same checks fail on
broken noise.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from reference.laws import follows, k_norm_law_holds
from scipy import stats

from semveil.core.rng import streams
from semveil.mechanisms import CoordinateSensitivity, Gaussian, L2Laplace, Laplace, PerCoordinateLaplace
from semveil.mechanisms.base import draw_exponential
from semveil.privacy.guarantee import Norm, Sensitivity

N = 100_000
DIMENSION = 6


def noise_of(
    mechanism: Callable, columns: int = 1, rows: int = N, dtype: torch.dtype = torch.float64
) -> np.ndarray:
    return mechanism(torch.zeros(rows, columns, dtype=dtype), rng=streams(11)["dp"]).numpy()


@pytest.mark.parametrize("scale", [0.01, 1.0, 351.9])
def test_laplace_follows_its_law(scale: float) -> None:
    assert follows(noise_of(Laplace(scale)).ravel(), stats.laplace(scale=scale))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_laplace_follows_its_law_in_both_precisions(dtype: torch.dtype) -> None:
    assert follows(noise_of(Laplace(2.0), dtype=dtype).ravel().astype(np.float64), stats.laplace(scale=2.0))


def test_gaussian_follows_its_law() -> None:
    assert follows(noise_of(Gaussian(3.0)).ravel(), stats.norm(scale=3.0))


def test_each_coordinate_has_its_own_laplace_law() -> None:
    scales = torch.tensor([0.5, 2.0, 0.0])
    noise = noise_of(PerCoordinateLaplace(scales), columns=3)
    assert follows(noise[:, 0], stats.laplace(scale=0.5))
    assert follows(noise[:, 1], stats.laplace(scale=2.0))
    assert not noise[:, 2].any()
    assert not follows(noise[:, 1], stats.laplace(scale=0.5))


def test_k_norm_noise_follows_its_law_over_whole_records() -> None:
    mechanism = L2Laplace(1.5)
    assert k_norm_law_holds(noise_of(mechanism, DIMENSION), 1.5)
    shaped = mechanism(torch.zeros(N, 2, 3, dtype=torch.float64), rng=streams(11)["dp"])
    assert k_norm_law_holds(shaped.flatten(1).numpy(), 1.5)


BROKEN_LAPLACE = {
    "scale halved": lambda x, rng: Laplace(0.5)(x, rng=rng),
    "gaussian of equal variance": lambda x, rng: Gaussian(math.sqrt(2))(x, rng=rng),
    "one-sided": lambda x, rng: x + draw_exponential(x.shape, rng),
    "no noise": lambda x, rng: x,
    "shifted": lambda x, rng: Laplace(1.0)(x, rng=rng) + 0.05,
    "tails cut at three": lambda x, rng: Laplace(1.0)(x, rng=rng).clamp(-3, 3),
}


@pytest.mark.parametrize("broken", BROKEN_LAPLACE.values(), ids=BROKEN_LAPLACE.keys())
def test_broken_laplace_noise_fails_the_same_check(broken: Callable) -> None:
    assert not follows(noise_of(broken).ravel(), stats.laplace())


BROKEN_K_NORM = {
    "scale halved": lambda x, rng: L2Laplace(0.75)(x, rng=rng),
    "independent laplace": lambda x, rng: Laplace(1.5)(x, rng=rng),
    "gaussian of equal variance": lambda x, rng: Gaussian(1.5 * math.sqrt(DIMENSION + 1))(x, rng=rng),
    "norm over the batch": lambda x, rng: L2Laplace(1.5)(x.T.contiguous(), rng=rng).T,
}


@pytest.mark.parametrize("broken", BROKEN_K_NORM.values(), ids=BROKEN_K_NORM.keys())
def test_broken_k_norm_noise_fails_the_same_check(broken: Callable) -> None:
    assert not k_norm_law_holds(noise_of(broken, DIMENSION), 1.5)


def test_laplace_noise_is_independent_between_coordinates_and_records() -> None:
    noise = noise_of(Laplace(1.0), 4)
    correlation = np.corrcoef(noise.T) - np.eye(4)
    assert abs(correlation).max() < 4.5 / math.sqrt(N)
    assert abs(np.corrcoef(noise[1:, 0], noise[:-1, 0])[0, 1]) < 4.5 / math.sqrt(N)


def test_no_draw_is_infinite_at_the_edge_of_the_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 1 - 2.0**-53
    for edge in (0.0, largest):
        monkeypatch.setattr(
            torch, "rand", lambda *shape, edge=edge, **kwargs: torch.full(shape, edge, dtype=torch.float64)
        )
        assert torch.isfinite(draw_exponential((3,), None)).all()
        assert torch.isfinite(Laplace(1.0)(torch.zeros(2, 3))).all()


def test_empirical_loss_stays_below_epsilon_and_reaches_it() -> None:
    """The privacy loss of two neighbours, from histograms: at most epsilon up to counting error, and not far
    below.
    """
    epsilon = 1.0
    n = 400_000
    run = streams(3)
    a = Laplace(1 / epsilon)(torch.zeros(n, 1, dtype=torch.float64), rng=run["dp"]).numpy()
    b = Laplace(1 / epsilon)(torch.ones(n, 1, dtype=torch.float64), rng=run["eve"]).numpy()
    edges = np.linspace(-2, 3, 11)
    counts_a, counts_b = np.histogram(a, edges)[0], np.histogram(b, edges)[0]
    loss = np.log(counts_a / counts_b)
    error = 5 * np.sqrt(1 / counts_a + 1 / counts_b)
    assert (abs(loss) <= epsilon + error).all()
    assert abs(loss).max() > 0.9 * epsilon
    halved = Laplace(0.5 / epsilon)(torch.zeros(n, 1, dtype=torch.float64), rng=run["dp"]).numpy()
    moved = Laplace(0.5 / epsilon)(torch.ones(n, 1, dtype=torch.float64), rng=run["eve"]).numpy()
    broken = np.log(np.histogram(halved, edges)[0] / np.histogram(moved, edges)[0])
    assert not (abs(broken) <= epsilon + error).all()


def test_each_coordinate_has_the_deviation_that_the_mechanism_states() -> None:
    scales = torch.tensor([0.5, 0.0, 3.0])
    mechanism = PerCoordinateLaplace(scales)
    noise = mechanism(torch.zeros(N, 3), rng=streams(5)["dp"]).double()
    stated = mechanism.coordinate_std(3)
    torch.testing.assert_close(stated, 2**0.5 * scales.double())
    # the variance of a sample's variance is (kurtosis 6 - 1) / N of its square
    torch.testing.assert_close(noise.std(0), stated, rtol=5 * (5 / N) ** 0.5 / 2, atol=0.0)


def test_scales_of_another_shape_have_no_guarantee() -> None:
    sensitivity = CoordinateSensitivity(torch.ones(2), source="a test")
    with pytest.raises(ValueError, match=r"shape \(2,\), the scales \(3,\)"):
        PerCoordinateLaplace(torch.ones(3)).guarantee(sensitivity)


def test_gaussian_noise_is_not_calibrated_beyond_floating_point() -> None:
    sensitivity = Sensitivity(1.0, Norm.L2, 4, source="a test")
    assert Gaussian.calibrate(sensitivity, 1e6).sigma > 0
    with pytest.raises(ValueError, match="at most 1e\\+06"):
        Gaussian.calibrate(sensitivity, 1.01e6)
