# SPDX-License-Identifier: Apache-2.0
"""Test statistics of outputs: likelihood ratios, and leakage by floating-point bits and repetition."""

import numpy as np

from semveil.audit.bounds import Floats

# resolution of the contrasts; finer differences are left to `finest_bit`
RESOLUTION = 2.0**20


def contrasts(
    outputs: Floats, first: Floats, second: Floats, *, widths: Floats | None = None
) -> dict[str, Floats]:
    """Contrasts between two inputs: log-likelihood ratios up to a constant factor.

    `l1`, ||(y - x')/w||_1 - ||(y - x)/w||_1: Laplace noise, with widths w its scales in every coordinate.
    `l2`, the same in L2: K-norm noise. `projection`, <(y - (x + x')/2)/w, (x - x')/w>: normal noise. Each is
    divided by its value without noise, so that x gives 1 and x' gives -1 (1/2 for the projection): a factor
    changes no event, and the scale of the noise is not needed. All three are used for every kind of noise,
    because a law other than the claimed one shows in one of the others. Values are rounded to 2^-20, so that
    they compare laws and not the last bits of floats.

    Args:
        outputs: (N, n).
        first: (n,) input x.
        second: (n,) input x', which must differ from x.
        widths: (n,) relative size of the noise in each coordinate, positive; all equal by default.

    Returns:
        (N,) values by the name of the statistic; without `l2` for a single coordinate.

    Example:
        >>> found = contrasts(np.array([[0.0], [9.0]]), np.array([0.0]), np.array([2.0]))
        >>> found["l1"].tolist(), found["projection"].tolist()
        ([1.0, -1.0], [0.5, -4.0])
    """
    if widths is not None:
        outputs, first, second = outputs / widths, first / widths, second / widths
    to_first, to_second = outputs - first, outputs - second
    apart = first - second
    found = {
        "l1": (np.abs(to_second).sum(1) - np.abs(to_first).sum(1)) / np.abs(apart).sum(),
        "projection": (outputs - (first + second) / 2) @ apart / (apart @ apart),
    }
    if len(apart) > 1:  # equals l1 for one coordinate
        lengths = np.sqrt(np.square(to_second).sum(1)) - np.sqrt(np.square(to_first).sum(1))
        found["l2"] = lengths / np.sqrt(apart @ apart)
    return {name: coarse(values) for name, values in found.items()}


def coarse(values: Floats) -> Floats:
    """Round values to multiples of 2^-20; finer differences are left to `finest_bit`.

    Args:
        values: of any shape.
    """
    return np.round(values * RESOLUTION) / RESOLUTION


def finest_bit(values: Floats) -> Floats:
    """Exponent of the lowest set bit of each float: the largest e for which the value is a multiple of 2^e.

    Noise added to a large input loses its fine bits and noise added to 0 does not, so noise drawn and added
    in floating point reveals its input by the grid of the output (Mironov 2012). Zeros are multiples of every
    power of two and give 2000.

    Args:
        values: finite, of any shape.

    Example:
        >>> finest_bit(np.array([1.0, 0.375, 3 * 2.0**-1074, 0.0])).tolist()
        [0.0, -3.0, -1074.0, 2000.0]
    """
    mantissa, exponent = np.frexp(np.asarray(values, np.float64))
    whole = np.abs(mantissa * 2.0**53).astype(np.int64)
    lowest = np.log2(np.maximum(whole & -whole, 1).astype(np.float64))
    return np.where(whole == 0, 2000.0, exponent - 53 + lowest)


def table_ratio(outputs: np.ndarray, first: np.ndarray, second: np.ndarray, log_table: Floats) -> Floats:
    """Log-likelihood ratio of noise modulo L with a known table.

    The sum over coordinates of log p[(y - x) mod L] - log p[(y - x') mod L].

    Args:
        outputs: (N, n) integers.
        first: (n,) integers, input x.
        second: (n,) integers, input x' on the same grid.
        log_table: (L,) log-probability of every value of the noise; -inf for impossible values.

    Returns:
        (N,) ratios.

    Example:
        >>> ratio = table_ratio(np.array([[0], [1]]), np.array([0]), np.array([1]), np.log([0.5, 0.25, 0.25]))
        >>> ratio.round(3).tolist()
        [0.693, -0.693]
    """
    size = len(log_table)
    with np.errstate(invalid="ignore"):
        ratio = log_table[(outputs - first) % size] - log_table[(outputs - second) % size]
    return (
        np.nan_to_num(ratio, nan=0.0, posinf=1e300, neginf=-1e300)
        .clip(-1e300, 1e300)
        .sum(1)
        .clip(-1e305, 1e305)
    )
