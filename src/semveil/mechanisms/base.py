# SPDX-License-Identifier: Apache-2.0
"""Interface of mechanisms, checks of records and sensitivities, exponential and normal samples."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from semveil.core.rounding import loss_above
from semveil.privacy.guarantee import Basis, Guarantee, MetricForm, Norm, Sensitivity, weakest


class Mechanism(Protocol):
    """Noise law with its privacy map.

    Once registered in `MECHANISMS`, it is available by name in methods and commands.

    Attributes:
        name: name in methods and commands.
        norm: norm of the sensitivity it takes; None if it takes one per coordinate (`CoordinateSensitivity`).
    """

    name: ClassVar[str]
    norm: ClassVar[Norm | None]

    def __call__(self, x: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Return a noisy copy of x, in its dtype and on its device.

        Args:
            x: (B, ...) floating-point, one person's record per row; never changed in place.
            rng: source of the noise; torch's global generator where None.
        """
        ...

    def guarantee(
        self,
        sensitivity: Any,
        *,
        covers: str = ...,
        not_covered: Sequence[str] = ...,
        assumptions: Sequence[str] = ...,
    ) -> Guarantee:
        """Guarantee for noise sampled in floating point, on basis `simulation` at best.

        Args:
            sensitivity: largest distance between two records, in the norm of the mechanism.
            covers: the protected part of the record, in words.
            not_covered: parts of the record that the release shows unprotected, in words.
            assumptions: further conditions of the claim.
        """
        ...

    def coordinate_std(self, dimension: int) -> float | Tensor:
        """Standard deviation of the noise per coordinate, in the units of x.

        Args:
            dimension: number of coordinates of a record.
        """
        ...

    @classmethod
    def calibrate(cls, sensitivity: Any, epsilon: float) -> Self:
        """Return the mechanism with the smallest noise that guarantees epsilon for a sensitivity.

        Args:
            sensitivity: a `Sensitivity` in the mechanism's norm, or a `CoordinateSensitivity`.
            epsilon: budget in nats. A mechanism with a delta takes it as a further argument `delta`.
        """
        ...

    @classmethod
    def example(cls) -> tuple[Self, Any]:
        """Return a small instance and a matching sensitivity, for lists and tests over all mechanisms."""
        ...


@runtime_checkable
class ExactMechanism(Protocol):
    """Mechanism with an exact sampler on a grid, so that `ExactRelease` gives a proved guarantee."""

    @property
    def smallest_scale(self) -> float:
        """Smallest positive scale of its noise, in the units of x; it determines the grid."""
        ...

    def sample_on_grid(self, x: Tensor, step: float) -> list[int]:
        """Grid indices with the law of round((x + N) / step), N being ideal noise.

        `mechanisms.exact.sampler` has samplers of such laws with bits from the operating system.

        Args:
            x: (B, ...) float64.
            step: spacing of the grid, a power of two.

        Returns:
            One integer per number of x, in row-major order.
        """
        ...

    def epsilon_above(self, sensitivity: Any) -> float:
        """Upper bound on the epsilon of the guarantee, with every rounding upwards.

        Args:
            sensitivity: as for `calibrate`.
        """
        ...


SMALLEST_EPSILON, LARGEST_EPSILON = 1e-15, 1e15  # range of budgets
EVERYTHING = "all values given to the mechanism"


def release_assumptions(*own: str) -> tuple[str, ...]:
    """Assumptions of every exact release, and those of the mechanism.

    Args:
        *own: assumptions of the mechanism.
    """
    return (
        "the bits from the operating system are independent and fair",
        "the balls of Arb contain the numbers they stand for",
        *own,
        "running time and memory are not observed",
    )


def simulated_guarantee(
    epsilon: float | None,
    *,
    covers: str,
    sensitivity_basis: Basis,
    delta: float = 0.0,
    not_covered: Sequence[str] = (),
    assumptions: Sequence[str] = (),
    metric: MetricForm | None = None,
    reason: str = "",
) -> Guarantee:
    """Guarantee of noise sampled in floating point, with the epsilon of the ideal law.

    The basis is `simulation`, or that of the sensitivity if it is weaker.

    Args:
        epsilon: of the ideal law, in nats; None where no finite epsilon holds.
        covers: the protected part of the record, in words.
        sensitivity_basis: basis of the sensitivity that epsilon was computed from.
        delta: of the ideal law, in [0, 1).
        not_covered: parts of the record that the release shows unprotected, in words.
        assumptions: further conditions of the claim.
        metric: the claim in metric form, if there is one.
        reason: why no finite epsilon holds, where epsilon is None.
    """
    law = ["the noise follows its law exactly, which floating-point samples do not"]
    if sensitivity_basis != Basis.PROVED:
        law.append(f"the sensitivity holds for the record (its own basis: {sensitivity_basis.value})")
    return Guarantee(
        epsilon,
        covers,
        weakest(Basis.SIMULATION, sensitivity_basis),
        delta=delta,
        not_covered=tuple(not_covered),
        assumptions=(*law, *assumptions),
        metric=metric,
        reason=reason,
    )


def require_norm(sensitivity: Sensitivity, norm: Norm, mechanism: str) -> None:
    """Check that a sensitivity is in the expected norm: an L2 value must not calibrate L1 noise.

    Args:
        sensitivity: to check.
        norm: required.
        mechanism: its name for the message.

    Raises:
        TypeError: it is not a `Sensitivity`.
        ValueError: it is in the other norm.
    """
    if not isinstance(sensitivity, Sensitivity):
        raise TypeError(f"{mechanism} takes a Sensitivity, got {type(sensitivity).__name__}")
    if sensitivity.norm != norm:
        raise ValueError(
            f"{mechanism} needs an {norm.value} sensitivity, got {sensitivity.norm.value} "
            f"({sensitivity.source}); convert it explicitly with .to({norm.value!r})"
        )


def require_positive(name: str, value: float) -> None:
    """Check that a scale or budget is positive and finite.

    Args:
        name: of the quantity, for the message.
        value: to check.

    Raises:
        TypeError: it is no number of Python or numpy.
        ValueError: it is not positive, infinite, or NaN.
    """
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive, finite number, got {value}")


def require_epsilon(epsilon: float) -> None:
    """Check that mechanisms can be calibrated to a budget in floating point.

    Args:
        epsilon: in nats.

    Raises:
        ValueError: it is not positive and finite, or is outside [`SMALLEST_EPSILON`, `LARGEST_EPSILON`].
    """
    require_positive("epsilon", epsilon)
    if not SMALLEST_EPSILON <= epsilon <= LARGEST_EPSILON:
        raise ValueError(
            f"epsilon must lie between {SMALLEST_EPSILON:g} and {LARGEST_EPSILON:g}, beyond which it hides "
            f"all or nothing; got {epsilon:g}"
        )


def calibrated_ratio(sensitivity: Sensitivity, epsilon: float) -> float:
    """Scale sensitivity / epsilon of an epsilon-mechanism, rounded up until epsilon provably holds.

    Args:
        sensitivity: of non-zero value.
        epsilon: budget in nats.

    Raises:
        ValueError: epsilon is out of range (`require_epsilon`), or the sensitivity is 0.
    """
    require_epsilon(epsilon)
    if sensitivity.value == 0:
        raise ValueError(
            f"a sensitivity of 0 ({sensitivity.source}) leaves nothing to protect; no noise can be "
            "calibrated to it"
        )
    ratio = sensitivity.value / epsilon
    while loss_above([sensitivity.value], [ratio]) > epsilon:  # rounding may make it too small
        ratio = math.nextafter(ratio, math.inf)
    return ratio


def check_records(x: Tensor) -> None:
    """Check that x is a floating-point batch (B, ...) of finite numbers.

    Args:
        x: records.

    Raises:
        ValueError: the dtype is not floating-point, there is no batch axis, or an entry is NaN or infinite.
    """
    if not x.is_floating_point() or x.ndim < 2:
        raise ValueError(
            f"records must be a floating-point batch (B, ...), got {x.dtype} of shape {tuple(x.shape)}; add "
            "a batch axis"
        )
    if not torch.isfinite(x).all():
        raise ValueError("records hold NaN or infinite values; clip and check them before adding noise")


def draw_exponential(shape: Sequence[int], rng: torch.Generator | None) -> Tensor:
    """Standard exponential samples in float64, as -ln(1 - u) with u in [0, 1), which is never infinite.

    Args:
        shape: of the result.
        rng: source of the samples, which are on its device; torch's global CPU generator where None.
    """
    return -torch.log1p(-torch.rand(*shape, generator=rng, dtype=torch.float64, device=_device(rng)))


def draw_normal(shape: Sequence[int], rng: torch.Generator | None) -> Tensor:
    """Standard normal samples in float64.

    Args:
        shape: of the result.
        rng: source of the samples, which are on its device; torch's global CPU generator where None.
    """
    return torch.randn(*shape, generator=rng, dtype=torch.float64, device=_device(rng))


def add_noise(x: Tensor, noise: Tensor) -> Tensor:
    """x + noise, computed in the wider dtype and rounded once to that of x.

    Args:
        x: records.
        noise: broadcastable with x; moved to its device.
    """
    noise = noise.to(x.device)
    return (x + noise).to(x.dtype)


def _device(rng: torch.Generator | None) -> torch.device:
    return rng.device if rng is not None else torch.device("cpu")
