# SPDX-License-Identifier: Apache-2.0
"""Do vectors on the sphere follow their laws? Against scipy, with tolerances from the sample size and wrong
laws as controls.

Each check fails by chance less than once in 10^5.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from reference.laws import follows
from scipy import stats
from torch.nn.functional import normalize

from semveil.core.rng import streams
from semveil.mechanisms import (
    SPHERE_MECHANISMS,
    L2Laplace,
    Laplace,
    PrivUnit,
    PrivUnitG,
    RenormalisedL2Laplace,
    RenormalisedLaplace,
    VonMisesFisher,
)
from semveil.mechanisms.exact.sphere import evaluate_until_decided
from semveil.mechanisms.sphere.base import unit_rows
from semveil.mechanisms.sphere.tails import cap_tail, normal_tail

Array = NDArray[np.float64]
Cdf = Callable[[Array], Array]
N, EXACT_N = 50_000, 2_500
CASES = [(5, 0.5), (16, 3.0), (128, 10.0), (512, 40.0)]  # dimension, epsilon
every_case = pytest.mark.parametrize(("dimension", "epsilon"), CASES)
LAST = 2.5  # sqrt(n) times the Kolmogorov-Smirnov distance: larger by chance once in 10^5


def coordinate(dimension: int) -> stats.distributions.rv_frozen:
    """Law of one coordinate of a uniform unit vector."""
    return stats.beta((dimension - 1) / 2, (dimension - 1) / 2, loc=-1, scale=2)


def von_mises_fisher(dimension: int, kappa: float) -> Cdf:
    """Distribution of the cosine by quadrature of its density."""
    grid = np.linspace(-1, 1, 200_001)
    with np.errstate(divide="ignore"):
        log_density = kappa * (grid - 1) + (dimension - 3) / 2 * np.log1p(-(grid**2))
    mass = np.cumsum(np.exp(log_density - log_density.max()))
    return lambda t: np.interp(t, grid, mass / mass[-1])


def priv_unit(mechanism: PrivUnit) -> Cdf:
    law, edge, rest = coordinate(mechanism.dimension), mechanism.threshold, mechanism.rest
    below = law.cdf(edge)

    def cdf(t: Array) -> Array:
        return np.where(t < edge, rest * law.cdf(t) / below, 1 - (1 - rest) * law.sf(t) / law.sf(edge))

    return cdf


def fits(sample: Array, cdf: Cdf) -> bool:
    return bool(stats.kstest(sample, cdf).statistic * math.sqrt(len(sample)) < LAST)


def exact(mechanism: VonMisesFisher | PrivUnit | PrivUnitG, count: int = EXACT_N) -> Array:
    return np.array([float(evaluate_until_decided(mechanism.exact_cosine).mid()) for _ in range(count)])


@every_case
def test_von_mises_fisher_cosines(dimension: int, epsilon: float) -> None:
    mechanism = VonMisesFisher.calibrate(dimension, epsilon)
    sample = mechanism.cosines(N, rng=streams(1)["dp"]).numpy()
    assert fits(sample, von_mises_fisher(dimension, mechanism.kappa))
    assert not fits(sample, von_mises_fisher(dimension, mechanism.kappa + 0.1 * math.sqrt(dimension)))
    assert not fits(sample, von_mises_fisher(dimension + 1 + dimension // 8, mechanism.kappa))


@every_case
def test_privunit_cosines(dimension: int, epsilon: float) -> None:
    mechanism = PrivUnit.calibrate(dimension, epsilon)
    sample = mechanism.cosines(N, rng=streams(2)["dp"]).numpy()
    assert fits(sample, priv_unit(mechanism))
    assert not fits(sample, priv_unit(PrivUnit.calibrate(dimension, epsilon * 1.2)))
    assert not fits(-sample, priv_unit(mechanism))


@every_case
def test_privunit_g_cosines(dimension: int, epsilon: float) -> None:
    """Against scipy's truncated normal and chi-square numbers, in a two-sample test."""
    mechanism = PrivUnitG.calibrate(dimension, epsilon)
    sample = mechanism.cosines(N, rng=streams(3)["dp"]).numpy()
    other = np.random.default_rng(5)

    def reference(edge: float) -> Array:
        inside = stats.truncnorm(edge, np.inf).rvs(N, random_state=other)
        outside = stats.truncnorm(-np.inf, edge).rvs(N, random_state=other)
        along = np.where(other.random(N) < mechanism.rest, outside, inside)
        return along / np.sqrt(along**2 + other.chisquare(dimension - 1, N))

    assert stats.ks_2samp(sample, reference(mechanism.threshold)).statistic < LAST * math.sqrt(2 / N)
    assert stats.ks_2samp(sample, reference(mechanism.threshold + 0.2)).statistic > LAST * math.sqrt(2 / N)


@pytest.mark.parametrize(("dimension", "epsilon"), [(5, 0.5), (12, 6.0), (12, 60.0)])
def test_exact_cosines(dimension: int, epsilon: float) -> None:
    kappa = epsilon / 2
    assert fits(exact(VonMisesFisher(dimension, kappa)), von_mises_fisher(dimension, kappa))
    mechanism = PrivUnit.calibrate(dimension, epsilon)
    found = exact(mechanism)
    assert fits(found, priv_unit(mechanism))
    gaussian = PrivUnitG.calibrate(dimension, epsilon)
    simulated = gaussian.cosines(N, rng=streams(4)["dp"]).numpy()  # itself compared with scipy above
    allowed = LAST * math.sqrt(1 / N + 1 / EXACT_N)
    assert stats.ks_2samp(exact(gaussian), simulated).statistic < allowed
    assert epsilon < 5 or stats.ks_2samp(found, simulated).statistic > allowed  # the check can fail


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("dimension", [4, 32, 64])
def test_tails_of_coordinates(dimension: int, threshold: float) -> None:
    """The probability of being further out is uniform; that of a coordinate of another dimension is not."""
    sample = cap_tail(threshold, dimension).draw(N, rng=streams(5)["dp"]).numpy()
    # in s = 1 - t^2 a coordinate is Beta((d - 1) / 2, 1 / 2): P[T >= t | T >= edge] = I_s / I_s(edge)
    uniform, wrong = (
        np.exp(law.logcdf((1 - sample) * (1 + sample)) - law.logcdf((1 - threshold) * (1 + threshold)))
        for law in (stats.beta((dimension - 1) / 2, 0.5), stats.beta((dimension + dimension // 4) / 2, 0.5))
    )
    assert fits(uniform, stats.uniform.cdf)
    assert not fits(wrong, stats.uniform.cdf)


@pytest.mark.parametrize("threshold", [0.0, 1.0, 5.0, 36.0])
def test_tails_of_the_normal_law(threshold: float) -> None:
    sample = normal_tail(threshold).draw(N, rng=streams(6)["dp"]).numpy()
    uniform = np.exp(stats.norm.logsf(sample) - stats.norm.logsf(threshold))
    assert fits(uniform, stats.uniform.cdf)
    assert not fits(uniform**1.05, stats.uniform.cdf)


@pytest.mark.parametrize("released", [False, True])
@pytest.mark.parametrize("kind", [VonMisesFisher, PrivUnit, PrivUnitG])
def test_around_the_input_the_direction_is_uniform(
    kind: type[VonMisesFisher | PrivUnit | PrivUnitG], released: bool
) -> None:
    d, n = 6, EXACT_N if released else N
    mechanism = kind.calibrate(d, 4.0)
    x = normalize(torch.tensor([[1.0, -2.0, 0.5, 0.0, 3.0, 1.0]], dtype=torch.float64))
    records = x.expand(n, -1)
    y = mechanism.release(records) if released else mechanism(records, rng=streams(7)["dp"])
    cosines = (y @ x[0]).numpy()
    across = y - y @ x.T * x
    basis = torch.linalg.svd(x)[2][1:]  # (d - 1, d), orthonormal and orthogonal to x
    u = normalize(across).numpy() @ basis.numpy().T
    assert all(follows(u[:, k], coordinate(d - 1)) for k in range(d - 1))
    # u and the cosine are independent: u has no first or second moment with it
    centred = (cosines - cosines.mean()) / cosines.std()
    assert np.abs(centred @ u).max() * math.sqrt((d - 1) / n) < 4.8
    assert np.abs(centred @ (u**2 - 1 / (d - 1))).max() / math.sqrt(n * (u[:, 0] ** 2).var()) < 4.8
    assert not follows(y.numpy() @ x[0].numpy(), coordinate(d)), "towards the input it is not uniform"


@pytest.mark.parametrize("scale", [0.05, 2.0])
def test_renormalised_noise_is_the_noise_renormalised(scale: float) -> None:
    x = normalize(torch.ones(N, 5, dtype=torch.float64))
    for mechanism, noise in (
        (RenormalisedLaplace(5, scale), Laplace(scale)),
        (RenormalisedL2Laplace(5, scale), L2Laplace(scale)),
    ):
        found = (mechanism(x, rng=streams(8)["dp"]) * x).sum(1).numpy()
        expected = (normalize(noise(x, rng=streams(9)["dp"])) * x).sum(1).numpy()
        wrong = (normalize(type(noise)(1.3 * scale)(x, rng=streams(9)["dp"])) * x).sum(1).numpy()
        assert stats.ks_2samp(found, expected).statistic < LAST * math.sqrt(2 / N)
        assert stats.ks_2samp(found, wrong).statistic > LAST * math.sqrt(2 / N)
        released = mechanism.release(x[:EXACT_N])
        kept = (released * x[:EXACT_N]).sum(1).numpy()
        assert stats.ks_2samp(kept, found).statistic < LAST * math.sqrt(1 / N + 1 / EXACT_N)


def test_repelling_is_the_same_mechanism_for_the_opposite_vector() -> None:
    """The exponential mechanism with utility -<x, y> is von Mises-Fisher around -x."""
    mechanism = VonMisesFisher.calibrate(16, 8.0)
    x = normalize(torch.ones(N, 16, dtype=torch.float64))
    cosines = (mechanism(-x, rng=streams(10)["dp"]) * x).sum(1)
    assert abs(float(cosines.mean()) + mechanism.cosine_kept()) < 4.5 * float(cosines.std()) / math.sqrt(N)


@pytest.mark.parametrize(
    ("norm", "taken"), [(1.00009, True), (0.99991, True), (1.0002, False), (0.9998, False)]
)
def test_vectors_off_the_sphere_are_refused(norm: float, taken: bool) -> None:
    x = torch.tensor([[0.6, 0.8, 0.0, 0.0]], dtype=torch.float64) * norm
    if taken:
        assert abs(float(unit_rows(x, 4).norm()) - 1) < 1e-12
    else:
        with pytest.raises(ValueError, match=r"norm 1 within 0\.0001"):
            unit_rows(x, 4)


@pytest.mark.parametrize("name", SPHERE_MECHANISMS)
@pytest.mark.parametrize("epsilon", [0.1, 3.0, 7.0, 12.5])
def test_no_law_claims_more_than_was_asked_for(name: str, epsilon: float) -> None:
    claim = SPHERE_MECHANISMS[name].calibrate(64, epsilon).guarantee(exact=True)
    assert epsilon * (1 - 1e-9) < claim.epsilon <= epsilon
