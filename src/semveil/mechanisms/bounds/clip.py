# SPDX-License-Identifier: Apache-2.0
"""Clipping to a public box, which bounds the distance between two records."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semveil.mechanisms.additive.per_coordinate import CoordinateSensitivity
from semveil.mechanisms.bounds.quantiles import streamed_quantiles
from semveil.privacy.guarantee import Norm, Sensitivity


@dataclass(frozen=True, eq=False)
class ClipBox:
    """Coordinate-wise bounds [lower, upper] that records are clipped to before noise.

    Bounds must be public: fixed, or computed from data that is not protected ([DPSC] Section 3.2.4 clips to
    the 0.5 % and 99.5 % quantiles of all latent codes of the training set).

    Args:
        lower, upper: floats for all coordinates, or tensors in the shape of one record; finite, lower <=
            upper (lower < upper for floats).
        source: origin of the bounds, in words.

    Raises:
        ValueError: bounds not finite, in the wrong order, or of different shapes.

    Example:
        >>> box = ClipBox(-1.0, 2.0)
        >>> box.clip(torch.tensor([[-5.0, 0.5, 9.0]]))
        tensor([[-1.0000,  0.5000,  2.0000]])
        >>> box.l1_sensitivity(3).value, box.l2_sensitivity(4).value
        (9.0, 6.0)
    """

    lower: float | Tensor
    upper: float | Tensor
    source: str = "fixed bounds"

    def __post_init__(self) -> None:
        lower, upper = (
            torch.as_tensor(b, dtype=torch.float64).detach().cpu() for b in (self.lower, self.upper)
        )
        if lower.shape != upper.shape:
            raise ValueError(
                f"the bounds have different shapes, {tuple(lower.shape)} and {tuple(upper.shape)}"
            )
        if not bool((torch.isfinite(lower) & torch.isfinite(upper) & (lower <= upper)).all()) or (
            lower.ndim == 0 and bool(lower == upper)
        ):
            raise ValueError(
                f"clip bounds must be finite with lower below upper, got {self.lower} and {self.upper}"
            )
        for name, bound in (("lower", lower), ("upper", upper)):
            object.__setattr__(self, name, float(bound) if bound.ndim == 0 else bound)

    @classmethod
    def from_quantiles(
        cls, latents: Tensor | NDArray[Any], *, low: float = 0.005, high: float = 0.995
    ) -> "ClipBox":
        """One box for all coordinates, from quantiles over all entries of public latents.

        Args:
            latents: (N, ...) public records, of any size; processed in parts.
            low: quantile of the lower bound, in [0, 1).
            high: quantile of the upper bound, in (low, 1].

        Raises:
            ValueError: not 0 <= low < high <= 1, an entry is NaN or infinite, or the two quantiles coincide.
        """
        if not 0 <= low < high <= 1:
            raise ValueError(f"quantiles must satisfy 0 <= low < high <= 1, got {low} and {high}")
        lower, upper = streamed_quantiles(latents, [low, high])
        return cls(
            lower,
            upper,
            source=f"{100 * low:g} % and {100 * high:g} % quantiles of {len(latents)} public records",
        )

    def clip(self, x: Tensor) -> Tensor:
        """Clipped copy of records, with the bounds rounded inwards to the dtype of x.

        No entry is outside the box.

        Args:
            x: (B, ...) floating-point.

        Raises:
            ValueError: not floating-point, an entry is NaN or infinite, or the records have another shape
                than the bounds.
        """
        if not x.is_floating_point():
            raise ValueError(f"records must be floating-point, got {x.dtype}; convert them first")
        bad = ~torch.isfinite(x)
        if bad.any():
            raise ValueError(
                f"cannot clip {int(bad.sum())} NaN or infinite entries of {x.numel()}; they mean that an "
                "earlier step failed"
            )
        if isinstance(self.lower, Tensor) and x.shape[1:] != self.lower.shape:
            raise ValueError(
                f"records have shape {tuple(x.shape[1:])}, the clip bounds {tuple(self.lower.shape)}"
            )
        return x.clamp(_rounded(self.lower, x, towards=np.inf), _rounded(self.upper, x, towards=-np.inf))

    def coordinate_sensitivity(self, shape: int | tuple[int, ...] | None = None) -> CoordinateSensitivity:
        """Width of the box per coordinate, rounded up.

        Args:
            shape: of a record; the shape of the bounds where None.

        Raises:
            ValueError: the bounds are floats and `shape` is None, or they have another number of coordinates.
        """
        width = _difference_above(
            *(torch.as_tensor(bound, dtype=torch.float64) for bound in (self.upper, self.lower))
        )
        if width.ndim == 0 and shape is None:
            raise ValueError("these bounds hold for any number of coordinates; say how many the record has")
        shape = width.shape if shape is None else shape
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if width.ndim and width.numel() != int(np.prod(shape)):
            raise ValueError(f"the clip bounds have {width.numel()} coordinates, asked for {shape}")
        width = width.expand(shape) if width.ndim == 0 else width.reshape(shape)
        return CoordinateSensitivity(width, source=f"width of the clip box ({self.source})")

    def l1_sensitivity(self, n: int | None = None) -> Sensitivity:
        """Largest L1 distance between two clipped records: sum of the widths, (b - a) n.

        Args:
            n: number of coordinates; that of the bounds where None.

        Raises:
            ValueError: as for `coordinate_sensitivity`.
        """
        return self.coordinate_sensitivity(n).l1()

    def l2_sensitivity(self, n: int | None = None) -> Sensitivity:
        """Largest L2 distance between two clipped records, (b - a) sqrt(n) ([DPSC] Eq. 19).

        Args:
            n: number of coordinates; that of the bounds where None.

        Raises:
            ValueError: as for `coordinate_sensitivity`.
        """
        return self.coordinate_sensitivity(n).l2()

    def sensitivity(
        self, norm: Norm | None, shape: int | tuple[int, ...] | None = None
    ) -> Sensitivity | CoordinateSensitivity:
        """Sensitivity for a mechanism: in its `norm`, or per coordinate for a mechanism without one.

        Args:
            norm: `Mechanism.norm`.
            shape: of a record; the shape of the bounds where None.

        Example:
            >>> ClipBox(-1.0, 2.0).sensitivity(Norm.L2, (2, 2)).value
            6.0
        """
        widths = self.coordinate_sensitivity(shape)
        return widths if norm is None else widths.l1() if norm == Norm.L1 else widths.l2()


def _difference_above(a: Tensor, b: Tensor) -> Tensor:
    """a - b, rounded up: the next float if rounding decreased it (exact error by Knuth's two-sum)."""
    near = a - b
    minus_b = near - a
    error = (a - (near - minus_b)) - (b + minus_b)
    return torch.where(error > 0, torch.nextafter(near, torch.full_like(near, torch.inf)), near)


def _rounded(bound: float | Tensor, x: Tensor, *, towards: float) -> Tensor:
    """Bound in the dtype of x, moved to the next float `towards` the inside if rounding moved it outside."""
    exact = torch.as_tensor(bound, dtype=torch.float64)
    near = exact.to(x.dtype)
    outside = near.double() < exact if towards > 0 else near.double() > exact
    return torch.where(outside, torch.nextafter(near, torch.full_like(near, towards)), near).to(x.device)
