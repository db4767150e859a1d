# SPDX-License-Identifier: Apache-2.0
"""Closed forms of the laws on the sphere, against mpmath, quadrature and each other, in every range that is
used.
"""

import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats

from semveil.mechanisms import (
    SPHERE_MECHANISMS,
    PrivUnit,
    PrivUnitG,
    VonMisesFisher,
    cosines_kept,
    sphere_sensitivity,
)
from semveil.mechanisms.sphere.cosines import (
    cosine_nodes,
    exponential_moment,
    gamma_nodes,
    log_cap,
    log_cap_moment,
)

EPSILONS = [0.01, 1.0, 10.0, 100.0, 800.0]
DIMENSIONS = [4, 7, 128, 512]


def test_what_is_kept_at_epsilon_10_in_512_dimensions() -> None:
    kept = {name: cosine for name, (cosine,) in cosines_kept(512, [10.0]).items()}
    # 2 d scale^2, scale = 2 sqrt(d) / epsilon
    assert kept["laplace"] == pytest.approx(1 / math.sqrt(1 + 8 * 512**2 / 10**2))
    assert {name: round(cosine, 4) for name, cosine in kept.items()} == {
        "laplace": 0.0069,
        "l2-laplace": 0.0098,
        "von-mises-fisher": 0.0098,
        "privunit": 0.1434,
        "privunit-g": 0.1427,
    }


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("threshold", [0.0, 1e-6, 0.03, 0.144, 0.55, 0.9, 0.98, 1 - 1e-6])
def test_caps_against_mpmath(dimension: int, threshold: float) -> None:
    with mpmath.workdps(60):
        t, half = mpmath.mpf(threshold), mpmath.mpf(dimension) / 2
        cap = mpmath.betainc(half - 0.5, 0.5, 0, 1 - t**2, regularized=True) / 2
        # the moment by its integral, in s = t^2, of the density Gamma(d/2) / (sqrt(pi) Gamma((d-1)/2)) (1 -
        # t^2)^((d-3)/2)
        constant = mpmath.gamma(half) / (mpmath.sqrt(mpmath.pi) * mpmath.gamma(half - 0.5))
        moment = constant * (1 - t**2) ** (half - 0.5) / (2 * half - 1)
    assert log_cap(threshold, dimension) == pytest.approx(float(mpmath.log(cap)), rel=1e-12, abs=1e-12)
    assert log_cap_moment(threshold, dimension) == pytest.approx(
        float(mpmath.log(moment)), rel=1e-12, abs=1e-12
    )


def test_caps_beyond_the_range_of_floats() -> None:
    assert log_cap(0.98, 512) == pytest.approx(
        float(mpmath.log(mpmath.betainc(255.5, 0.5, 0, 1 - 0.98**2) / 2)) - _log_beta()
    )
    assert log_cap(0.98, 512) < math.log(1e-308)


def _log_beta() -> float:
    return float(mpmath.log(mpmath.beta(255.5, 0.5)))


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("kappa", [0.005, 0.5, 5.0, 50.0, 400.0])
def test_von_mises_fisher_normaliser_and_mean_against_bessel_functions(dimension: int, kappa: float) -> None:
    with mpmath.workdps(40):
        order, k = mpmath.mpf(dimension) / 2 - 1, mpmath.mpf(kappa)
        normaliser = mpmath.gamma(order + 1) * (2 / k) ** order * mpmath.besseli(order, k)
        mean = mpmath.besseli(order + 1, k) / mpmath.besseli(order, k)
    log_mean, cosine = exponential_moment(kappa, dimension)
    assert log_mean == pytest.approx(float(mpmath.log(normaliser)), rel=1e-10)
    assert cosine == pytest.approx(float(mean), rel=1e-11)


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("epsilon", [0.01, 1.0, 10.0, 100.0, 400.0])
def test_privunit_keeps_most_at_its_own_threshold(dimension: int, epsilon: float) -> None:
    best = PrivUnit.calibrate(dimension, epsilon)
    if best.threshold < 1 - 1e-8:  # below, floats cannot tell thresholds apart
        assert best.threshold == pytest.approx(best.cosine_kept(), rel=1e-4)
    for factor in (0.97, 1.01):
        other = factor * best.threshold
        if other < 1:
            assert _at(dimension, epsilon, other).cosine_kept() < best.cosine_kept()


def _at(dimension: int, epsilon: float, threshold: float) -> PrivUnit:
    """PrivUnit of another threshold at the same epsilon, the cap's share by scipy's law of a coordinate."""
    cap = stats.beta((dimension - 1) / 2, (dimension - 1) / 2).sf((1 + threshold) / 2)
    odds = math.exp(min(epsilon, 600)) * cap / (1 - cap)
    return PrivUnit(dimension, threshold, rest=1 / (1 + odds))


@pytest.mark.parametrize("dimension", [8, 128, 512])
@pytest.mark.parametrize("epsilon", [0.1, 10.0, 100.0])
def test_privunit_g_keeps_most_at_its_own_threshold(dimension: int, epsilon: float) -> None:
    best = PrivUnitG.calibrate(dimension, epsilon)
    for factor in (0.97, 1.03):
        threshold = factor * best.threshold
        cap = stats.norm.sf(threshold)
        other = PrivUnitG(dimension, threshold, rest=1 / (1 + math.exp(epsilon) * cap / (1 - cap)))
        assert other.epsilon == pytest.approx(epsilon)
        assert other.cosine_kept() < best.cosine_kept()
    assert best.cosine_kept() < PrivUnit.calibrate(dimension, epsilon).cosine_kept()


@pytest.mark.parametrize(("dimension", "threshold"), [(8, 0.01), (8, 3.0), (512, 3.25), (512, 12.0)])
def test_privunit_g_against_tricomis_function(dimension: int, threshold: float) -> None:
    """E[(t^2 + S)^(-1/2)] over chi-square of d + 1 degrees, as a confluent hypergeometric function."""
    mechanism = PrivUnitG(dimension, threshold, rest=0.25)
    with mpmath.workdps(40):
        a, t = mpmath.mpf(dimension + 1) / 2, mpmath.mpf(threshold)
        mean = (t**2 / 2) ** a / t * mpmath.hyperu(a, a + 0.5, t**2 / 2)
        cap = mpmath.ncdf(-t)
        kept = mpmath.npdf(t) * mean * (mpmath.mpf(0.75) / cap - mpmath.mpf(0.25) / (1 - cap))
    assert mechanism.cosine_kept() == pytest.approx(float(kept), rel=1e-10)


@pytest.mark.parametrize("epsilon", [0.1, 5.0])
def test_k_norm_against_quadrature(epsilon: float) -> None:
    d = 6
    length = stats.gamma(d, scale=2 / epsilon)

    def integrand(t: float, reach: float) -> float:
        share = (1 - t * t) ** ((d - 3) / 2) / (
            2 ** (d - 2) * math.gamma((d - 1) / 2) ** 2 / math.gamma(d - 1)
        )
        return length.pdf(reach) * share * (1 + reach * t) / math.sqrt(1 + 2 * reach * t + reach * reach)

    reference, _ = integrate.dblquad(integrand, *length.ppf([1e-13, 1 - 1e-13]), -1, 1, epsabs=1e-7)
    assert SPHERE_MECHANISMS["l2-laplace"].calibrate(d, epsilon).cosine_kept() == pytest.approx(
        reference, rel=1e-5
    )


@pytest.mark.parametrize("dimension", [5, 64, 512])
def test_quadratures_against_exact_moments(dimension: int) -> None:
    nodes, weights = gamma_nodes(dimension / 2)
    assert weights @ nodes**2 == pytest.approx(dimension / 2 * (dimension / 2 + 1), rel=1e-10)
    nodes, weights = cosine_nodes(dimension)
    assert weights @ nodes**4 == pytest.approx(3 / (dimension * (dimension + 2)), rel=1e-10)


@pytest.mark.parametrize("name", ["von-mises-fisher", "privunit", "privunit-g"])
@pytest.mark.parametrize("dimension", [8, 128])
def test_densities_have_mass_one_the_mean_cosine_and_a_spread_of_epsilon(name: str, dimension: int) -> None:
    mechanism = SPHERE_MECHANISMS[name].calibrate(dimension, 6.0)
    assert isinstance(mechanism, VonMisesFisher | PrivUnit | PrivUnitG)
    law = stats.beta((dimension - 1) / 2, (dimension - 1) / 2, loc=-1, scale=2)
    cosines = np.linspace(-1, 1, 400_001)[1:-1]
    mass = law.pdf(cosines) * np.exp(mechanism.log_density(cosines)) * (cosines[1] - cosines[0])
    assert mass.sum() == pytest.approx(1, abs=1e-4)  # one step at the edge of a cap is worth up to 3e-5
    assert mass @ cosines == pytest.approx(mechanism.cosine_kept(), abs=1e-4)
    values = mechanism.log_density(np.array([-1.0, -0.5, 0.0, 0.5, 1.0]))
    spread = float(values.max() - values.min())
    assert spread <= mechanism.epsilon * (1 + 1e-12)
    assert spread > 0.85 * mechanism.epsilon  # PrivUnitG's length hides a little of the edge
    assert name == "privunit-g" or spread == pytest.approx(mechanism.epsilon)


@pytest.mark.parametrize("dimension", [8, 512])
@pytest.mark.parametrize("epsilon", [0.01, 10.0, 400.0])
def test_epsilon_of_caps_against_mpmath_and_rounded_up(dimension: int, epsilon: float) -> None:
    with mpmath.workdps(60):
        for name in ("privunit", "privunit-g"):
            mechanism = SPHERE_MECHANISMS[name].calibrate(dimension, epsilon)
            assert isinstance(mechanism, PrivUnit | PrivUnitG)
            t, rest = mpmath.mpf(mechanism.threshold), mpmath.mpf(mechanism.rest)
            share = mpmath.betainc(mpmath.mpf(dimension - 1) / 2, 0.5, 0, 1 - t**2, regularized=True) / 2
            cap = share if name == "privunit" else mpmath.ncdf(-t)
            loss = mpmath.log((1 - rest) / rest * (1 - cap) / cap)
            claimed = mechanism.guarantee(exact=True).epsilon
            assert claimed is not None
            assert loss <= claimed <= loss * (1 + mpmath.mpf(2) ** -51)


def test_a_rarer_cap_costs_more() -> None:
    mechanism = PrivUnit.calibrate(128, 5.0)
    assert replace(mechanism, rest=mechanism.rest / 2).epsilon > mechanism.epsilon + math.log(2)


def test_caps_that_floats_cannot_leave_are_refused() -> None:
    with pytest.raises(ValueError, match="epsilon 800 is more than caps in dimension 4 can be calibrated to"):
        PrivUnit.calibrate(4, 800.0)


def test_bad_parameters_are_refused() -> None:
    for wrong in ({"threshold": 1.0}, {"threshold": -0.1}, {"rest": 0.0}, {"rest": 1.0}):
        for mechanism in (PrivUnit(8, 0.5, 0.5), PrivUnitG(8, 0.5, 0.5)):
            if isinstance(mechanism, PrivUnitG) and wrong == {"threshold": 1.0}:
                continue
            with pytest.raises(ValueError, match="takes a threshold"):
                replace(mechanism, **wrong)
    with pytest.raises(ValueError, match="kappa must be a positive"):
        VonMisesFisher(8, 0.0)


def test_sensitivities_of_the_sphere() -> None:
    corner = np.full(9, 1 / 3)
    assert sphere_sensitivity(9, "l1").value == pytest.approx(np.abs(2 * corner).sum()) == 6.0
    assert sphere_sensitivity(9, "l2").value == 2.0
