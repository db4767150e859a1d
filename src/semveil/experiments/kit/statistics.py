# SPDX-License-Identifier: Apache-2.0
"""Means over photos with bootstrap confidence intervals, over photos and over noise draws of each photo."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semveil.attacks.intervals import Score
from semveil.attacks.reidentification import Reidentification

RESAMPLES = 4000
NOT_MEASURED = "not measured"


def mean_of_photos(values: ArrayLike | Sequence[float | None], *, level: float = 0.95) -> Score | None:
    """Mean over photos with a two-level percentile-bootstrap interval.

    Photos, one of each person, are resampled with replacement, and for each of them its noise draws (channel
    seeds), which are independent between photos. Ten draws of a photo are not ten photos. The resampling is
    seeded, so equal values give equal intervals. An interval of zero width at 0 or 1 means that no photo
    differed, not that none would: with N photos, rates up to 3 / N remain possible.

    Args:
        values: (draws, photos) or (photos,); NaN or None where a photo has no value.
        level: coverage of the interval.

    Returns:
        The mean with its interval; None if no photo has a value.

    Example:
        >>> str(mean_of_photos([0.0, 1.0] * 50))
        '0.500 [0.400, 0.600]'
    """
    table = np.atleast_2d(np.asarray(values, float))
    present = ~np.isnan(table)
    photos = present.any(0)
    if not photos.any():
        return None
    table, present = table[:, photos], present[:, photos]
    means = np.nansum(table, 0) / present.sum(0)
    rng = np.random.default_rng(0)
    people = rng.integers(len(means), size=(RESAMPLES, len(means)))
    if len(table) == 1:
        found = means[people].mean(1)
    else:
        packed = np.sort(np.where(present, table, np.inf), 0)  # present values first
        counts = present.sum(0)
        found = np.array([_resampled(packed, counts, chosen, rng).mean() for chosen in people])
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Score(float(means.mean()), float(low), float(high), len(means))


def _resampled(
    packed: NDArray[np.float64],
    counts: NDArray[np.int64],
    chosen: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Mean of each chosen photo's draws, resampled with replacement."""
    # indices below the photo's own number of draws
    rows = (rng.random((len(packed), len(chosen))) * counts[chosen]).astype(int)
    return packed[rows, chosen].mean(0)


def mean(columns: Mapping[str, Any], metric: str) -> Score | None:
    """Mean over photos of a metric with its interval; None if it was not measured.

    Args:
        columns: metric -> values of photos, (photos,) or (draws, photos).
        metric: name of the metric.
    """
    found = columns.get(metric)
    return None if found is None else mean_of_photos(found)


def value(columns: Mapping[str, Any], metric: str) -> float:
    """Mean over photos of a metric without its interval; NaN if it was not measured.

    Args:
        columns: as for `mean`.
        metric: name of the metric.
    """
    found = mean(columns, metric)
    return math.nan if found is None else found.value


def score_as_json(score: Score) -> dict[str, float]:
    """Return a rate with its interval as stored in results.

    Args:
        score: rate with its interval and count.
    """
    return {name: round(float(number), 4) for name, number in vars(score).items()} | {
        "count": int(score.count)
    }


def rates(found: Reidentification) -> dict[str, dict[str, float]]:
    """Return re-identification rates by rank and by false acceptance rate, as stored in results.

    Args:
        found: see `reidentify`.

    Returns:
        `rank-1` and so on, and `TAR at FAR 0.001` and so on, each in the form of `score_as_json`.
    """
    named = {f"rank-{rank}": score for rank, score in found.found.items()}
    named |= {f"TAR at FAR {rate:g}": score for rate, score in found.accepted.items()}
    return {name: score_as_json(score) for name, score in named.items()}


def shown_score(kept: Mapping[str, float] | None, lacks: str = "") -> str:
    """Return the table cell of a stored rate.

    Args:
        kept: see `score_as_json`; None if the rate was not measured.
        lacks: cell if the rate was not measured.

    Example:
        >>> shown_score({"value": 0.5, "low": 0.4, "high": 0.6, "count": 100}), shown_score(None)
        ('0.500 [0.400, 0.600]', '')
    """
    return lacks if kept is None else "{value:.3f} [{low:.3f}, {high:.3f}]".format(**kept)


def paired(a: Mapping[str, Any], b: Mapping[str, Any], metric: str) -> Score:
    """Mean over photos of a metric's difference a - b, with its interval.

    Args:
        a: metric -> values of photos, as for `mean`.
        b: values of the same photos and number of draws by another method.
        metric: name of a metric in both.
    """
    found = mean_of_photos(np.array(a[metric], float) - np.array(b[metric], float))
    assert found is not None
    return found
