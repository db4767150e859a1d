# SPDX-License-Identifier: Apache-2.0
"""The fast convolution is the convolution."""

import pytest
import torch
from torch.nn import functional as F

from semveil.nn import winograd
from semveil.nn.winograd import conv_3x3, conv_rows_of_four


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


@pytest.mark.parametrize(
    ("batch", "inputs", "outputs", "rows", "width"), [(1, 3, 5, 4, 7), (2, 1, 1, 12, 1), (3, 4, 2, 8, 9)]
)
def test_equals_the_plain_convolution_in_float64(
    batch: int, inputs: int, outputs: int, rows: int, width: int
) -> None:
    x, weight, bias = draw(batch, inputs, rows + 2, width), draw(outputs, inputs, 3, 3), draw(outputs)
    torch.testing.assert_close(
        conv_rows_of_four(x, weight, bias), F.conv2d(x, weight, bias, padding=(0, 1)), rtol=0, atol=1e-11
    )


@pytest.mark.parametrize("pad_rows", [True, False])
def test_float32_error_stays_near_that_of_the_plain_convolution(
    pad_rows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = draw(1, 64, 64 if pad_rows else 66, 64, dtype=torch.float32)
    weight, bias = draw(64, 64, 3, 3, dtype=torch.float32) / 24, draw(64, dtype=torch.float32)
    padding = (int(pad_rows), 1)
    exact = F.conv2d(x.double(), weight.double(), bias.double(), padding=padding)
    calls = []
    original = winograd.conv_rows_of_four
    monkeypatch.setattr(
        winograd, "conv_rows_of_four", lambda *arguments: calls.append(1) or original(*arguments)
    )
    with torch.no_grad():
        fast = conv_3x3(x, weight, bias, pad_rows=pad_rows)
    assert calls, "the fast way was not taken"
    assert (fast - exact).abs().max() < 1e-5  # values of spread 1; the plain convolution is within 2e-6


def test_gradients_take_the_plain_way() -> None:
    x = draw(1, 64, 32, 64, dtype=torch.float32).requires_grad_()
    weight, bias = draw(64, 64, 3, 3, dtype=torch.float32), draw(64, dtype=torch.float32)
    assert torch.equal(conv_3x3(x, weight, bias), F.conv2d(x, weight, bias, padding=1))
