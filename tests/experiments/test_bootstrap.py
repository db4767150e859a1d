# SPDX-License-Identifier: Apache-2.0
"""Means over photos and their intervals."""

import numpy as np
import pytest
from scipy import stats

from semveil.experiments.kit.statistics import mean_of_photos


def test_the_interval_is_scipys() -> None:
    values = np.random.default_rng(5).gamma(2.0, size=120)
    ours = mean_of_photos(values)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(6)
    )
    assert ours is not None and ours.value == pytest.approx(values.mean())
    # An end of the interval from R resamples is itself uncertain: about 2.7 se / sqrt(R) for a 2.5 %
    # quantile.
    tolerance = 4 * 2.7 * theirs.standard_error / np.sqrt(4000)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=tolerance)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=tolerance)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    found = [mean_of_photos(rng.normal(size=100)) for _ in range(200)]
    covered = sum(mean.low <= 0 <= mean.high for mean in found if mean)
    assert stats.binom.cdf(covered, 200, 0.94) > 1e-4 and stats.binom.sf(covered - 1, 200, 0.95) > 1e-4
    # the control: a wrong value is not covered
    assert not any(mean.low <= 1 <= mean.high for mean in found if mean)


def test_the_interval_is_over_photos_and_draws() -> None:
    """Photos differ by a standard deviation of 1, draws of one photo by 3: (1 + 9/D) / N is the variance of
    the mean.
    """
    rng = np.random.default_rng(11)
    photos, draws, runs = 40, 4, 80
    truth = np.sqrt((1 + 9 / draws) / photos)
    found = []
    for _ in range(runs):
        values = rng.normal(size=photos) + 3 * rng.normal(size=(draws, photos))
        found.append(mean_of_photos(values))
    covered = sum(mean.low <= 0 <= mean.high for mean in found if mean)
    assert stats.binom.cdf(covered, runs, 0.93) > 1e-4
    width = np.mean([mean.high - mean.low for mean in found if mean]) / (2 * 1.96)
    assert truth * 0.9 < width < truth * 1.5, (
        "each photo's draws are drawn anew, which widens it by the noise in their mean"
    )
    one_level = [
        mean_of_photos(rng.normal(size=photos) + 3 * rng.normal(size=(draws, photos)).mean(0))
        for _ in range(runs)
    ]
    assert width > np.mean([mean.high - mean.low for mean in one_level if mean]) / (2 * 1.96)


def test_draws_that_differ_widen_an_interval_of_one_photo() -> None:
    alone, several = mean_of_photos([[2.0]]), mean_of_photos([[1.0], [3.0]])
    assert alone is not None and alone.low == alone.high == 2.0
    assert several is not None and several.low < 2.0 < several.high and several.value == 2.0


def test_seeds_of_one_photo_are_no_new_photos() -> None:
    photos = np.random.default_rng(8).normal(size=50)
    once, repeated = mean_of_photos(photos), mean_of_photos(np.stack([photos] * 10))
    assert once is not None and repeated is not None and repeated.count == 50
    assert (repeated.value, repeated.low, repeated.high) == pytest.approx(
        (once.value, once.low, once.high), rel=1e-12
    )


def test_missing_values_are_left_out() -> None:
    mean = mean_of_photos([[1.0, np.nan, 3.0], [1.0, np.nan, np.nan]])
    assert mean is not None and (mean.value, mean.count) == (2.0, 2)
    assert mean_of_photos([np.nan]) is None
