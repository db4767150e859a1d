# SPDX-License-Identifier: Apache-2.0
"""Placing a part's map on the grid and reading one from it: exact on linear functions, nothing lost, nothing
outside.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semveil.nn.placement import placing, sampling, share_inside


@given(st.integers(2, 12), st.integers(4, 40), st.floats(0, 0.6), st.floats(0.2, 1))
def test_a_constant_stays_where_the_interval_is_and_is_zero_elsewhere(
    cells: int, grid: int, first: float, width: float
):
    last = min(1.0, first + width)
    placed = placing(cells, grid, first, last) @ torch.ones(cells)
    torch.testing.assert_close(placed, share_inside(grid, first, last), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        sampling(cells, grid, first, last) @ torch.ones(grid), torch.ones(cells), atol=1e-6, rtol=0
    )


def test_a_linear_function_is_placed_and_read_exactly_between_the_outer_cells():
    cells, grid, first, last = 6, 32, 0.25, 0.75
    places = first + (last - first) * (np.arange(cells) + 0.5) / cells
    centres = (np.arange(grid) + 0.5) / grid
    placed = placing(cells, grid, first, last).numpy() @ places
    between = (centres >= places[0]) & (centres <= places[-1])
    np.testing.assert_allclose(placed[between], np.interp(centres, places, places)[between], atol=1e-6)
    # closer together than the grid: no widened kernel
    closer = first + (last - first) * (np.arange(20) + 0.5) / 20
    np.testing.assert_allclose(sampling(20, grid, first, last).numpy() @ centres, closer, atol=1e-6)


@pytest.mark.parametrize(("cells", "grid", "first", "last"), [(16, 32, 0.4, 0.6), (16, 8, 0.0, 1.0)])
def test_no_cell_is_passed_over_where_cells_lie_closer_than_the_grid(
    cells: int, grid: int, first: float, last: float
):
    assert (placing(cells, grid, first, last).sum(0) > 0).all()
    plain = torch.zeros(grid, cells)  # negative control: nearest neighbour leaves cells out
    centres = (torch.arange(grid) + 0.5) / grid
    inside = (centres > first) & (centres < last)
    nearest = ((centres[inside] - first) / (last - first) * cells).long()
    plain[inside, nearest] = 1
    assert (plain.sum(0) == 0).any()
