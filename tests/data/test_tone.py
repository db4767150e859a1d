# SPDX-License-Identifier: Apache-2.0
"""Colours follow what surrounds the pasted part, smoothly, and nothing under the cover or out of sight is
read.
"""

import numpy as np
import pytest

from semveil.data.tone import toned

SIZE = 64
COVER = np.zeros((SIZE, SIZE), np.float32)
COVER[12:52, 16:48] = 1
CLEAR = np.ones((SIZE, SIZE), bool)
OLD = np.random.default_rng(0).integers(90, 110, (SIZE, SIZE, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", [32, 64, 96])
def test_a_crop_of_other_colours_is_brought_in_line(size):
    new = np.full((size, size, 3), (80, 100, 125), np.uint8)  # 20 too dark, right, 25 too bright
    shift = toned(new, OLD, COVER, CLEAR).astype(float) - new
    edge, middle = shift[size // 2, size // 4 + 1], shift[size // 2, size // 2]
    assert edge == pytest.approx((20, 0, -25), abs=4)
    assert abs(middle - (20, 0, -25)).max() < 10  # within reach of both sides
    assert abs(np.diff(shift, axis=0)).max() <= 3  # no steps


def test_a_crop_that_fits_stays():
    assert abs(toned(OLD, OLD, COVER, CLEAR).astype(int) - OLD).max() <= 1


def test_what_is_covered_or_not_in_the_picture_is_not_read():
    new = np.full((SIZE, SIZE, 3), 80, np.uint8)
    out_of_sight = CLEAR.copy()
    out_of_sight[:, :14] = False
    other = OLD.copy()
    other[COVER > 0] = 7
    other[~out_of_sight] = 90
    assert (toned(new, other, COVER, out_of_sight) == toned(new, OLD, COVER, out_of_sight)).all()
    assert (toned(new, other, COVER, CLEAR) != toned(new, OLD, COVER, CLEAR)).any()  # in sight, it would be


def test_what_shows_something_else_is_not_followed():
    new = np.full((SIZE, SIZE, 3), 100, np.uint8)
    old = np.full((SIZE, SIZE, 3), 230, np.uint8)
    assert (toned(new, old, COVER, CLEAR) == new).all()
    assert (toned(new, new, COVER, np.zeros_like(CLEAR)) == new).all()
