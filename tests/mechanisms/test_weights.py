# SPDX-License-Identifier: Apache-2.0
"""How a budget is split between coordinates, against direct minimisation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from semveil.mechanisms import CoordinateSensitivity, Laplace, PerCoordinateLaplace
from semveil.mechanisms.bounds.weights import WEIGHTINGS, budget_shares, scales_as_published

WIDTHS = torch.tensor([0.5, 1.0, 3.0, 8.0, 0.0])
GROUPS = {"a": (0,), "b": (1, 2)}


def sensitivity(values: torch.Tensor = WIDTHS) -> CoordinateSensitivity:
    return CoordinateSensitivity(values, source="a test")


@pytest.mark.parametrize("weighting", list(WEIGHTINGS))
@pytest.mark.parametrize("epsilon", [0.1, 7.0])
def test_every_split_spends_the_budget(weighting: str, epsilon: float) -> None:
    shares = budget_shares(sensitivity(), weighting)
    assert shares.sum().item() == pytest.approx(1)
    assert shares[-1] == 0, "what is constant needs nothing"
    noise = PerCoordinateLaplace.calibrate(sensitivity(), epsilon, weights=shares)
    assert noise.guarantee(sensitivity()).epsilon == pytest.approx(epsilon)
    assert noise.scales[-1] == 0
    assert bool(noise.scales.isfinite().all())


@pytest.mark.parametrize(("weighting", "power"), [("least-variance", 2), ("least-absolute-error", 1)])
def test_the_optimal_splits_are_what_an_optimiser_finds(weighting: str, power: int) -> None:
    """min over w of sum (S_j / w_j)^power, sum w = 1; softmax coordinates."""
    widths = WIDTHS[:-1].double().numpy()

    def cost(free: np.ndarray) -> float:
        shares = np.exp(free) / np.exp(free).sum()
        return float(np.log(((widths / shares) ** power).sum()))

    found = optimize.minimize(cost, np.zeros(4), tol=1e-12)
    expected = np.exp(found.x) / np.exp(found.x).sum()
    np.testing.assert_allclose(budget_shares(sensitivity(), weighting)[:-1].numpy(), expected, rtol=1e-3)
    for other in set(WEIGHTINGS) - {weighting}:
        shares = budget_shares(sensitivity(), other)[:-1].numpy()
        assert ((widths / shares) ** power).sum() > ((widths / expected) ** power).sum() * 1.001


def test_proportional_shares_are_the_laplace_mechanism_of_the_vector() -> None:
    noise = PerCoordinateLaplace.calibrate(
        sensitivity(), 2.0, weights=budget_shares(sensitivity(), "proportional")
    )
    vector = Laplace.calibrate(sensitivity().l1(), 2.0)
    np.testing.assert_allclose(noise.scales[:-1].numpy(), vector.scale)


@settings(max_examples=30)
@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=20), st.floats(0.01, 100))
def test_the_published_scale_loses_the_sum_of_inverse_weights(widths: list[float], epsilon: float) -> None:
    own = sensitivity(torch.tensor(widths))
    for weighting in WEIGHTINGS:
        shares = budget_shares(own, weighting)
        claim = scales_as_published(own, epsilon, shares).guarantee(own)
        assert claim.epsilon == pytest.approx(epsilon * (1 / shares).sum().item(), rel=1e-6)
        assert claim.epsilon is not None and claim.epsilon >= len(widths) ** 2 * epsilon * (1 - 1e-6)


def test_groups_get_their_own_budget() -> None:
    own = sensitivity(torch.tensor([[1.0, 0.0], [2.0, 2.0], [4.0, 1.0]]))
    budget = {"a": 1.0, "b": 3.0}
    shares = budget_shares(own, "proportional", groups=GROUPS, budget=budget)
    noise = PerCoordinateLaplace.calibrate(own, 4.0, weights=shares)
    for name, rows in GROUPS.items():
        widths, scales = own.values[list(rows)], noise.scales[list(rows)]
        assert (widths / scales).nan_to_num().sum().item() == pytest.approx(budget[name])


def test_a_budget_for_what_is_constant_is_refused() -> None:
    own = sensitivity(torch.tensor([[0.0], [2.0], [4.0]]))
    with pytest.raises(ValueError, match="nothing varies in a"):
        budget_shares(own, groups=GROUPS, budget={"a": 1.0, "b": 3.0})
    with pytest.raises(ValueError, match="nothing varies in the record"):
        budget_shares(sensitivity(torch.zeros(3)))


def test_unknown_weightings_are_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'uniform'"):
        budget_shares(sensitivity(), "uniformm")
    assert not math.isnan(budget_shares(sensitivity()).sum().item())
