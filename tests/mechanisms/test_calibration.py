# SPDX-License-Identifier: Apache-2.0
"""dp-semcom's calibrations against the numbers of errata.md, dp-semcom 2."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semveil.mechanisms import CALIBRATIONS, ClipBox, Gaussian, L2Laplace, Laplace, as_published, corrected
from semveil.privacy.guarantee import Basis, Sensitivity

PRIVATE, TOTAL = 7 * 512, 28 * 512
WIDTH = 2.939
BOX = ClipBox(-1.4, -1.4 + WIDTH, source="the paper's box")


def test_the_papers_sensitivity_gives_the_width_of_its_box() -> None:
    assert 351.88 / math.sqrt(TOTAL) == pytest.approx(WIDTH, abs=5e-4)


@pytest.mark.parametrize(
    ("nominal", "true"), [(1, 29.93), (10, 299.3), (15, 449.0), (300, 8980), (800, 23_947)]
)
def test_true_epsilon_of_the_published_calibration(nominal: float, true: float) -> None:
    calibration = as_published(nominal, BOX, perturbed=PRIVATE, total=TOTAL)
    assert calibration.scale == pytest.approx(351.88 / nominal, rel=1e-4)
    assert calibration.true_epsilon == pytest.approx(true, rel=2e-4)


def test_true_epsilon_if_all_codes_were_noised() -> None:
    assert as_published(
        1.0, BOX, perturbed=PRIVATE, total=TOTAL
    ).true_epsilon_if_all_perturbed == pytest.approx(119.7, abs=0.05)
    assert as_published(1.0, BOX, perturbed=TOTAL, total=TOTAL).true_epsilon == pytest.approx(119.7, abs=0.05)


def test_sensitivities_of_the_private_block() -> None:
    assert BOX.l1_sensitivity(PRIVATE).value == pytest.approx(10_533, abs=1)
    assert BOX.l2_sensitivity(PRIVATE).value == pytest.approx(175.9, abs=0.1)
    assert BOX.l2_sensitivity(TOTAL).value == pytest.approx(351.88, abs=0.02)


def test_noise_per_coordinate_at_true_epsilon_one() -> None:
    l1, l2 = BOX.l1_sensitivity(PRIVATE), BOX.l2_sensitivity(PRIVATE)
    assert Laplace.calibrate(l1, 1.0).coordinate_std(PRIVATE) == pytest.approx(14_896, abs=2)
    assert L2Laplace.calibrate(l2, 1.0).coordinate_std(PRIVATE) == pytest.approx(10_533, rel=3e-4)
    assert Gaussian.calibrate(l2, 1.0, delta=1e-5).coordinate_std(PRIVATE) == pytest.approx(656, abs=1)


@given(epsilon=st.floats(0.01, 1000), perturbed=st.integers(1, TOTAL))
def test_corrected_means_what_it_says_and_published_never_more(epsilon: float, perturbed: int) -> None:
    honest = corrected(epsilon, BOX, perturbed=perturbed, total=TOTAL)
    paper = as_published(epsilon, BOX, perturbed=perturbed, total=TOTAL)
    assert honest.true_epsilon == pytest.approx(epsilon)
    assert honest.mechanism().guarantee(honest.sensitivity).epsilon == pytest.approx(epsilon)
    assert paper.true_epsilon == pytest.approx(epsilon * perturbed / math.sqrt(TOTAL))
    assert paper.mechanism().guarantee(paper.sensitivity).basis is Basis.SIMULATION


def test_calibrations_are_chosen_by_name() -> None:
    for name in CALIBRATIONS:
        assert CALIBRATIONS[name](2.0, BOX, perturbed=PRIVATE, total=TOTAL).name == name
    with pytest.raises(ValueError, match="did you mean 'corrected'"):
        CALIBRATIONS["correct"]


def test_impossible_requests_are_refused() -> None:
    for calibrate in (as_published, corrected):
        with pytest.raises(ValueError, match="epsilon must be a positive"):
            calibrate(0.0, BOX, perturbed=1, total=2)
        with pytest.raises(ValueError, match="1 to all 2"):
            calibrate(1.0, BOX, perturbed=3, total=2)


def test_sensitivity_names_the_box() -> None:
    sensitivity: Sensitivity = corrected(1.0, BOX, perturbed=PRIVATE, total=TOTAL).sensitivity
    assert "the paper's box" in sensitivity.source
    assert sensitivity.dimension == PRIVATE
