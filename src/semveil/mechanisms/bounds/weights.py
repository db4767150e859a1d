# SPDX-License-Identifier: Apache-2.0
"""Budget split of latent-dp between coordinates of different widths: weights w_j and the resulting noise.

[LDP]: Tao Li, Chris Clifton, "Differentially Private Imaging via Latent Space Manipulation", 2021. With
weights that sum to 1 and scales b_j = S_j / (w_j epsilon), coordinate j has privacy loss w_j epsilon, and all
together epsilon.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from semveil.core.registry import Registry
from semveil.mechanisms.additive.per_coordinate import CoordinateSensitivity, PerCoordinateLaplace
from semveil.mechanisms.base import require_epsilon

Weighting = Callable[[Tensor], Tensor]


def uniform(widths: Tensor) -> Tensor:
    """Equal weights for all coordinates that vary, as in the paper's experiments.

    Args:
        widths: S_j >= 0, of any shape.

    Returns:
        Unnormalised weights, float64.
    """
    return (widths > 0).double()


def proportional(widths: Tensor) -> Tensor:
    """w_j proportional to S_j: equal scales, the Laplace mechanism for the whole vector.

    Args:
        widths: S_j >= 0, of any shape.

    Returns:
        Unnormalised weights, float64.
    """
    return widths.double()


def least_variance(widths: Tensor) -> Tensor:
    """w_j proportional to S_j^(2/3), which minimises sum b_j^2, the total noise variance.

    Args:
        widths: S_j >= 0, of any shape.

    Returns:
        Unnormalised weights, float64.
    """
    return widths.double() ** (2 / 3)


def least_absolute_error(widths: Tensor) -> Tensor:
    """w_j proportional to S_j^(1/2), which minimises sum b_j, the total absolute error.

    Args:
        widths: S_j >= 0, of any shape.

    Returns:
        Unnormalised weights, float64.
    """
    return widths.double() ** 0.5


WEIGHTINGS: Registry[Weighting] = Registry("weighting")
WEIGHTINGS.add("uniform", uniform)
WEIGHTINGS.add("proportional", proportional)
WEIGHTINGS.add("least-variance", least_variance)
WEIGHTINGS.add("least-absolute-error", least_absolute_error)


def budget_shares(
    sensitivity: CoordinateSensitivity,
    weighting: str = "uniform",
    *,
    groups: Mapping[str, tuple[int, ...]] | None = None,
    budget: Mapping[str, float] | None = None,
) -> Tensor:
    """Share of the budget that each coordinate may spend, in the shape of the sensitivity.

    The shares sum to 1.

    Args:
        sensitivity: S_j >= 0; coordinates with S_j = 0 are constant and have no share.
        weighting: name in `WEIGHTINGS`; with groups it splits each group's share inside the group.
        groups: rows of the sensitivity by name; disjoint, and together all rows.
        budget: epsilon of every group; the total is their sum.

    Raises:
        ValueError: no coordinate varies, or none does in a group that has a budget, which would be wasted.

    Example:
        >>> widths = CoordinateSensitivity(torch.tensor([[1.0, 8.0], [0.0, 3.0]]), source="an example")
        >>> round(budget_shares(widths, "least-variance")[0, 1].item(), 4)  # 4 / (1 + 4 + 3^(2/3))
        0.565
        >>> budget_shares(widths, groups={"a": (0,), "b": (1,)}, budget={"a": 1.0, "b": 3.0}).tolist()
        [[0.125, 0.125], [0.0, 0.75]]
    """
    weights = WEIGHTINGS[weighting](sensitivity.values)
    if groups is None or budget is None:
        return _normalised(weights, "the record")
    total = sum(budget.values())
    shares = torch.zeros_like(weights)
    for name, rows in groups.items():
        shares[list(rows)] = _normalised(weights[list(rows)], name) * (budget[name] / total)
    return shares


def scales_as_published(
    sensitivity: CoordinateSensitivity, epsilon: float, shares: Tensor
) -> PerCoordinateLaplace:
    """Noise of [LDP] Algorithm 2, line 3, as printed: b_j = S_j w_j / epsilon, which is inverted.

    Coordinate j then has privacy loss epsilon / w_j: with n equal weights, n^2 epsilon in all.
    `PerCoordinateLaplace.calibrate` has the correct scale; this function quantifies the error.

    Args:
        sensitivity: S_j, widths of the clip box.
        epsilon: nominal budget in nats.
        shares: w_j, in the shape of the widths, summing to 1.

    Raises:
        ValueError: as for `require_epsilon`; or a scale is not finite.

    Example:
        >>> widths = CoordinateSensitivity(torch.ones(4), source="an example")
        >>> scales_as_published(widths, 1.0, budget_shares(widths)).guarantee(widths).epsilon
        16.0
    """
    require_epsilon(epsilon)
    return PerCoordinateLaplace(sensitivity.values * shares / epsilon)


def _normalised(weights: Tensor, what: str) -> Tensor:
    total = weights.sum()
    if not total > 0:
        raise ValueError(
            f"nothing varies in {what} between these clip bounds, so there is no budget to spend on it"
        )
    return weights / total
