# SPDX-License-Identifier: Apache-2.0
"""Laws of the cosine between a fixed and a random unit vector, in closed form, stable in high dimensions."""

import math

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# nodes of a trapezoidal sum, which converges geometrically for these smooth, fast-decaying integrands
NODES = 2001


def log_cap(threshold: float, dimension: int) -> float:
    """ln P[T >= threshold] for the cosine T between a fixed vector and a uniform one.

    P[T >= t] = I_{1 - t^2}((d - 1) / 2, 1 / 2) / 2.

    Args:
        threshold: in [0, 1).
        dimension: d >= 2.

    Example:
        >>> math.exp(log_cap(0.5, 3))  # Archimedes
        0.25
    """
    outside = (1 - threshold) * (1 + threshold)
    power = (dimension - 1) / 2
    band = float(scipy.special.betainc(0.5, power, threshold**2))  # P[|T| < threshold]
    if band < 0.5:
        return math.log1p(-band) - math.log(2)
    whole = float(scipy.special.betainc(power, 0.5, outside))
    if whole > 1e-200:
        return math.log(whole / 2)
    # I_x(a, b) = x^a (1 - x)^b / (a B(a, b)) F(a + b, 1; a + 1; x), all terms positive
    series = float(scipy.special.hyp2f1(power + 0.5, 1.0, power + 1, outside))
    front = (
        power * math.log(outside)
        + math.log(threshold)
        - math.log(power)
        - float(scipy.special.betaln(power, 0.5))
    )
    return front + math.log(series / 2)


def log_cap_moment(threshold: float, dimension: int) -> float:
    """ln E[T; T >= t] for the cosine T between a fixed vector and a uniform one.

    E[T; T >= t] = Gamma(d/2) / (sqrt(pi) Gamma((d-1)/2)) (1 - t^2)^((d-1)/2) / (d - 1).

    Args:
        threshold: t, in (-1, 1).
        dimension: d >= 2.
    """
    half = dimension / 2
    constant = scipy.special.gammaln(half) - scipy.special.gammaln(half - 0.5) - math.log(math.pi) / 2
    power = (dimension - 1) / 2
    return float(constant + power * math.log((1 - threshold) * (1 + threshold)) - math.log(dimension - 1))


def exponential_moment(rate: float, dimension: int) -> tuple[float, float]:
    """ln E[exp(k T)] and its derivative in k, the mean cosine of the von Mises-Fisher law.

    The mean cosine is I_{d/2}(k) / I_{d/2-1}(k). E[exp(k T)] = Gamma(d/2) (2/k)^(d/2-1) I_{d/2-1}(k) = sum_j
    (k^2/4)^j Gamma(d/2) / (j! Gamma(d/2 + j)), T being the cosine to a uniform vector. The terms are
    positive, so that summing their logarithms is stable where the Bessel function overflows.

    Args:
        rate: k > 0.
        dimension: d.

    Example:
        >>> log_mean, cosine = exponential_moment(2.0, 3)  # sinh(k) / k, coth(k) - 1/k
        >>> abs(log_mean - math.log(math.sinh(2) / 2)) < 1e-14, abs(cosine - 1 / math.tanh(2) + 0.5) < 1e-14
        (True, True)
    """
    j = np.arange(math.ceil(rate + 12 * math.sqrt(rate) + 40))
    half = dimension / 2
    terms = (
        2 * j * math.log(rate / 2)
        - scipy.special.gammaln(j + 1)
        - (scipy.special.gammaln(half + j) - scipy.special.gammaln(half))
    )
    total = scipy.special.logsumexp(terms)
    return float(total), float(2 / rate * (j @ np.exp(terms - total)))


def gamma_nodes(shape: float) -> tuple[Floats, Floats]:
    """Quadrature nodes and weights for expectations over Gamma(shape, 1).

    Trapezoidal rule in the logarithm.

    Args:
        shape: > 0.

    Example:
        >>> nodes, weights = gamma_nodes(256.0)
        >>> bool(abs(weights @ (1 / nodes) * 255 - 1) < 1e-12)
        True
    """
    centre, width = math.log(shape), 1 / math.sqrt(shape)
    logs = np.linspace(centre - 45 * width, centre + 12 * width, NODES)
    return _pruned(np.exp(logs), scipy.special.softmax(shape * logs - np.exp(logs)))


def cosine_nodes(dimension: int) -> tuple[Floats, Floats]:
    """Quadrature nodes and weights for expectations over the cosine to a uniform vector.

    Trapezoidal rule in the angle.

    Args:
        dimension: of the vectors.

    Example:
        >>> nodes, weights = cosine_nodes(8)
        >>> bool(abs(weights @ nodes**2 * 8 - 1) < 1e-12)
        True
    """
    angles = np.linspace(0, math.pi, NODES + 1)[1:-1]
    reach = np.sin(angles)
    return _pruned(np.cos(angles), scipy.special.softmax((dimension - 2) * np.log(reach)))


def _pruned(nodes: Floats, weights: Floats) -> tuple[Floats, Floats]:
    kept = weights > 1e-25
    return nodes[kept], weights[kept]
