# SPDX-License-Identifier: Apache-2.0
"""The choice of one of the nearest candidates against its closed form, simulated and exact."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from semveil.mechanisms.nearest import Nearest
from semveil.privacy.guarantee import Basis

DRAWS = 20_000
FALSE_ALARM = 1e-5
UTILITIES = torch.tensor([[0.3, 0.9, 0.1, 0.8, 0.2, 0.0]])  # candidates 1 and 3 are the nearest
LAW = Nearest(6, 2, 0.25)


def frequencies(law: Nearest, *, exact: bool) -> np.ndarray:
    rows = UTILITIES.expand(DRAWS, -1)
    chosen = law.release(rows) if exact else law(rows, rng=torch.Generator().manual_seed(1))
    return np.bincount(chosen.numpy(), minlength=6)


@pytest.mark.parametrize("exact", [False, True])
def test_choices_follow_the_closed_form(exact: bool) -> None:
    expected = np.array([0.0625, 0.375, 0.0625, 0.375, 0.0625, 0.0625])
    np.testing.assert_allclose(LAW.probabilities(UTILITIES)[0].numpy(), expected)
    found = frequencies(LAW, exact=exact)
    assert stats.chisquare(found, expected * DRAWS).pvalue > FALSE_ALARM
    wrong = LAW.probabilities(UTILITIES.roll(1, 1))[0].numpy()
    assert stats.chisquare(found, wrong * DRAWS).pvalue < FALSE_ALARM
    near = np.array([0.055, 0.39, 0.055, 0.39, 0.055, 0.055])  # of rest .22: an epsilon of 1.96 for 1.79
    assert stats.chisquare(found, near * DRAWS).pvalue < FALSE_ALARM


@pytest.mark.parametrize("epsilon", [1e-6, 0.5, 1.0, 4.0, 8.0, 16.0, 60.0])
@pytest.mark.parametrize("candidates", [2, 1000, 100_000])
def test_the_budget_asked_for_bounds_any_two_laws(epsilon: float, candidates: int) -> None:
    law = Nearest.calibrate(candidates, epsilon, dimension=32)
    claim = law.guarantee(exact=True)
    assert claim.basis == Basis.PROVED and law.guarantee().basis == Basis.SIMULATION
    assert claim.epsilon is not None and claim.epsilon <= epsilon == pytest.approx(claim.epsilon)
    inside, outside = (1 - law.rest) / law.near, law.rest / (candidates - law.near)
    # what a candidate's probability can change by
    assert abs(math.log(inside / outside)) <= claim.epsilon * (1 + 1e-9) + 1e-12
    assert law.near * inside + (candidates - law.near) * outside == pytest.approx(1.0)


def test_whatever_the_utilities_as_many_are_near() -> None:
    """Equal ones too: else the sum of the weights would depend on the record, and epsilon would be larger."""
    for utilities in (torch.zeros(1, 6), UTILITIES, torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]])):
        law = LAW.probabilities(utilities)
        assert int((law == 0.375).sum()) == 2 and float(law.sum()) == pytest.approx(1.0)


def test_more_budget_shows_nearer_candidates() -> None:
    directions = torch.nn.functional.normalize(
        torch.randn(5000, 32, generator=torch.Generator().manual_seed(0)), dim=1
    )
    cosines = (directions @ directions[0])[None]
    kept = [
        float((Nearest.calibrate(5000, e, dimension=32).probabilities(cosines) * cosines).sum())
        for e in (1.0, 4.0, 8.0)
    ]
    assert 0.02 < kept[0] < kept[1] < kept[2] < 0.7


@pytest.mark.parametrize("numbers", [(6, 0, 0.5), (6, 6, 0.5), (6, 2, 0.0), (6, 2, 1.0)])
def test_numbers_that_are_no_law_are_refused(numbers: tuple) -> None:
    with pytest.raises(ValueError):
        Nearest(*numbers)


def test_utilities_of_other_candidates_are_refused() -> None:
    with pytest.raises(ValueError, match="there are 6 candidates"):
        LAW.release(torch.zeros(1, 5))
    with pytest.raises(ValueError, match="NaN"):
        LAW(torch.full((1, 6), math.nan))
