# SPDX-License-Identifier: Apache-2.0
"""Powers against simulated repetitions of the very test, and against what they must not promise."""

import numpy as np
import pytest
from scipy import stats

from semveil.audit.bounds import at_least, at_most, epsilon_of_mu, forced_epsilon, forced_mu
from semveil.audit.faults import noise_for_twice
from semveil.audit.power import event_power
from semveil.mechanisms import Gaussian
from semveil.privacy.guarantee import Basis, Guarantee, Sensitivity

DRAWS, ERROR = 3_000, 1e-7


@pytest.mark.parametrize("delta", [0.0, 0.01])
@pytest.mark.parametrize(("likely", "unlikely"), [(0.60, 0.15), (0.60, 0.165), (0.62, 0.18), (0.5, 0.4)])
def test_power_of_an_event_is_that_of_repeated_counting(likely: float, unlikely: float, delta: float) -> None:
    """With the probabilities known but for the doubt, the exact sum is the share of 20,000 simulated runs."""
    claim = Guarantee(1.0, "a bit", Basis.PROVED, delta=delta)
    rng = np.random.default_rng(0)
    hits = rng.binomial(DRAWS, [[likely], [unlikely]], (2, 20_000))
    forced = forced_epsilon(at_least(hits[0], DRAWS, ERROR), at_most(hits[1], DRAWS, ERROR), delta)
    caught = float((forced > 1.0).mean())
    counts = round(likely * DRAWS), round(unlikely * DRAWS)
    certain = event_power(counts, DRAWS, claim, error=ERROR, doubt=1.0)  # bounds at the estimates themselves
    assert certain == pytest.approx(caught, abs=4.5 * np.sqrt(0.25 / 20_000) + 0.01)
    assert event_power(counts, DRAWS, claim, error=ERROR) <= certain


def test_power_is_seldom_overstated() -> None:
    """Of 400 plays of a fault whose true power is .5, at most a few say .95: with doubt .01 about none."""
    claim, rng = Guarantee(1.0, "a bit", Basis.PROVED), np.random.default_rng(1)
    unlikely = next(
        q
        for q in np.linspace(0.12, 0.2, 200)
        if stats.binom.sf(DRAWS * 0.6, DRAWS, 0.6) > 0 and _true_power(0.6, q) <= 0.5
    )
    said = [
        event_power(tuple(rng.binomial(DRAWS, [0.6, unlikely])), DRAWS, claim, error=ERROR) >= 0.95
        for _ in range(400)
    ]
    assert sum(said) <= 4


def _true_power(likely: float, unlikely: float) -> float:
    hits = np.random.default_rng(2).binomial(DRAWS, [[likely], [unlikely]], (2, 4_000))
    return float(
        (forced_epsilon(at_least(hits[0], DRAWS, ERROR), at_most(hits[1], DRAWS, ERROR)) > 1.0).mean()
    )


def test_the_gaussian_trade_off_is_counted_too() -> None:
    sensitivity = Sensitivity(1.0, "l2", 1, source="test")
    sigma = Gaussian.calibrate(sensitivity, 0.5).sigma
    claim = Guarantee(0.5, "a number", Basis.PROVED, delta=1e-5)
    broken = sigma / noise_for_twice(claim, gaussian=True)
    likely, unlikely = stats.norm.sf(0.5, 1.0, broken), stats.norm.sf(0.5, 0.0, broken)
    draws = 60_000
    hits = np.random.default_rng(0).binomial(draws, [[likely], [unlikely]], (2, 500))
    mu = forced_mu(at_least(hits[0], draws, ERROR), at_most(hits[1], draws, ERROR))
    caught = np.mean([epsilon_of_mu(float(m), 1e-5) > 0.5 for m in mu])
    counts = round(likely * draws), round(unlikely * draws)
    said = event_power(counts, draws, claim, error=ERROR, gaussian=True)
    assert said <= caught + 0.05 and (said > 0.5) == (caught > 0.9)
    assert event_power(counts, draws, claim, error=ERROR) < said, "the pure epsilon alone shows less"


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 5.0])
def test_dividing_normal_noise_doubles_epsilon(epsilon: float) -> None:
    sensitivity = Sensitivity(1.0, "l2", 1, source="test")
    claim = Gaussian.calibrate(sensitivity, epsilon).guarantee(sensitivity)
    sigma = Gaussian.calibrate(sensitivity, epsilon).sigma / noise_for_twice(claim, gaussian=True)
    assert Gaussian(sigma).guarantee(sensitivity).epsilon == pytest.approx(2 * epsilon, rel=1e-6)
    assert noise_for_twice(claim) == 2
