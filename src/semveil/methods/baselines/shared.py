# SPDX-License-Identifier: Apache-2.0
"""Common parts of the baselines: checks of integers, noise with its guarantee, and the certificate."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from semveil import mechanisms
from semveil.mechanisms import Gaussian, L2Laplace, Laplace
from semveil.methods.baselines.levels import LEVELS
from semveil.methods.options import Option, Shown
from semveil.methods.release import Release
from semveil.privacy.certificate import Bounds, Certificate, ReleaseKind
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.guarantee import Basis, Guarantee, Sensitivity

LEVELS_BOUNDS = Bounds(0.0, 255.0, LEVELS.source)
FACE_FOUND = "that a face was found in the photo, and how many, is no secret"
CROP = Coverage.of(Part(Kind.CROP))
SIZE = Option("Side of the aligned crops in pixels.")


class WithoutNetworks(Shown):
    """Base class of methods without networks.

    Images are computed exactly, on the CPU, and returned on their own device.
    """

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Self:
        """Return the method itself, which has no networks to move.

        Args:
            device: ignored.
            dtype: ignored.
        """
        return self


def with_noise(
    mechanism: Gaussian | Laplace | L2Laplace,
    values: Tensor,
    sensitivity: Sensitivity,
    rng: torch.Generator | None,
    coverage: Coverage,
    *,
    assumptions: Sequence[str],
) -> tuple[Tensor, Guarantee]:
    """Noisy values, and their guarantee.

    Args:
        mechanism: the noise mechanism.
        values: values that get noise.
        sensitivity: sensitivity of the values.
        rng: source of simulated noise; exact noise from the operating system where None.
        coverage: parts of the record that the guarantee covers.
        assumptions: conditions of the claim, in words.
    """
    if rng is None:
        release = mechanisms.ExactRelease(mechanism)
        return release(values), release.guarantee(sensitivity, assumptions=assumptions).about(coverage)
    return mechanism(values, rng=rng), mechanism.guarantee(sensitivity, assumptions=assumptions).about(
        coverage
    )


def grid_step(mechanism: Gaussian | Laplace | L2Laplace, release: Release) -> float | None:
    """Grid step of exact noise, in the unit of the noise; None for simulated noise.

    Args:
        mechanism: the noise mechanism.
        release: the release.
    """
    return None if release.guarantee.basis == Basis.SIMULATION else mechanisms.ExactRelease(mechanism).step


def no_guarantee(name: str) -> Guarantee:
    """Guarantee of a baseline without noise: none.

    Args:
        name: name of the method.
    """
    reason = f"{name} has no noise: the same photo always gives the same picture"
    return Guarantee.none(CROP.words, reason=reason).about(CROP)


def crop_certificate(name: str, release: Release, **known: Any) -> Certificate:
    """Certificate of a release of protected crops.

    Args:
        name: name of the method.
        release: the release.
        known: further fields of the certificate.
    """
    return Certificate(
        release=ReleaseKind.IMAGE,
        method=name,
        protection=name,
        guarantee=release.guarantee,
        images=len(release),
        **known,
    )


def check_whole(name: str, value: int) -> None:
    """Check that an option is an integer of at least 1.

    Args:
        name: name of the option.
        value: its value.

    Raises:
        ValueError: it is not such an integer.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a whole number from 1, got {value}")


def check_fits(name: str, value: float, size: int) -> None:
    """Check that an option is at most the side of the crop.

    Args:
        name: name of the option.
        value: its value, in pixels.
        size: side of the crop in pixels.

    Raises:
        ValueError: it is larger.
    """
    if value > size:
        raise ValueError(
            f"{name} must be at most the crop's side, {size} pixels, got {value:g}; change it or size"
        )
