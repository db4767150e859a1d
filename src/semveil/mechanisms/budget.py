# SPDX-License-Identifier: Apache-2.0
"""Privacy budgets by face part: Laplace noise of a separate scale for the codes of each part."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from semveil.core.registry import suggest
from semveil.faces.parts import BASE_CODES, CODES, PARTS, codes_of_parts
from semveil.mechanisms.additive.laplace import Laplace
from semveil.mechanisms.additive.per_coordinate import CoordinateSensitivity, PerCoordinateLaplace
from semveil.mechanisms.bounds.clip import ClipBox

SHARED = "shared"  # the codes used by all parts but the background
BUDGET_PARTS = (SHARED, *PARTS)


@dataclass(frozen=True, eq=False)
class PartBudget:
    """Noise and guarantee of a budget by face part.

    Attributes:
        codes: sorted 0-based indices of the codes with noise; all others are sent in clear, including the
            shared ones unless named.
        mechanism: Laplace noise with scales of shape (len(codes), D), equal within a part.
        sensitivity: of these codes, in the same shape.
        epsilons: of each part, in the order of its codes; they add up, since all parts show one person.
    """

    codes: tuple[int, ...]
    mechanism: PerCoordinateLaplace
    sensitivity: CoordinateSensitivity
    epsilons: dict[str, float]


def parse_budget(text: str) -> dict[str, float]:
    """Parse a budget by face part.

    Args:
        text: `part=epsilon` items separated by commas, such as `skin=5,eyes=3,shared=2`.

    Raises:
        ValueError: an item is not `part=epsilon`, a part is unknown or repeated, or an epsilon is not
            positive and finite.

    Example:
        >>> parse_budget("skin=5, eyes=3,shared=2")
        {'skin': 5.0, 'eyes': 3.0, 'shared': 2.0}
    """
    budget: dict[str, float] = {}
    for item in text.split(","):
        part, _, amount = (piece.strip() for piece in item.partition("="))
        try:
            epsilon = float(amount)
        except ValueError:
            raise ValueError(
                f"cannot read {item.strip()!r} as part=epsilon; write for example skin=5,eyes=3,shared=2"
            ) from None
        if part in budget:
            raise ValueError(f"the budget names {part!r} twice; give each part one epsilon")
        budget[part] = epsilon
    _check(budget)
    return budget


def part_budget(budget: Mapping[str, float], box: ClipBox, style_dim: int) -> PartBudget:
    """Noise for a budget: the codes of part p have Laplace noise of scale Delta_1(p) / epsilon_p.

    Args:
        budget: epsilon of each part to protect; names in `faces.parts.PARTS`, and `shared` for the codes 0
            and 1.
        box: clip bounds, floats or tensors in the shape of one record (28, D).
        style_dim: D, numbers in a code.

    Raises:
        ValueError: no part, an unknown one, or an epsilon that is not positive and finite.

    Example:
        >>> plan = part_budget({"skin": 5.0, "shared": 2.0}, ClipBox(-1.0, 1.0), style_dim=64)
        >>> plan.codes, plan.epsilons, plan.mechanism.scales[:, 0].tolist()
        ((0, 1, 4, 5), {'shared': 2.0, 'skin': 5.0}, [128.0, 128.0, 51.2, 51.2])
    """
    _check(budget)
    epsilons = {part: float(budget[part]) for part in BUDGET_PARTS if part in budget}
    widths = box.coordinate_sensitivity((CODES, style_dim))
    scales = torch.zeros_like(widths.values)
    for part, epsilon in epsilons.items():
        own = list(_codes(part))
        share = CoordinateSensitivity(widths.values[own], f"{part}: {widths.source}", widths.basis)
        scales[own] = Laplace.calibrate(share.l1(), epsilon).scale
    codes = tuple(code for part in epsilons for code in _codes(part))
    block = CoordinateSensitivity(widths.values[list(codes)], widths.source, widths.basis)
    return PartBudget(codes, PerCoordinateLaplace(scales[list(codes)]), block, epsilons)


def _codes(part: str) -> tuple[int, ...]:
    shared = tuple(range(BASE_CODES))
    return shared if part == SHARED else codes_of_parts([part])[len(shared) :]


def _check(budget: Mapping[str, float]) -> None:
    if not budget:
        raise ValueError("the budget names no part; write for example skin=5,eyes=3,shared=2")
    for part, epsilon in budget.items():
        if part not in BUDGET_PARTS:
            raise ValueError(
                f"no face part named {part!r}{suggest(part, BUDGET_PARTS)}; parts: {', '.join(BUDGET_PARTS)}"
            )
        if not (math.isfinite(epsilon) and epsilon > 0):
            raise ValueError(f"the epsilon of {part} must be a positive, finite number, got {epsilon}")
