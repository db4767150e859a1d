# SPDX-License-Identifier: Apache-2.0
"""What the baselines share: no networks, checks of whole numbers, noise with its guarantee, the certificate."""

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
    """What has no networks: pictures are computed on the CPU, exactly, and lie where they lay."""

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Self:
        """The method itself: it has no networks to move."""
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
    """Exact noise for a release where `rng` is None, simulated noise otherwise, with what it guarantees."""
    if rng is None:
        release = mechanisms.ExactRelease(mechanism)
        return release(values), release.guarantee(sensitivity, assumptions=assumptions).about(coverage)
    return mechanism(values, rng=rng), mechanism.guarantee(sensitivity, assumptions=assumptions).about(
        coverage
    )


def grid_step(mechanism: Gaussian | Laplace | L2Laplace, release: Release) -> float | None:
    """Of the grid that the noisy numbers lie on, in the unit of the noise; simulated noise has none."""
    return None if release.guarantee.basis == Basis.SIMULATION else mechanisms.ExactRelease(mechanism).step


def no_guarantee(name: str) -> Guarantee:
    reason = f"{name} has no noise: the same photo always gives the same picture"
    return Guarantee.none(CROP.words, reason=reason).about(CROP)


def crop_certificate(name: str, release: Release, **known: Any) -> Certificate:
    return Certificate(
        release=ReleaseKind.IMAGE,
        method=name,
        protection=name,
        guarantee=release.guarantee,
        images=len(release),
        **known,
    )


def check_whole(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a whole number from 1, got {value}")


def check_fits(name: str, value: float, size: int) -> None:
    if value > size:
        raise ValueError(
            f"{name} must be at most the crop's side, {size} pixels, got {value:g}; change it or size"
        )
