# SPDX-License-Identifier: Apache-2.0
"""Ridge against numpy's normal equations, its leave-one-out against refitting without each row."""

import numpy as np
import pytest
import torch

from semveil.attacks.ridge import Ridge


def normal_equations(x, y, penalty):
    x_mean, y_mean = x.mean(0), y.mean(0)
    weight = np.linalg.solve(
        (x - x_mean).T @ (x - x_mean) + penalty * np.eye(x.shape[1]), (x - x_mean).T @ (y - y_mean)
    )
    return weight, y_mean - x_mean @ weight


@pytest.mark.parametrize("count", [15, 60])  # fewer and more rows than inputs
def test_solution_and_left_out_predictions(count):
    rng = np.random.default_rng(0)
    x, truth = rng.normal(size=(count, 20)), rng.normal(size=(20, 2))
    y = x @ truth + rng.normal(size=(count, 2)) + 3
    fitted = Ridge.fit(torch.tensor(x), torch.tensor(y))
    weight, offset = normal_equations(x, y, fitted.penalty)
    np.testing.assert_allclose(fitted.weight, weight, atol=1e-8)
    np.testing.assert_allclose(fitted.offset, offset, atol=1e-8)
    for row in (0, 7):
        others = np.arange(count) != row
        # Leave-one-out keeps the penalty; the closed form is exact for a fit that centres without the row.
        weight, offset = normal_equations(x[others], y[others], fitted.penalty)
        np.testing.assert_allclose(fitted.left_out[row], x[row] @ weight + offset, atol=1e-8)
    assert fitted.error == pytest.approx(((fitted.left_out.numpy() - y) ** 2).mean())


def test_the_penalty_grows_when_there_is_nothing_to_learn():
    rng = torch.Generator().manual_seed(2)
    x, noise = torch.randn(40, 30, generator=rng), torch.randn(40, 1, generator=rng)
    useless, useful = Ridge.fit(x, noise), Ridge.fit(x, x[:, :1] + 0.1 * noise)
    assert useless.penalty > 10 * useful.penalty
    assert float(useless(torch.randn(200, 30, generator=rng)).square().mean()) < 0.2
