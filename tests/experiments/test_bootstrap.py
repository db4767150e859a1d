"""Means over photos and their intervals."""

import numpy as np
import pytest
from scipy import stats

from semveil.experiments.bootstrap import mean_of_photos


def test_the_interval_is_scipys() -> None:
    values = np.random.default_rng(5).gamma(2.0, size=120)
    ours = mean_of_photos(values)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(6))
    assert ours is not None and ours.value == pytest.approx(values.mean())
    # An end of the interval from R resamples is itself uncertain: about 2.7 se / sqrt(R) for a 2.5 % quantile.
    tolerance = 4 * 2.7 * theirs.standard_error / np.sqrt(4000)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=tolerance)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=tolerance)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    found = [mean_of_photos(rng.normal(size=100)) for _ in range(200)]
    covered = sum(mean.low <= 0 <= mean.high for mean in found if mean)
    assert stats.binom.cdf(covered, 200, 0.94) > 1e-4 and stats.binom.sf(covered - 1, 200, 0.95) > 1e-4
    assert not any(mean.low <= 1 <= mean.high for mean in found if mean)  # the control: a wrong value is not covered


def test_seeds_of_one_photo_are_no_new_photos() -> None:
    photos = np.random.default_rng(8).normal(size=50)
    once, repeated = mean_of_photos(photos), mean_of_photos(np.stack([photos] * 10))
    assert once == repeated


def test_missing_values_are_left_out() -> None:
    mean = mean_of_photos([[1.0, np.nan, 3.0], [1.0, np.nan, np.nan]])
    assert mean is not None and (mean.value, mean.count) == (2.0, 2)
    assert mean_of_photos([np.nan]) is None
