"""Mechanisms for real releases: noise from the operating system's entropy, exact on a public grid, with a proved guarantee."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.core.gaussian_curve import gaussian_epsilon_above
from semveil.core.privacy import Basis, Guarantee, weakest
from semveil.core.rounding import loss_above
from semveil.mechanisms.base import EVERYTHING, Mechanism, check_records, release_assumptions
from semveil.mechanisms.exact import round_gaussian, round_k_norm, round_laplace
from semveil.mechanisms.gaussian import Gaussian
from semveil.mechanisms.l2_laplace import L2Laplace
from semveil.mechanisms.laplace import Laplace
from semveil.mechanisms.per_coordinate import PerCoordinateLaplace

SMALLEST_STEP, LARGEST_STEP = 2.0**-100, 2.0**100
LARGEST_VALUE = 2.0**100  # leaves float32 room for the noise


class Release:
    """A mechanism whose noise is fit for a real release, not for simulation only.

    Y = step * round((X + N) / step), N of the mechanism's ideal law; Y has exactly this law, see `semveil.mechanisms.exact`.
    Rounding to a public grid is post-processing of the ideal X + N, so the guarantee of the ideal mechanism holds with basis
    `proved`. There is no stream of random numbers to pass in: a release that can be repeated can be undone.

    Args:
        mechanism: Laplace, L2Laplace, Gaussian or PerCoordinateLaplace; its scale must not depend on the record.
        step: of the grid, a power of two in [2^-100, 2^100], in the units of x and fixed without looking at the record. By
            default 2^-17 to 2^-16 of the smallest scale, which adds nothing to be seen to the noise.

    Raises:
        TypeError: a mechanism that has no exact sampler.
        ValueError: a step that is no power of two or out of range; a mechanism without noise.

    Example:
        >>> from semveil.core.privacy import Sensitivity
        >>> sensitivity = Sensitivity(4.0, "l1", 2, source="an example")
        >>> release = Release(Laplace.calibrate(sensitivity, epsilon=2.0), step=0.25)
        >>> release(torch.zeros(3, 2)).remainder(0.25).abs().max().item()
        0.0
        >>> claim = release.guarantee(sensitivity)
        >>> claim.epsilon, claim.basis.value
        (2.0, 'proved')
    """

    def __init__(self, mechanism: Mechanism, *, step: float | None = None) -> None:
        if type(mechanism) not in _LAWS:
            known = ", ".join(kind.__name__ for kind in _LAWS)
            raise TypeError(f"no exact sampler for {type(mechanism).__name__}; a release takes one of {known}")
        self.mechanism = mechanism
        self._law = _LAWS[type(mechanism)]
        self.step = _default_step(self._law.smallest_scale(mechanism)) if step is None else float(step)
        if not SMALLEST_STEP <= self.step <= LARGEST_STEP or math.frexp(self.step)[0] != 0.5:
            raise ValueError(f"the step of the grid must be a power of two in [2^-100, 2^100], got {self.step}")

    @property
    def name(self) -> str:
        """The mechanism's name."""
        return self.mechanism.name

    def __repr__(self) -> str:
        return f"Release({self.mechanism!r}, step={self.step!r})"

    def __call__(self, x: Tensor) -> Tensor:
        """Noisy copy of x (B, ...), float32 or float64, on the grid; clip x to the sensitivity's box before.

        Where the type of x cannot hold a grid point it gets the nearest float, which is another grid point.

        Raises:
            ValueError: no batch, another type, NaN, infinite or huge entries.
        """
        check_records(x)
        if x.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"a release takes float32 or float64 records, got {x.dtype}; convert them first")
        if x.numel() and float(x.detach().abs().max()) > LARGEST_VALUE:
            raise ValueError(f"records must lie within {LARGEST_VALUE:.3g} of 0; clip them before adding noise")
        integers = self._law.sample(self.mechanism, x.detach().double(), self.step)
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
        """The ideal mechanism's guarantee, epsilon rounded up, on basis `proved` or the sensitivity's own weaker one.

        Args:
            sensitivity: as the mechanism takes it (L1, L2 or one per coordinate).
            covers, not_covered, assumptions: as for `Guarantee`.
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
            epsilon=None if claim.epsilon is None else self._law.epsilon(self.mechanism, sensitivity),
            basis=weakest(Basis.PROVED, sensitivity.basis),
            assumptions=(*rests_on, *assumptions),
            metric=claim.metric and replace(claim.metric, rate=loss_above([1.0], [self._law.smallest_scale(self.mechanism)])),
        )


@dataclass(frozen=True)
class _Law:
    """How one kind of mechanism is sampled, its epsilon rounded up, and its smallest scale above 0."""

    sample: Callable[[Any, Tensor, float], list[int]]
    epsilon: Callable[[Any, Any], float]
    smallest_scale: Callable[[Any], float]


def _sample_laplace(mechanism: Laplace, x: Tensor, step: float) -> list[int]:
    return round_laplace(x.flatten().tolist(), [mechanism.scale] * x.numel(), step)


def _sample_per_coordinate(mechanism: PerCoordinateLaplace, x: Tensor, step: float) -> list[int]:
    if x.shape[1:] != mechanism.scales.shape:
        raise ValueError(f"records have shape {tuple(x.shape[1:])}, the scales {tuple(mechanism.scales.shape)}")
    return round_laplace(x.flatten().tolist(), mechanism.scales.flatten().tolist() * len(x), step)


def _sample_gaussian(mechanism: Gaussian, x: Tensor, step: float) -> list[int]:
    return round_gaussian(x.flatten().tolist(), mechanism.sigma, step)


def _sample_k_norm(mechanism: L2Laplace, x: Tensor, step: float) -> list[int]:
    return [k for record in x.flatten(1).tolist() for k in round_k_norm(record, mechanism.scale, step)]


def _smallest_noise(mechanism: PerCoordinateLaplace) -> float:
    noisy = mechanism.scales[mechanism.scales > 0]
    if not len(noisy):
        raise ValueError("all scales of the Laplace noise are 0; a release needs noise in one coordinate at least")
    return float(noisy.min())


def _default_step(smallest_scale: float) -> float:
    return 2.0 ** (math.frexp(smallest_scale)[1] - 17)


_LAWS: dict[type, _Law] = {
    Laplace: _Law(_sample_laplace, lambda m, s: loss_above([s.value], [m.scale]), lambda m: m.scale),
    L2Laplace: _Law(_sample_k_norm, lambda m, s: loss_above([s.value], [m.scale]), lambda m: m.scale),
    Gaussian: _Law(
        _sample_gaussian,
        lambda m, s: gaussian_epsilon_above(m.delta, m.sigma, s.value) if s.value else 0.0,
        lambda m: m.sigma,
    ),
    PerCoordinateLaplace: _Law(
        _sample_per_coordinate,
        lambda m, s: loss_above(s.values.flatten().tolist(), m.scales.flatten().tolist()),
        _smallest_noise,
    ),
}
