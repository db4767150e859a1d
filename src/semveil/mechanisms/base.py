# SPDX-License-Identifier: Apache-2.0
"""What all mechanisms share: the interface, the checks on records and sensitivities, exact exponential draws."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from semveil.core.privacy import Basis, Guarantee, MetricForm, Norm, Sensitivity, weakest
from semveil.core.rounding import loss_above


class Mechanism(Protocol):
    """A noise law with its privacy map; a class of this kind that is in `MECHANISMS` works in methods and commands by its name.

    Attributes:
        name: as users say it.
        norm: in which it takes a sensitivity; None where it takes one for each coordinate (`CoordinateSensitivity`).
    """

    name: ClassVar[str]
    norm: ClassVar[Norm | None]

    def __call__(self, x: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """A noisy copy of x, in its type and on its device.

        Args:
            x: (B, ...) floats, row b one person's record; never changed in place.
            rng: of the noise; torch's own stream where None.
        """
        ...

    def guarantee(
        self, sensitivity: Any, *, covers: str = ..., not_covered: Sequence[str] = ..., assumptions: Sequence[str] = ...
    ) -> Guarantee:
        """The privacy map: what holds for noise that is drawn in floats, on basis `simulation` at best.

        Args:
            sensitivity: how far two records can lie apart, in the norm of the law.
            covers: what is protected, in words.
            not_covered: what is given away besides, in words.
            assumptions: what the claim rests on besides.
        """
        ...

    def coordinate_std(self, dimension: int) -> float | Tensor:
        """Standard deviation of the noise in each of so many coordinates."""
        ...

    @classmethod
    def calibrate(cls, sensitivity: Any, epsilon: float) -> Self:
        """The least noise whose guarantee for this sensitivity is epsilon; a law with a delta takes it as `delta`."""
        ...

    @classmethod
    def example(cls) -> tuple[Self, Any]:
        """A small one and a sensitivity that fits it, for lists and tests over all mechanisms."""
        ...


@runtime_checkable
class ExactMechanism(Protocol):
    """A mechanism that can also be sampled exactly on a grid, so that `Release` draws it with a proved guarantee."""

    @property
    def smallest_scale(self) -> float:
        """The smallest scale above 0 of its noise, in the units of x; the grid follows from it."""
        ...

    def sample_on_grid(self, x: Tensor, step: float) -> list[int]:
        """k with law round((x + N) / step), N the ideal noise, for each number of x (B, ...) float64, in its order.

        `mechanisms.exact` samples such laws from the operating system's entropy.
        """
        ...

    def epsilon_above(self, sensitivity: Any) -> float:
        """The guarantee's epsilon, rounded up where floats round."""
        ...


SMALLEST_EPSILON, LARGEST_EPSILON = 1e-15, 1e15  # budgets
EVERYTHING = "all values given to the mechanism"


def release_assumptions(*own: str) -> tuple[str, ...]:
    """What every exact release rests on, with what the mechanism at hand adds."""
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
    """The guarantee of noise that plain torch samples: the law's epsilon on basis `simulation`, or a weaker basis."""
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
    """Refuse a sensitivity in the wrong norm: an L2 number must not calibrate L1 noise by accident."""
    if not isinstance(sensitivity, Sensitivity):
        raise TypeError(f"{mechanism} takes a Sensitivity, got {type(sensitivity).__name__}")
    if sensitivity.norm != norm:
        raise ValueError(
            f"{mechanism} needs an {norm.value} sensitivity, got {sensitivity.norm.value} "
            f"({sensitivity.source}); convert it explicitly with .to({norm.value!r})"
        )


def require_positive(name: str, value: float) -> None:
    """Refuse scales and budgets that are not positive, finite numbers."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive, finite number, got {value}")


def require_epsilon(epsilon: float) -> None:
    """Refuse budgets that no mechanism here can be calibrated to, or whose claim floats could not hold.

    Raises:
        ValueError: it is not finite, not positive, or beyond `SMALLEST_EPSILON` to `LARGEST_EPSILON`.
    """
    require_positive("epsilon", epsilon)
    if not SMALLEST_EPSILON <= epsilon <= LARGEST_EPSILON:
        raise ValueError(
            f"epsilon must lie between {SMALLEST_EPSILON:g} and {LARGEST_EPSILON:g}, beyond which it hides all or nothing; "
            f"got {epsilon:g}"
        )


def calibrated_ratio(sensitivity: Sensitivity, epsilon: float) -> float:
    """sensitivity / epsilon, the scale of an epsilon-mechanism, rounded so that epsilon holds for sure, after checks."""
    require_epsilon(epsilon)
    if sensitivity.value == 0:
        raise ValueError(
            f"a sensitivity of 0 ({sensitivity.source}) leaves nothing to protect; no noise can be calibrated to it"
        )
    ratio = sensitivity.value / epsilon
    while loss_above([sensitivity.value], [ratio]) > epsilon:  # rounded, it may lie below
        ratio = math.nextafter(ratio, math.inf)
    return ratio


def check_records(x: Tensor) -> None:
    """Refuse what is no batch (B, ...) of finite, floating-point records."""
    if not x.is_floating_point() or x.ndim < 2:
        raise ValueError(
            f"records must be a floating-point batch (B, ...), got {x.dtype} of shape {tuple(x.shape)}; add a batch axis"
        )
    if not torch.isfinite(x).all():
        raise ValueError("records hold NaN or infinite values; clip and check them before adding noise")


def draw_exponential(shape: Sequence[int], rng: torch.Generator | None) -> Tensor:
    """Standard exponential draws in float64, on the device of `rng`: -ln(1 - u) with u in [0, 1), so never infinite."""
    return -torch.log1p(-torch.rand(*shape, generator=rng, dtype=torch.float64, device=_device(rng)))


def draw_normal(shape: Sequence[int], rng: torch.Generator | None) -> Tensor:
    """Standard normal draws in float64, on the device of `rng`."""
    return torch.randn(*shape, generator=rng, dtype=torch.float64, device=_device(rng))


def add_noise(x: Tensor, noise: Tensor) -> Tensor:
    """x + noise, rounded once to the type of x."""
    noise = noise.to(x.device)
    return (x + noise).to(x.dtype)


def _device(rng: torch.Generator | None) -> torch.device:
    return rng.device if rng is not None else torch.device("cpu")
