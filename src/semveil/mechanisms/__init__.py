# SPDX-License-Identifier: Apache-2.0
"""Noise mechanisms with their guarantees, the clip box, sensitivities and calibration."""

from semveil.core.deprecation import renamed
from semveil.core.registry import Registry, having
from semveil.mechanisms.additive.gaussian import Gaussian
from semveil.mechanisms.additive.l2_laplace import L2Laplace
from semveil.mechanisms.additive.laplace import Laplace
from semveil.mechanisms.additive.literal_laplace import LiteralLaplace
from semveil.mechanisms.additive.per_coordinate import CoordinateSensitivity, PerCoordinateLaplace
from semveil.mechanisms.base import ExactMechanism, Mechanism
from semveil.mechanisms.bounds.clip import ClipBox
from semveil.mechanisms.bounds.quantiles import streamed_quantiles
from semveil.mechanisms.bounds.sensitivity import observed_pairwise_sensitivity
from semveil.mechanisms.budget import BUDGET_PARTS, PartBudget, parse_budget, part_budget
from semveil.mechanisms.calibration import CALIBRATIONS, CalibratedNoise, as_published, corrected
from semveil.mechanisms.costs import costs
from semveil.mechanisms.exact.release import ExactRelease
from semveil.mechanisms.fit import FittedNoise, LaplaceFit, fit_laplace, fitted_epsilon
from semveil.mechanisms.sphere.base import SphereMechanism
from semveil.mechanisms.sphere.priv_unit import PrivUnit
from semveil.mechanisms.sphere.priv_unit_g import PrivUnitG
from semveil.mechanisms.sphere.registry import SPHERE_MECHANISMS, cosines_kept
from semveil.mechanisms.sphere.renormalised import (
    RenormalisedL2Laplace,
    RenormalisedLaplace,
    sphere_sensitivity,
)
from semveil.mechanisms.sphere.von_mises_fisher import VonMisesFisher
from semveil.privacy.gaussian_curve import gaussian_delta, gaussian_epsilon, gaussian_ratio

MECHANISMS: Registry[type[Mechanism]] = Registry(
    "mechanism",
    group="semveil.mechanisms",
    accept=having("name", "norm", "guarantee", "coordinate_std", "calibrate", "example"),
    files="semveil.mechanisms.additive",
)
for _mechanism in (Laplace, L2Laplace, Gaussian, PerCoordinateLaplace):
    MECHANISMS.add(_mechanism.name, _mechanism)

__all__ = [
    "BUDGET_PARTS",
    "CALIBRATIONS",
    "MECHANISMS",
    "SPHERE_MECHANISMS",
    "CalibratedNoise",
    "ClipBox",
    "CoordinateSensitivity",
    "ExactMechanism",
    "ExactRelease",
    "FittedNoise",
    "Gaussian",
    "L2Laplace",
    "Laplace",
    "LaplaceFit",
    "LiteralLaplace",
    "Mechanism",
    "PartBudget",
    "PerCoordinateLaplace",
    "PrivUnit",
    "PrivUnitG",
    "RenormalisedL2Laplace",
    "RenormalisedLaplace",
    "SphereMechanism",
    "VonMisesFisher",
    "as_published",
    "corrected",
    "cosines_kept",
    "costs",
    "fit_laplace",
    "fitted_epsilon",
    "gaussian_delta",
    "gaussian_epsilon",
    "gaussian_ratio",
    "observed_pairwise_sensitivity",
    "parse_budget",
    "part_budget",
    "sphere_sensitivity",
    "streamed_quantiles",
]

__getattr__ = renamed(
    __name__, {"Calibration": "CalibratedNoise", "NoiseCalibration": "FittedNoise", "Release": "ExactRelease"}
)
