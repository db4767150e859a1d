# SPDX-License-Identifier: Apache-2.0
"""Resampling against zero insertion and an explicit filter, and its gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.slow_stylegan import upfirdn
from torch import Tensor
from torch.nn import functional as F

from semveil.nn import resample
from semveil.nn.resample import blur, downsample, upsample


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_reference_inserts_zeros_and_filters() -> None:
    impulse = torch.zeros(1, 1, 1, 1, dtype=torch.float64) + 64
    row = torch.tensor([1.0, 3, 3, 1], dtype=torch.float64)
    close(upfirdn(impulse, pad=(3, 3))[0, 0], torch.outer(row, row))
    x = draw(1, 1, 3, 3)
    inserted = torch.zeros(1, 1, 6, 6, dtype=torch.float64)
    inserted[..., ::2, ::2] = x
    close(
        upfirdn(x, up=2, pad=(2, 1), gain=4),
        F.conv2d(F.pad(inserted, (2, 1, 2, 1)), torch.outer(row, row)[None, None] / 16),
    )


@settings(max_examples=20, deadline=None)
@given(batch=st.integers(1, 3), channels=st.integers(1, 4), half=st.integers(1, 6), wide=st.integers(1, 6))
def test_all_three_equal_the_reference(batch: int, channels: int, half: int, wide: int) -> None:
    x = draw(batch, channels, 2 * half, 2 * wide)
    close(upsample(x), upfirdn(x, up=2, pad=(2, 1), gain=4))
    close(downsample(x), upfirdn(x, down=2, pad=(1, 1)))
    close(blur(x, padding=2), upfirdn(x, pad=(2, 2)))
    close(blur(x, padding=3, gain=4.0), upfirdn(x, pad=(3, 3), gain=4))


def test_blur_pads_rows_and_columns_apart_and_adds_a_bias() -> None:
    x, bias = draw(1, 2, 8, 8), draw(2)
    expected = upfirdn(x, pad=(1, 1))[:, :, 1:-1] + bias.view(-1, 1, 1)
    close(blur(x, padding=(0, 1), bias=bias), expected)


def test_a_shifted_filter_is_noticed() -> None:
    x = draw(1, 1, 8, 8)
    assert (upsample(x) - upfirdn(x, up=2, pad=(1, 2), gain=4)).abs().max() > 0.1


@pytest.mark.parametrize(
    "operation", [upsample, downsample, lambda x: blur(x, padding=2)], ids=["up", "down", "blur"]
)
def test_gradients(operation: object) -> None:
    x = draw(1, 2, 4, 6).requires_grad_()
    assert torch.autograd.gradcheck(operation, x)
    assert torch.autograd.gradgradcheck(operation, x)


def test_constants_keep_their_value_away_from_the_border() -> None:
    x = torch.full((1, 1, 16, 16), 3.0)
    for y in (upsample(x), downsample(x), blur(x, padding=2)):
        inner = y[..., 2:-2, 2:-2]
        torch.testing.assert_close(inner, torch.full_like(inner, 3.0))


def test_use_without_gradients_does_not_spoil_later_gradients() -> None:
    resample._halving.cache_clear()
    with torch.inference_mode():
        resample.downsample(torch.zeros(1, 1, 8, 8))
    x = torch.zeros(1, 1, 8, 8, requires_grad=True)
    resample.downsample(x).sum().backward()
    assert x.grad is not None and x.grad.sum() == pytest.approx((4 - 2 / 8) ** 2)  # two taps fall outside
