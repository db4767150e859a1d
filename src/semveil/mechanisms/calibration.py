# SPDX-License-Identifier: Apache-2.0
"""Calibration of the noise on dp-semcom's private block to a nominal epsilon: as published, and corrected."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from semveil.core.registry import Registry
from semveil.mechanisms.additive.laplace import Laplace
from semveil.mechanisms.base import calibrated_ratio, require_epsilon
from semveil.mechanisms.bounds.clip import ClipBox
from semveil.privacy.guarantee import Sensitivity


@dataclass(frozen=True)
class CalibratedNoise:
    """Noise scale with its nominal and its true epsilon.

    Attributes:
        name: `as_published` or `corrected`.
        nominal_epsilon: requested epsilon.
        scale: of the Laplace noise, in latent units.
        sensitivity: L1 sensitivity of the perturbed (private) coordinates.
        total_sensitivity: L1 sensitivity of all coordinates of the photo.
    """

    name: str
    nominal_epsilon: float
    scale: float
    sensitivity: Sensitivity
    total_sensitivity: Sensitivity

    @property
    def true_epsilon(self) -> float:
        """Epsilon of Laplace noise of this scale on the private block: Delta_1 / scale."""
        return self.sensitivity.value / self.scale

    @property
    def true_epsilon_if_all_perturbed(self) -> float:
        """Epsilon if all coordinates, not only the private ones, had noise of this scale."""
        return self.total_sensitivity.value / self.scale

    def mechanism(self) -> Laplace:
        """Return the Laplace mechanism of this scale."""
        return Laplace(self.scale)


def as_published(epsilon: float, box: ClipBox, *, perturbed: int, total: int) -> CalibratedNoise:
    """[DPSC] Eqs. 17 and 19: scale = (b - a) sqrt(n) / epsilon with n all coordinates of the photo.

    Independent Laplace noise needs the L1 sensitivity of the perturbed coordinates; this is the L2
    sensitivity of all, so the true epsilon is perturbed / sqrt(total) times the nominal one.

    Args:
        epsilon: nominal budget in nats.
        box: the public clip box; the paper's has the same bounds for all coordinates.
        perturbed: number of coordinates with noise, 7 x 512 by default in the paper.
        total: number of all coordinates, 28 x 512.

    Example:
        >>> paper = as_published(1.0, ClipBox(0.0, 2.939), perturbed=7 * 512, total=28 * 512)
        >>> round(paper.scale, 1), round(paper.true_epsilon, 2)
        (351.9, 29.93)
    """
    sensitivity, all_of_it = _sensitivities(epsilon, box, perturbed, total)
    width = all_of_it.value / total
    return CalibratedNoise(
        "as_published", epsilon, width * math.sqrt(total) / epsilon, sensitivity, all_of_it
    )


def corrected(epsilon: float, box: ClipBox, *, perturbed: int, total: int) -> CalibratedNoise:
    """Noise with a nominal epsilon that holds for the private block: scale = (b - a) n_p / epsilon.

    Args:
        epsilon: nominal budget in nats.
        box: public clip box with the same bounds a, b for all coordinates.
        perturbed: n_p, number of coordinates with noise.
        total: number of all coordinates.

    Example:
        >>> corrected(1.0, ClipBox(0.0, 2.939), perturbed=7 * 512, total=28 * 512).true_epsilon
        1.0
    """
    sensitivity, all_of_it = _sensitivities(epsilon, box, perturbed, total)
    scale = calibrated_ratio(sensitivity, epsilon)
    return CalibratedNoise("corrected", epsilon, scale, sensitivity, all_of_it)


CALIBRATIONS: Registry[Callable[..., CalibratedNoise]] = Registry("calibration")
CALIBRATIONS.add("as_published", as_published)
CALIBRATIONS.add("corrected", corrected)


def _sensitivities(
    epsilon: float, box: ClipBox, perturbed: int, total: int
) -> tuple[Sensitivity, Sensitivity]:
    require_epsilon(epsilon)
    if not isinstance(box.lower, float):
        raise ValueError(
            "the paper's calibration takes one pair of bounds for all coordinates; use per-coordinate noise "
            "here"
        )
    if not 1 <= perturbed <= total:
        raise ValueError(f"the perturbed coordinates must number 1 to all {total}, got {perturbed}")
    return box.l1_sensitivity(perturbed), box.l1_sensitivity(total)
