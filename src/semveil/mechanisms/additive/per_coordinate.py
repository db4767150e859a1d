# SPDX-License-Identifier: Apache-2.0
"""Laplace noise with a separate scale in every coordinate, for boxes with unequal sides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.core.rounding import loss_above, norm_above, sum_above
from semveil.mechanisms.additive.laplace import draw_laplace
from semveil.mechanisms.base import EVERYTHING, add_noise, check_records, require_epsilon, simulated_guarantee
from semveil.mechanisms.exact.sampler import round_laplace
from semveil.privacy.guarantee import Basis, Guarantee, MetricForm, Norm, Sensitivity

_NUDGE = 2.0**-50


@dataclass(frozen=True, eq=False)
class CoordinateSensitivity:
    """Sensitivity per coordinate: S_j = max |f_j(x) - f_j(x')| over any two records x, x'.

    Args:
        values: (...) finite, not negative; the shape of one record.
        source: origin of the values, in words.
        basis: of the values.

    Example:
        >>> CoordinateSensitivity(torch.tensor([3.0, 4.0]), source="an example").l2().value
        5.0
    """

    values: Tensor
    source: str
    basis: Basis = Basis.PROVED

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", self.values.detach().to("cpu", torch.float64))
        if self.values.numel() == 0 or not bool((torch.isfinite(self.values) & (self.values >= 0)).all()):
            raise ValueError(
                "coordinate sensitivities must be finite and >= 0, at least one; clip the values first"
            )

    def l1(self) -> Sensitivity:
        """Sum over the coordinates, rounded up."""
        return Sensitivity(
            sum_above(self.values.flatten().tolist()), Norm.L1, self.values.numel(), self.source, self.basis
        )

    def l2(self) -> Sensitivity:
        """Euclidean norm over the coordinates, rounded up."""
        return Sensitivity(
            norm_above(self.values.flatten().tolist()), Norm.L2, self.values.numel(), self.source, self.basis
        )


@dataclass(frozen=True, eq=False)
class PerCoordinateLaplace:
    """Laplace mechanism with independent noise of scale b_j in coordinate j.

    epsilon = sum_j S_j / b_j ([LDP] Alg. 2 with b_j = S_j / (w_j epsilon); the printed S_j w_j / epsilon is
    inverted).

    Args:
        scales: (...) the shape of one record, finite and not negative; 0 where a coordinate is constant and
            needs no noise.

    Example:
        >>> box = CoordinateSensitivity(torch.tensor([1.0, 3.0, 0.0]), source="an example")
        >>> PerCoordinateLaplace.calibrate(box, epsilon=2.0).scales.tolist()
        [1.0, 3.0, 0.0]
    """

    scales: Tensor
    name: ClassVar[str] = "per-coordinate-laplace"
    norm: ClassVar[Norm | None] = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scales", self.scales.detach().to("cpu", torch.float64))
        if self.scales.numel() == 0 or not bool((torch.isfinite(self.scales) & (self.scales >= 0)).all()):
            raise ValueError("the scales of Laplace noise must be finite and >= 0, at least one")

    def __call__(self, x: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Noisy copy of x (B, ...) with records in the shape of `scales`."""
        check_records(x)
        self._check_shape(x)
        noise = draw_laplace(x.shape, rng)
        return add_noise(x, noise * self.scales.to(noise.device))

    def guarantee(
        self,
        sensitivity: CoordinateSensitivity,
        *,
        covers: str = EVERYTHING,
        not_covered: Sequence[str] = (),
        assumptions: Sequence[str] = (),
    ) -> Guarantee:
        """epsilon = sum of S_j / b_j; no finite epsilon holds if a coordinate with S_j > 0 has b_j = 0.

        Args:
            sensitivity: S_j, in the shape of `scales`.
            covers: the protected part of the record, in words.
            not_covered: parts of the record that the release shows unprotected, in words.
            assumptions: further conditions of the claim.

        Raises:
            TypeError: the sensitivity is not a `CoordinateSensitivity`.
            ValueError: sensitivity and scales have different shapes.
        """
        _require_coordinates(sensitivity)
        if sensitivity.values.shape != self.scales.shape:
            raise ValueError(
                f"the sensitivity has shape {tuple(sensitivity.values.shape)}, the scales "
                f"{tuple(self.scales.shape)}"
            )
        varying = sensitivity.values > 0
        bare = int((varying & (self.scales == 0)).sum())
        smallest = float(self.scales.min())
        return simulated_guarantee(
            None if bare else float((sensitivity.values[varying] / self.scales[varying]).sum()),
            covers=covers,
            sensitivity_basis=sensitivity.basis,
            not_covered=not_covered,
            assumptions=assumptions,
            metric=MetricForm(1 / smallest, Norm.L1) if smallest > 0 else None,
            reason=f"{bare} coordinates vary and get no noise" if bare else "",
        )

    @property
    def smallest_scale(self) -> float:
        """Smallest positive scale.

        Raises:
            ValueError: all are 0.
        """
        noisy = self.scales[self.scales > 0]
        if not len(noisy):
            raise ValueError(
                "all scales of the Laplace noise are 0; a release needs noise in one coordinate at least"
            )
        return float(noisy.min())

    def sample_on_grid(self, x: Tensor, step: float) -> list[int]:
        """Exact samples of round((x + N) / step), see `round_laplace`.

        Args:
            x: (B, ...) float64, with records in the shape of `scales`.
            step: spacing of the grid, a power of two.

        Raises:
            ValueError: records have another shape.
        """
        self._check_shape(x)
        return round_laplace(x.flatten().tolist(), self.scales.flatten().tolist() * len(x), step)

    def epsilon_above(self, sensitivity: CoordinateSensitivity) -> float:
        """Sum of S_j / b_j, rounded up.

        Args:
            sensitivity: S_j, in the shape of `scales`.
        """
        return loss_above(sensitivity.values.flatten().tolist(), self.scales.flatten().tolist())

    def _check_shape(self, x: Tensor) -> None:
        if x.shape[1:] != self.scales.shape:
            raise ValueError(
                f"records have shape {tuple(x.shape[1:])}, the scales {tuple(self.scales.shape)}"
            )

    def coordinate_std(self, dimension: int) -> Tensor:
        """Standard deviation per coordinate, sqrt(2) b_j, in the shape of a record.

        Args:
            dimension: not used.
        """
        return self.scales * 2**0.5

    @classmethod
    def calibrate(
        cls, sensitivity: CoordinateSensitivity, epsilon: float, *, weights: Tensor | None = None
    ) -> "PerCoordinateLaplace":
        """Return the mechanism of scales S_j / (w_j epsilon); its guarantee for this sensitivity is epsilon.

        Args:
            sensitivity: S_j, at least one of them > 0.
            epsilon: budget in nats.
            weights: w_j, share of epsilon that each coordinate may spend, any positive numbers where S_j > 0
                (they are normalised to sum to 1; coordinates with S_j = 0 spend nothing); equal shares by
                default.

        Raises:
            TypeError: the sensitivity is not a `CoordinateSensitivity`.
            ValueError: epsilon is out of range (`require_epsilon`), the weights have another shape than the
                sensitivity, no coordinate varies, or one that varies has no positive, finite weight.
        """
        _require_coordinates(sensitivity)
        require_epsilon(epsilon)
        widths = sensitivity.values
        varying = widths > 0
        shares = torch.ones_like(widths) if weights is None else weights.detach().to("cpu", torch.float64)
        if shares.shape != widths.shape:
            raise ValueError(
                f"the weights have shape {tuple(shares.shape)}, the sensitivity {tuple(widths.shape)}"
            )
        shares = torch.where(varying, shares, 0.0)
        if (
            not varying.any()
            or not bool((torch.isfinite(shares) & (shares >= 0)).all())
            or bool((shares[varying] == 0).any())
        ):
            raise ValueError(
                "every coordinate that varies needs a positive, finite weight, and at least one must vary"
            )
        shares = shares / shares.sum()
        scales = torch.where(
            varying, widths / (shares.where(varying, torch.ones_like(shares)) * epsilon), 0.0
        )
        while loss_above(widths.flatten().tolist(), scales.flatten().tolist()) > epsilon:  # rounding
            scales = scales * (1 + _NUDGE)
        return cls(scales)

    @classmethod
    def example(cls) -> "tuple[PerCoordinateLaplace, CoordinateSensitivity]":
        """Return a small instance and a matching sensitivity."""
        return (
            cls(torch.tensor([2.0, 1.0, 0.5])),
            CoordinateSensitivity(torch.tensor([4.0, 1.0, 1.0]), source="an example"),
        )


def _require_coordinates(sensitivity: CoordinateSensitivity) -> None:
    if not isinstance(sensitivity, CoordinateSensitivity):
        raise TypeError(
            f"per-coordinate noise takes a CoordinateSensitivity, got {type(sensitivity).__name__}; "
            "ClipBox.coordinate_sensitivity gives one"
        )
