# SPDX-License-Identifier: Apache-2.0
"""Exact releases: noise from the operating system's entropy on a public grid, with a proved guarantee."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.core.rounding import loss_above
from semveil.mechanisms.base import EVERYTHING, ExactMechanism, Mechanism, check_records, release_assumptions
from semveil.privacy.guarantee import Basis, Guarantee, weakest

SMALLEST_STEP, LARGEST_STEP = 2.0**-100, 2.0**100
LARGEST_VALUE = 2.0**100  # leaves float32 room for the noise


class ExactRelease:
    """Mechanism with exactly sampled noise, for real releases instead of simulations.

    Y = step * round((X + N) / step), N of the mechanism's ideal law; Y has exactly this law, see
    `semveil.mechanisms.exact.sampler`. Rounding to a public grid is post-processing of the ideal X + N, so
    the guarantee of the ideal mechanism holds with basis `proved`. It takes no generator, because the noise
    of a reproducible release could be removed.

    Args:
        mechanism: an `ExactMechanism`, such as Laplace, L2Laplace, Gaussian or PerCoordinateLaplace; its
            scale must not depend on the record.
        step: spacing of the grid, a power of two in [2^-100, 2^100], in the units of x, independent of the
            record. By default 2^-17 to 2^-16 of the smallest scale, which is negligible compared with the
            noise.

    Raises:
        TypeError: the mechanism has no exact sampler.
        ValueError: the step is out of range or not a power of two, or the mechanism has no noise.

    Example:
        >>> from semveil.privacy.guarantee import Sensitivity
        >>> from semveil.mechanisms.additive.laplace import Laplace
        >>> sensitivity = Sensitivity(4.0, "l1", 2, source="an example")
        >>> release = ExactRelease(Laplace.calibrate(sensitivity, epsilon=2.0), step=0.25)
        >>> release(torch.zeros(3, 2)).remainder(0.25).abs().max().item()
        0.0
        >>> claim = release.guarantee(sensitivity)
        >>> claim.epsilon, claim.basis.value
        (2.0, 'proved')
    """

    def __init__(self, mechanism: Mechanism, *, step: float | None = None) -> None:
        if not isinstance(mechanism, ExactMechanism):
            needs = "smallest_scale, sample_on_grid and epsilon_above, as ExactMechanism has them"
            raise TypeError(f"no exact sampler for {type(mechanism).__name__}; a release needs {needs}")
        self.mechanism, self._exact = mechanism, mechanism
        self.step = _default_step(self._exact.smallest_scale) if step is None else float(step)
        if not SMALLEST_STEP <= self.step <= LARGEST_STEP or math.frexp(self.step)[0] != 0.5:
            raise ValueError(
                f"the step of the grid must be a power of two in [2^-100, 2^100], got {self.step}"
            )

    @property
    def name(self) -> str:
        """Name of the mechanism."""
        return self.mechanism.name

    def __repr__(self) -> str:
        return f"ExactRelease({self.mechanism!r}, step={self.step!r})"

    def __call__(self, x: Tensor) -> Tensor:
        """Noisy copy of x (B, ...), float32 or float64, on the grid.

        x must be clipped to the box of the sensitivity. A grid point that the dtype of x cannot represent is
        replaced by the nearest float, which is another grid point.

        Raises:
            ValueError: no batch, another dtype, NaN, infinite or huge entries.
        """
        check_records(x)
        if x.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"a release takes float32 or float64 records, got {x.dtype}; convert them first")
        if x.numel() and float(x.detach().abs().max()) > LARGEST_VALUE:
            raise ValueError(
                f"records must lie within {LARGEST_VALUE:.3g} of 0; clip them before adding noise"
            )
        integers = self._exact.sample_on_grid(x.detach().double(), self.step)
        y = torch.from_numpy(np.array(integers, dtype=np.float64) * self.step)
        return y.to(x.device, x.dtype).view(x.shape)

    def guarantee(
        self,
        sensitivity: Any,
        *,
        covers: str = EVERYTHING,
        not_covered: Sequence[str] = (),
        assumptions: Sequence[str] = (),
    ) -> Guarantee:
        """Guarantee of the ideal mechanism, epsilon rounded up, on basis `proved`.

        If the sensitivity has a weaker basis, that basis is used.

        Args:
            sensitivity: as for the mechanism (L1, L2 or one per coordinate).
            covers: the protected part of the record, in words.
            not_covered: parts of the record that the release shows unprotected, in words.
            assumptions: further conditions of the claim.
        """
        claim = self.mechanism.guarantee(sensitivity, covers=covers, not_covered=not_covered)
        rests_on = release_assumptions(
            f"the scale and the grid step, {self.step:g}, do not depend on the record",
            f"records are clipped to what the sensitivity bounds: {sensitivity.source}",
        )
        if sensitivity.basis != Basis.PROVED:
            rests_on += (f"the sensitivity holds for the record (its own basis: {sensitivity.basis.value})",)
        return replace(
            claim,
            epsilon=None if claim.epsilon is None else self._exact.epsilon_above(sensitivity),
            basis=weakest(Basis.PROVED, sensitivity.basis),
            assumptions=(*rests_on, *assumptions),
            metric=claim.metric
            and replace(claim.metric, rate=loss_above([1.0], [self._exact.smallest_scale])),
        )


def release_of(mechanism: Mechanism) -> ExactRelease | None:
    """Return the exact release of a mechanism; None if it has no exact sampler and can only be simulated.

    Args:
        mechanism: the noise law.
    """
    return ExactRelease(mechanism) if isinstance(mechanism, ExactMechanism) else None


def noisy(
    mechanism: Mechanism, release: ExactRelease | None, x: Tensor, *, rng: torch.Generator | None = None
) -> Tensor:
    """Add noise to records x (B, ...): from the exact release, or simulated if `rng` is given.

    Args:
        mechanism: the noise law.
        release: result of `release_of`.
        x: records, clipped to the box that the sensitivity refers to.
        rng: source of simulated noise.

    Raises:
        ValueError: `rng` is None and the law has no exact sampler; torch keeps 32 bits of a seed, which can
            be found by exhaustive search.
    """
    if rng is not None:
        return mechanism(x, rng=rng)
    if release is not None:
        return release(x)
    raise ValueError(
        f"mechanism {mechanism.name!r} has no exact sampler (see mechanisms.ExactMechanism), so its noise "
        "is fit for simulations alone; simulate it with a seed, or take another law"
    )


def _default_step(smallest_scale: float) -> float:
    return 2.0 ** (math.frexp(smallest_scale)[1] - 17)
