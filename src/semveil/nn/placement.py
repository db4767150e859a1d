# SPDX-License-Identifier: Apache-2.0
"""Linear maps between a small grid of cells on an interval and a regular grid on [0, 1]."""

import torch
from torch import Tensor


def placing(cells: int, grid: int, first: float, last: float) -> Tensor:
    """Interpolation matrix from cells that divide [first, last] to a regular grid on [0, 1].

    Linear interpolation at the centres of the grid cells; for cells finer than the grid the kernel is
    widened, so that every cell contributes. Rows are multiplied by the share of the grid cell that lies
    inside the interval.

    Args:
        cells: number of cells.
        grid: number of grid values.
        first: left end of the interval, in [0, 1].
        last: right end of the interval, in [0, 1].

    Returns:
        (grid, cells) float32.

    Example:
        >>> placing(2, 4, 0.0, 1.0).sum(1).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    centres = (torch.arange(grid, dtype=torch.float64) + 0.5) / grid
    step = (last - first) / cells
    position = ((centres - first) / step - 0.5).clamp(0, cells - 1)
    reach = max(1.0, 1 / (grid * step))
    weights = (1 - (position[:, None] - torch.arange(cells)).abs() / reach).clamp_min(0)
    weights = weights / weights.sum(1, keepdim=True)
    return (weights * share_inside(grid, first, last).double()[:, None]).float()


def sampling(cells: int, grid: int, first: float, last: float) -> Tensor:
    """Interpolation matrix from a regular grid on [0, 1] to cells that divide [first, last].

    Linear interpolation between the centres of grid cells; wider cells average over their width.

    Args:
        cells: number of cells.
        grid: number of grid values.
        first: left end of the interval.
        last: right end of the interval.

    Returns:
        (cells, grid) float32; each row sums to 1.

    Example:
        >>> sampling(2, 4, 0.0, 0.5).tolist()
        [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]
    """
    step = (last - first) / cells
    position = (first + step * (torch.arange(cells, dtype=torch.float64) + 0.5)) * grid - 0.5
    reach = max(1.0, step * grid)
    weights = (1 - (position.clamp(0, grid - 1)[:, None] - torch.arange(grid)).abs() / reach).clamp_min(0)
    return (weights / weights.sum(1, keepdim=True)).float()


def share_inside(grid: int, first: float, last: float) -> Tensor:
    """Fraction of each cell of a regular grid on [0, 1] that lies inside [first, last].

    Args:
        grid: number of cells.
        first: left end of the interval.
        last: right end of the interval.

    Returns:
        (grid,) float32 in [0, 1].

    Example:
        >>> share_inside(4, 0.125, 0.5).tolist()
        [0.5, 1.0, 0.0, 0.0]
    """
    left = torch.arange(grid, dtype=torch.float64) / grid
    inside = torch.minimum(left + 1 / grid, torch.tensor(last)) - torch.maximum(left, torch.tensor(first))
    return (inside * grid).clamp(0, 1).float()
