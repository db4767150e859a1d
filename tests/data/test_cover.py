# SPDX-License-Identifier: Apache-2.0
"""A mosaic over faces: where it lies, what it leaves, and that no pixel belongs to two faces."""

import numpy as np
import pytest

from semveil.data.cover import CELLS, cover_faces
from semveil.data.regions import Region
from semveil.recognition.dlib_faces import Face

NOISE = np.random.default_rng(3).integers(0, 256, (90, 120, 3), dtype=np.uint8)


def face(left: int, top: int, side: int) -> Face:
    return Face((left, top, left + side - 1, top + side - 1), 1.0, np.zeros((5, 2)))


def test_nothing_but_a_mean_colour_of_each_cell_is_left_of_a_face() -> None:
    covered, (region,) = cover_faces(NOISE, [face(40, 30, 40)])
    assert region is not None and region.mask.all() and region.mask.shape == (60, 60)
    inside = covered[region.slices]
    assert len(np.unique(inside.reshape(-1, 3), axis=0)) <= (CELLS + 2) ** 2
    cell = NOISE[20:30, 30:40].reshape(-1, 3).mean(0)
    assert np.abs(covered[20:30, 30:40] - cell).max() <= 0.5
    outside = np.ones(NOISE.shape[:2], bool)
    region.mark(~outside)
    outside[region.slices] = False
    assert (covered[outside] == NOISE[outside]).all()


@pytest.mark.parametrize("place", [(-20, 30), (100, 60), (-35, -35), (115, 85)])
def test_a_face_that_the_edge_cuts_is_covered_as_far_as_it_shows(place: tuple[int, int]) -> None:
    covered, (region,) = cover_faces(NOISE, [face(*place, 40)])
    assert region is not None
    rows, columns = region.slices
    assert 0 <= rows.start < rows.stop <= 90 and 0 <= columns.start < columns.stop <= 120
    assert (covered[region.slices] != NOISE[region.slices]).any()
    assert cover_faces(NOISE, [face(300, 300, 40)])[1] == [None]


def test_overlapping_faces_and_other_faces_pixels_keep_apart() -> None:
    taken = Region(30, 20, np.eye(50, dtype=bool))
    covered, regions = cover_faces(NOISE, [face(40, 30, 40), face(60, 40, 30)], taken=[taken])
    owners = np.zeros(NOISE.shape[:2], int)
    for region in (taken, *regions):
        assert region is not None
        owners[region.slices] += region.mask
    assert owners.max() == 1
    canvas = np.zeros(NOISE.shape[:2], bool)
    taken.mark(canvas)
    assert (covered[canvas] == NOISE[canvas]).all()
