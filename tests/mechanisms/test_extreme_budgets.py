# SPDX-License-Identifier: Apache-2.0
"""A budget is either refused where the mechanism is calibrated, or its claim and release are sound: never
NaN, never a hang.
"""

import math

import pytest
import torch

from semveil.mechanisms import SPHERE_MECHANISMS, ExactRelease, Gaussian, L2Laplace, Laplace
from semveil.privacy.guarantee import Norm, Sensitivity

BUDGETS = [
    5e-324,
    1e-320,
    1e-300,
    1e-30,
    1e-16,
    1e-12,
    1e-6,
    1e3,
    1e5,
    1e8,
    1e10,
    1e12,
    1e14,
    1e16,
    1e30,
    1e100,
    1.7e308,
]
ORDINARY = (1e-6, 1e3)


@pytest.mark.parametrize("name", list(SPHERE_MECHANISMS))
@pytest.mark.parametrize("dimension", [4, 64])
def test_on_the_sphere(name: str, dimension: int) -> None:
    pole = torch.eye(dimension)[:2]
    for epsilon in BUDGETS:
        try:
            law = SPHERE_MECHANISMS[name].calibrate(dimension, epsilon)
        except ValueError as error:
            assert epsilon not in ORDINARY or dimension == 4, error
            assert "nan" not in str(error)
            continue
        for exact in (False, True):
            claimed = law.guarantee(exact=exact).epsilon
            assert claimed is not None and claimed == pytest.approx(epsilon, rel=1e-3)
        for made in (law.release(pole), law(pole, rng=torch.Generator().manual_seed(0))):
            assert made.isfinite().all() and torch.allclose(made.norm(dim=1), torch.ones(2), atol=1e-3)


@pytest.mark.parametrize("mechanism", [Laplace, L2Laplace, Gaussian])
def test_additive(mechanism: type) -> None:
    sensitivity = Sensitivity(10.0, Norm.L1 if mechanism is Laplace else Norm.L2, 16, source="a test")
    records = torch.zeros(2, 16)
    for epsilon in BUDGETS:
        try:
            release = ExactRelease(mechanism.calibrate(sensitivity, epsilon))
        except ValueError as error:
            assert epsilon not in ORDINARY, error
            assert "nan" not in str(error)
            continue
        claimed = release.guarantee(sensitivity).epsilon
        assert claimed is not None and math.isfinite(claimed) and claimed <= epsilon * 1.01 + 1e-12
        assert release(records).isfinite().all()
