# SPDX-License-Identifier: Apache-2.0
"""l2 and ALD against numpy on 8-bit pixels, and against what the paper's own numbers allow."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semveil.faces.pixels import to_pixels, to_tensor
from semveil.metrics import ald, l2

ORDERS = (1, 2, math.inf)
seeds = st.integers(0, 2**31)


def photos(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(0, 256, (2, 3, 9, 7, 3), dtype=np.uint8))


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_the_formulas_on_pixels(seed: int) -> None:
    x, y = photos(seed)
    a, b = x.reshape(3, -1).astype(float), y.reshape(3, -1).astype(float)
    assert np.allclose(l2(to_tensor(x), to_tensor(y)), np.linalg.norm(b - a, axis=1), rtol=1e-5)
    for p in ORDERS:
        expected = np.linalg.norm(b - a, p, axis=1) / np.linalg.norm(a, p, axis=1)
        assert np.allclose(ald(to_tensor(x), to_tensor(y), p=p), expected, rtol=1e-5)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_the_largest_change_is_bounded_by_the_range(seed: int) -> None:
    x, y = photos(seed)
    bound = 255 / x.reshape(3, -1).max(1)
    assert (ald(to_tensor(x), to_tensor(y), p=math.inf).numpy() <= bound + 1e-6).all()


def test_what_the_papers_table_allows() -> None:
    # rms of its l2 at 1024 px: only 8-bit levels give such a number
    levels = 68_071.3 / math.sqrt(3 * 1024**2)
    assert levels == pytest.approx(38.4, abs=0.05)
    source = torch.zeros(1, 3, 16, 16)
    assert l2(source, source + levels / 127.5) == pytest.approx(levels * math.sqrt(3 * 16**2), rel=1e-5)
    # ALD_inf = 1.2214 needs a photo whose brightest value is at most 255 / 1.2214 = 209.
    assert math.ceil(255 / 1.2214) == 209
    dim = to_tensor(np.full((1, 4, 4, 3), 208, np.uint8))
    assert ald(dim, -torch.ones_like(dim), p=math.inf) == 1
    assert 255 / int(to_pixels(dim).max()) > 1.2214 > 255 / 210


def test_equal_and_black_images() -> None:
    black = -torch.ones(1, 3, 8, 8)
    for p in ORDERS:
        assert ald(black, black, p=p) == 0
        assert ald(black, -black, p=p) == math.inf
        assert ald(-black, black, p=p) == 1
    assert l2(black, black) == 0


def test_one_value_per_image() -> None:
    x, y = map(to_tensor, photos(1))
    assert torch.allclose(ald(x, y, p=2)[1:2], ald(x[1:2], y[1:2], p=2))
    assert torch.allclose(l2(x, y)[1:2], l2(x[1:2], y[1:2]))
    assert torch.equal(l2(x, y), l2(y, x)) and not torch.equal(ald(x, y, p=2), ald(y, x, p=2))


@pytest.mark.parametrize("p", [0.5, 0, -math.inf, math.nan])
def test_orders_that_are_no_norm(p: float) -> None:
    with pytest.raises(ValueError, match="order p of 1, 2 or infinity"):
        ald(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8), p=p)


@pytest.mark.parametrize("metric", [l2, lambda a, b: ald(a, b, p=1)])
def test_shapes_are_checked(metric) -> None:
    with pytest.raises(ValueError, match="must have one shape"):
        metric(torch.zeros(1, 3, 8, 8), torch.zeros(2, 3, 8, 8))
