# SPDX-License-Identifier: Apache-2.0
"""Laplace fit of a residual with its quality, and the paper's noise calibration, which is no guarantee."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from semveil.mechanisms.base import require_norm
from semveil.privacy.guarantee import Basis, Guarantee, Norm, Sensitivity


@dataclass(frozen=True)
class LaplaceFit:
    """Maximum-likelihood fit of Lap(0, scale) to residuals, with measures of its quality.

    Attributes:
        scale: mean absolute residual, in the units of the residuals.
        location: fixed at 0, as in [DPSC] Section 3.2.3.
        median: of the residuals, near 0 if the location is right.
        count: number of residuals.
        ks_distance: largest distance between the empirical and the fitted distribution function; about
            1.36 / sqrt(count) is exceeded by chance once in twenty for independent residuals.
        excess_kurtosis: 3 for Laplace, 0 for Gaussian.
        log_likelihood_ratio: mean over residuals of ln Laplace density - ln Gaussian density (zero mean, own
            variance), in nats; positive favours Laplace (+0.072 if true), negative Gaussian (-0.048 if true).
    """

    scale: float
    location: float
    median: float
    count: int
    ks_distance: float
    excess_kurtosis: float
    log_likelihood_ratio: float


def fit_laplace(residuals: torch.Tensor) -> LaplaceFit:
    """Fit Lap(0, s) to all entries pooled, with s = mean |r|, the maximum-likelihood estimate.

    Args:
        residuals: of any shape.

    Raises:
        ValueError: fewer than two entries, an entry is not finite, or all are zero.

    Example:
        >>> fit_laplace(torch.tensor([-2.0, -1.0, 1.0, 2.0])).scale
        1.5
    """
    x = np.sort(residuals.detach().double().cpu().numpy().ravel())
    if x.size < 2 or not np.isfinite(x).all() or not x.any():
        raise ValueError(f"a Laplace fit needs at least two finite residuals, not all zero; got {x.size}")
    scale = float(np.abs(x).mean())
    variance = float(np.square(x).mean())
    centred = x - x.mean()
    tail = 0.5 * np.exp(-np.abs(x) / scale)
    fitted = np.where(x < 0, tail, 1 - tail)
    steps = np.arange(x.size + 1) / x.size
    return LaplaceFit(
        scale=scale,
        location=0.0,
        median=float(np.median(x)),
        count=x.size,
        ks_distance=float(max((steps[1:] - fitted).max(), (fitted - steps[:-1]).max())),
        excess_kurtosis=float((centred**4).mean() / max((centred**2).mean() ** 2, np.finfo(float).tiny) - 3),
        log_likelihood_ratio=-math.log(2 * scale) - 1 + 0.5 * math.log(2 * math.pi * math.e * variance),
    )


@dataclass(frozen=True)
class FittedNoise:
    """The paper's epsilon' of a trained protector: the epsilon of Laplace noise with the fitted scale.

    It is not a privacy guarantee: the residual is a fixed function of the photo, so two photos give two
    different point masses and no finite epsilon holds, however well the pooled residuals fit.

    Attributes:
        epsilon_prime: Delta_1 / s ([DPSC] Eq. 17; the paper's second form s / Delta is inverted).
        fit: fit of the residuals.
        sensitivity: Delta_1 of the private block.
        basis: always `fitted`.
    """

    epsilon_prime: float
    fit: LaplaceFit
    sensitivity: Sensitivity
    basis: Basis = Basis.FITTED

    def guarantee(self, covers: str, *, not_covered: tuple[str, ...] = ()) -> Guarantee:
        """Actual guarantee of the fitted protector: no finite epsilon, on basis `fitted`.

        Args:
            covers: the changed part of the record, in words.
            not_covered: unprotected parts of the record, in words.
        """
        return Guarantee(
            None,
            covers,
            Basis.FITTED,
            not_covered=not_covered,
            reason=(
                "the protector is a fixed function of the photo, and a noise law fitted to its outputs is "
                "no noise"
            ),
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary."""
        return {
            "epsilon_prime": self.epsilon_prime,
            "basis": self.basis.value,
            "guarantee": False,
            "fit": asdict(self.fit),
        }

    def summary(self) -> str:
        """Describe the fit in one plain sentence."""
        return (
            f"Noise calibration epsilon' {self.epsilon_prime:.4g} (basis: fitted, not a privacy guarantee): "
            f"the residuals look like Laplace noise of scale {self.fit.scale:.4g} up to a distance of "
            f"{self.fit.ks_distance:.3f}."
        )


def fitted_epsilon(residuals: torch.Tensor, sensitivity: Sensitivity) -> FittedNoise:
    """[DPSC] Eqs. 16 and 17, corrected: fit Lap(0, s) to the residuals and report epsilon' = Delta_1 / s.

    Args:
        residuals: protected minus original private codes, pooled over photos, latent units.
        sensitivity: L1, of the private block.

    Example:
        >>> block = Sensitivity(3.0, "l1", 4, source="an example")
        >>> fitted_epsilon(torch.tensor([-2.0, -1.0, 1.0, 2.0]), block).epsilon_prime
        2.0
    """
    require_norm(sensitivity, Norm.L1, "the fitted Laplace noise")
    fit = fit_laplace(residuals)
    return FittedNoise(sensitivity.value / fit.scale, fit, sensitivity)
