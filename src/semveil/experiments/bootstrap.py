"""Mean of photos' values with an interval: the bootstrap over photos."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

RESAMPLES = 4000


@dataclass(frozen=True)
class Mean:
    """Attributes: value; low, high: 95 % interval; count: photos."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def mean_of_photos(values: ArrayLike | Sequence[float | None], *, level: float = 0.95) -> Mean | None:
    """Mean over photos with a percentile-bootstrap interval.

    Photos are the independent units: channel seeds are averaged within a photo first. The resampling is seeded, so equal
    values give equal intervals. An interval of no width at 0 or 1 means that no photo differed, not that none would: with
    N photos rates up to 3 / N stay possible.

    Args:
        values: (seeds, photos) or (photos,); NaN or None where a photo has no value.
        level: coverage.

    Returns:
        None where no photo has a value.

    Example:
        >>> str(mean_of_photos([0.0, 1.0] * 50))
        '0.500 [0.400, 0.600]'
    """
    table = np.atleast_2d(np.asarray(values, float))
    present = ~np.isnan(table)
    photos = present.any(0)
    if not photos.any():
        return None
    means = np.nansum(table[:, photos], 0) / present[:, photos].sum(0)
    draws = np.random.default_rng(0).integers(len(means), size=(RESAMPLES, len(means)))
    low, high = np.quantile(means[draws].mean(1), [(1 - level) / 2, (1 + level) / 2])
    return Mean(float(means.mean()), float(low), float(high), len(means))
