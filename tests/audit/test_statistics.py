# SPDX-License-Identifier: Apache-2.0
"""Statistics against scipy's densities and exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from semveil.audit import contrasts, finest_bit, table_ratio

RNG = np.random.default_rng(0)
OUTPUTS, FIRST, SECOND = RNG.normal(size=(500, 4)) * 3, RNG.normal(size=4), RNG.normal(size=4)


def up_to_a_factor(measured: np.ndarray, exact: np.ndarray) -> None:
    factor = (measured @ exact) / (measured @ measured)
    assert factor > 0
    assert np.allclose(factor * measured, exact, atol=1e-4 * np.abs(exact).max())


@pytest.mark.parametrize("widths", [None, np.array([1.0, 2.0, 0.5, 3.0])])
def test_contrasts_are_log_likelihood_ratios_up_to_a_factor(widths: np.ndarray | None) -> None:
    w = np.ones(4) if widths is None else widths
    found = contrasts(OUTPUTS, FIRST, SECOND, widths=widths)
    for name, law in (("l1", stats.laplace(scale=1.7 * w)), ("projection", stats.norm(scale=1.7 * w))):
        up_to_a_factor(found[name], (law.logpdf(OUTPUTS - FIRST) - law.logpdf(OUTPUTS - SECOND)).sum(1))
    lengths = [np.linalg.norm((OUTPUTS - x) / w, axis=1) for x in (FIRST, SECOND)]
    up_to_a_factor(found["l2"], lengths[1] - lengths[0])


def test_contrasts_at_the_inputs_themselves() -> None:
    found = contrasts(np.array([FIRST, SECOND]), FIRST, SECOND)
    assert found["l1"].tolist() == pytest.approx([1, -1])
    assert found["l2"].tolist() == pytest.approx([1, -1])
    assert found["projection"].tolist() == pytest.approx([0.5, -0.5])


@given(st.floats(allow_nan=False, allow_infinity=False).filter(bool))
def test_the_finest_bit_is_that_of_the_exact_fraction(value: float) -> None:
    fraction = Fraction(value)
    whole, parts = abs(fraction.numerator), fraction.denominator
    expected = (whole & -whole).bit_length() - 1 - (parts.bit_length() - 1)
    assert finest_bit(np.array([value])).tolist() == [expected]


def test_table_ratio_is_the_sum_over_coordinates() -> None:
    table = RNG.dirichlet(np.ones(8))
    outputs, first, second = RNG.integers(0, 8, (20, 3)), np.array([0, 5, 2]), np.array([7, 1, 2])
    expected = [
        sum(
            math.log(table[(y - a) % 8] / table[(y - b) % 8])
            for y, a, b in zip(row, first, second, strict=True)
        )
        for row in outputs.tolist()
    ]
    assert table_ratio(outputs, first, second, np.log(table)).tolist() == pytest.approx(expected)


def test_table_ratio_of_what_cannot_occur_is_finite_and_extreme() -> None:
    with np.errstate(divide="ignore"):
        table = np.log([0.5, 0.5, 0.0, 0.0])
    ratio = table_ratio(np.array([[0], [2], [3]]), np.array([0]), np.array([2]), table)
    assert ratio[0] > 1e200
    assert ratio[1] < -1e200
    assert ratio[2] < -1e200
