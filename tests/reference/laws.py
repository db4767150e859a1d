# SPDX-License-Identifier: Apache-2.0
"""Does a sample follow a law? Checks that each fail by chance less than once in 10^5."""

import math

import numpy as np
from scipy import stats


def follows(sample: np.ndarray, law: stats.distributions.rv_frozen) -> bool:
    """Kolmogorov-Smirnov distance and the first two moments."""
    n = sample.size
    kurtosis = float(law.stats("k")) + 3
    distance = stats.kstest(sample, law.cdf).statistic
    mean_error = abs(sample.mean() - law.mean()) / (law.std() / math.sqrt(n))
    variance_error = abs(sample.var() / law.var() - 1) / math.sqrt((kurtosis - 1) / n)
    return bool(distance < 2.5 / math.sqrt(n) and mean_error < 4.5 and variance_error < 4.5)


def k_norm_law_holds(noise: np.ndarray, scale: float) -> bool:
    """Length Gamma(n, scale), direction uniform on the sphere (a squared coordinate is Beta), and the two
    independent.
    """
    n = noise.shape[1]
    length = np.linalg.norm(noise, axis=1)
    direction = noise / np.maximum(length, 1e-300)[:, None]
    return (
        follows(length, stats.gamma(n, scale=scale))
        and all(follows(direction[:, k] ** 2, stats.beta(0.5, (n - 1) / 2)) for k in range(n))
        and abs(np.corrcoef(length, direction[:, 0] ** 2)[0, 1]) < 4.5 / math.sqrt(len(noise))
        and abs(np.sign(direction).mean(0)).max() < 4.5 / math.sqrt(len(noise))
    )
