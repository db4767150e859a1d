# SPDX-License-Identifier: Apache-2.0
"""Equalised layers: what is stored, what is computed, and that signals keep their size."""

import math

import pytest
import torch
from torch import Tensor

from semveil.nn.equalized import (
    EqualizedConv,
    EqualizedLinear,
    at_least_float32,
    pixel_norm,
    scaled_leaky_relu,
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def relative(x: Tensor) -> float:
    """Mean square, for signals that should have 1."""
    return float(x.detach().square().mean())


def test_leaky_relu_has_slope_a_fifth_and_gain_root_two() -> None:
    x = torch.tensor([-5.0, 0.0, 2.0])
    torch.testing.assert_close(scaled_leaky_relu(x), torch.tensor([-math.sqrt(2), 0.0, 2 * math.sqrt(2)]))


def test_activation_nearly_keeps_the_second_moment() -> None:
    # (1 + 0.04) / 2 times the gain's square is 1.04; the spread of a mean over n squares is about 2.5 /
    # sqrt(n).
    n = 200_000
    assert abs(relative(scaled_leaky_relu(torch.randn(n))) - 1.04) < 5 * 2.5 / math.sqrt(n)


def test_pixel_norm() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0], [-1e4, 1e4]])
    expected = torch.tensor([[3.0, 4.0], [0.0, 0.0], [-1e4, 1e4]]) / torch.tensor(
        [[math.sqrt(12.5)], [1.0], [1e4]]
    )
    torch.testing.assert_close(pixel_norm(x), expected)


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_linear_equals_the_formula(multiplier: float) -> None:
    layer = EqualizedLinear(12, 7, learning_rate_multiplier=multiplier, bias=0.5, activate=True)
    x = torch.randn(5, 12)
    expected = scaled_leaky_relu(x @ (layer.weight * multiplier / math.sqrt(12)).T + 0.5)
    torch.testing.assert_close(layer(x), expected)
    assert abs(relative(layer.weight) * multiplier**2 - 1) < 5 * math.sqrt(2 / 84)


def test_layers_keep_the_size_of_a_signal() -> None:
    # The output's mean square has mean 1; its relative spread is at most that of the weights' squares, sqrt(2
    # / weights).
    linear, conv = EqualizedLinear(256, 256), EqualizedConv(64, 64, 3, padding=1)
    assert abs(relative(linear(torch.randn(512, 256))) - 1) < 5 * math.sqrt(2 / 256)
    inner = conv(torch.randn(4, 64, 32, 32))[:, :, 1:-1, 1:-1]
    assert abs(relative(inner) - 1) < 5 * math.sqrt(2 / 64 / 9)


def test_conv_equals_the_formula() -> None:
    layer = EqualizedConv(3, 5, 3, stride=2, padding=1, bias=True)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 3, 8, 8)
    patches = torch.nn.functional.unfold(x, 3, padding=1, stride=2)  # (B, 27, 16)
    expected = (layer.weight.flatten(1) / math.sqrt(27)) @ patches + layer.bias.unsqueeze(1)
    torch.testing.assert_close(layer(x).flatten(2), expected, rtol=1e-4, atol=1e-5)
    assert EqualizedConv(3, 5, 1).bias is None


def test_only_half_precision_is_widened() -> None:
    for given, expected in (
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ):
        assert at_least_float32(torch.zeros(1, dtype=given)).dtype == expected
