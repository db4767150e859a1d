# SPDX-License-Identifier: Apache-2.0
"""Integer noise on a circle: the exact law, its loss, and draws from it."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from semveil.keys.keystream import KeyStream
from semveil.protection.circle_noise import WORD, CircleNoise, closed_form_epsilon, scale_for


@pytest.mark.parametrize("scale", [2.5, 9.0, 40.0, 1e4])
def test_the_table_is_the_wrapped_law_to_one_count(scale):
    points = 64
    noise = CircleNoise.laplace(points, scale)
    assert sum(noise.counts) == WORD and min(noise.counts) > 0
    with mpmath.workdps(60):
        raw = [
            sum(mpmath.exp(-abs(k + j * points) / mpmath.mpf(scale)) for j in range(-3000, 3001, 1))
            for k in (0, 1, 17, 32)
        ]
        weights = [mpmath.cosh((points // 2 - k) / mpmath.mpf(scale)) for k in range(points)]
        total = mpmath.fsum(weights)
        for k, weight in enumerate(weights):
            assert abs(noise.counts[k] - weight / total * WORD) <= 1
        if scale < 100:  # for the others 6,000 turns do not exhaust the sum
            for k, value in zip((0, 1, 17, 32), raw, strict=True):
                assert abs(value / raw[0] - weights[k] / weights[0]) < 1e-15


def test_uniform_is_exact_and_loses_nothing():
    noise = CircleNoise.uniform(4096)
    assert set(noise.counts) == {WORD // 4096}
    assert noise.log_ratio() == 0


@given(st.floats(3, 1e5))
def test_the_loss_is_the_closed_form_rounded_up_but_for_the_table(scale):
    exact, ideal = CircleNoise.laplace(64, scale).log_ratio(), closed_form_epsilon(1, 64, scale)
    least = min(CircleNoise.laplace(64, scale).counts)
    assert abs(exact - ideal) <= 2 / least + 1e-14 * ideal


@given(st.floats(1e-3, 1e4), st.integers(1, 20_000))
def test_the_scale_of_an_epsilon_gives_it_back(epsilon, n):
    assert closed_form_epsilon(n, 10.0, scale_for(epsilon, n, 10.0)) == pytest.approx(
        epsilon, rel=1e-6, abs=1e-11 * n
    )


@pytest.mark.parametrize(
    ("noise", "fits"), [(CircleNoise.laplace(64, 9.0), True), (CircleNoise.laplace(64, 8.0), False)]
)
def test_draws_follow_the_table_and_only_it(noise, fits):
    draws = noise.draw(200_000, KeyStream(b"\1" * 32))
    expected = np.array([c / WORD for c in CircleNoise.laplace(64, 9.0).counts]) * len(draws)
    p = stats.chisquare(np.bincount(draws, minlength=64), expected).pvalue
    assert p > 1e-5 if fits else p < 1e-9


def test_words_at_the_edges_of_the_table_are_assigned_exactly():
    noise = CircleNoise.laplace(8, 2.0)
    ends = np.cumsum(np.array(noise.counts, object))

    class Fixed:
        def integers(self, count):
            return np.array([0, ends[0] - 1, ends[0], ends[6] - 1, ends[6], WORD - 1], np.uint64)

    assert noise.draw(6, Fixed()).tolist() == [0, 0, 1, 6, 7, 7]


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan, 1.0])
def test_scales_out_of_range_are_refused(scale):
    with pytest.raises(ValueError, match="scale"):
        CircleNoise.laplace(64, scale)


@pytest.mark.parametrize("points", [0, 2, 100])
def test_points_are_a_power_of_two(points):
    with pytest.raises(ValueError, match="power of two"):
        CircleNoise.uniform(points)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.inf, math.nan])
def test_no_scale_for_an_epsilon_out_of_range(epsilon):
    with pytest.raises(ValueError, match="epsilon"):
        scale_for(epsilon, 10, 5.0)
