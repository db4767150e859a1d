# SPDX-License-Identifier: Apache-2.0
"""Bounds against scipy's exact intervals, their coverage by enumeration, and closed forms of epsilon."""

import math

import numpy as np
import pytest
from scipy import stats

from semveil.audit.bounds import (
    at_least,
    at_most,
    epsilon_of_mu,
    error_of_a_bound,
    forced_epsilon,
    forced_mu,
    max_detectable_epsilon,
)
from semveil.mechanisms import Gaussian
from semveil.privacy.guarantee import Sensitivity


@pytest.mark.parametrize("hits", [0, 1, 7, 99, 100])
@pytest.mark.parametrize("error", [0.05, 1e-7])
def test_clopper_pearson_is_scipys(hits: int, error: float) -> None:
    low = stats.binomtest(hits, 100, alternative="greater").proportion_ci(1 - error, method="exact").low
    high = stats.binomtest(hits, 100, alternative="less").proportion_ci(1 - error, method="exact").high
    assert float(at_least(hits, 100, error)) == pytest.approx(low, rel=1e-6)
    assert float(at_most(hits, 100, error)) == pytest.approx(high, rel=1e-6)


@pytest.mark.parametrize("p", [1e-3, 0.05, 0.5, 0.93])
def test_bounds_are_wrong_as_seldom_as_they_say(p: float) -> None:
    hits, error = np.arange(201), 0.01
    weights = stats.binom.pmf(hits, 200, p)
    assert weights[at_least(hits, 200, error) > p].sum() <= error
    assert weights[at_most(hits, 200, error) < p].sum() <= error


def test_bounds_without_that_much_slack_would_be_wrong_more_often() -> None:
    hits = np.arange(201)
    weights = stats.binom.pmf(hits, 200, 0.5)
    assert weights[at_least(hits, 200, 0.02) > 0.5].sum() > 0.01


def test_epsilon_of_randomised_response() -> None:
    p = math.e / (1 + math.e)
    assert float(forced_epsilon(p, 1 - p)) == pytest.approx(1.0)
    assert float(forced_epsilon(p, 1 - p, delta=0.1)) == pytest.approx(math.log((p - 0.1) / (1 - p)))
    assert float(forced_epsilon(1 - p, p)) == 0.0


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 5.0])
def test_the_gaussian_trade_off_gives_back_the_mechanisms_epsilon(epsilon: float) -> None:
    sensitivity = Sensitivity(3.0, "l2", 5, source="test")
    mu = 3.0 / Gaussian.calibrate(sensitivity, epsilon).sigma
    for threshold in (-1.0, 0.0, 2.0):
        forced = float(forced_mu(stats.norm.sf(threshold, mu), stats.norm.sf(threshold)))
        assert forced == pytest.approx(mu, rel=1e-9)
        assert epsilon_of_mu(forced, 1e-5) == pytest.approx(epsilon, rel=1e-6)


def test_visible_epsilon_in_closed_form() -> None:
    draws, error, delta = 5_000, 1e-7, 1e-3
    p = error ** (1 / draws)
    assert max_detectable_epsilon(draws, error, delta) == pytest.approx(math.log((p - delta) / (1 - p)))
    assert max_detectable_epsilon(draws, error, delta, gaussian=True) > max_detectable_epsilon(
        draws, error, delta
    )


def test_confidence_is_split_over_statistics_directions_and_both_probabilities() -> None:
    assert error_of_a_bound(1e-6, 3) == pytest.approx(1e-6 / 12)
    for wrong in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="false alarm"):
            error_of_a_bound(wrong, 1)
