# SPDX-License-Identifier: Apache-2.0
"""Do releases of as many numbers as a photo has keep their law? One record in each call, as methods make
them.

Each check fails by chance less than once in 10^5; a control has noise five times too small in calls of that
size alone.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from reference.laws import follows
from scipy import stats

from semveil.mechanisms import (
    ClipBox,
    CoordinateSensitivity,
    ExactRelease,
    Gaussian,
    L2Laplace,
    Laplace,
    PerCoordinateLaplace,
)
from semveil.mechanisms.additive import gaussian, l2_laplace, laplace, per_coordinate

BOX = ClipBox(-1.0, 1.0, source="an example")
sizes = pytest.mark.parametrize("numbers", [448, 1792])  # the paper's seven codes, and all 28, in faces-128
laws = pytest.mark.parametrize("law", ["laplace", "l2-laplace", "gaussian", "per-coordinate-laplace"])
RECORDS = 6


def keeps_its_law(law: str, numbers: int) -> bool:
    """Noise of releases calibrated to epsilon 1,
    against scipy's law of the scale that the sensitivity gives.
    """
    record = torch.linspace(-1, 1, numbers, dtype=torch.float64)[None]
    sides = BOX.coordinate_sensitivity((numbers,))
    cases: dict[str, tuple[Any, Any]] = {
        "laplace": (Laplace.calibrate(BOX.l1_sensitivity(numbers), 1.0), 2.0 * numbers),
        "l2-laplace": (L2Laplace.calibrate(BOX.l2_sensitivity(numbers), 1.0), 2.0 * np.sqrt(numbers)),
        "gaussian": (Gaussian.calibrate(BOX.l2_sensitivity(numbers), 1.0), None),
        "per-coordinate-laplace": (PerCoordinateLaplace.calibrate(sides, 1.0), 2.0 * numbers),
    }
    mechanism, scale = cases[law]
    release = ExactRelease(mechanism)
    noise = np.concatenate([(release(record) - record).numpy() for _ in range(RECORDS)])
    if law == "l2-laplace":  # the length is Gamma(n), whose relative deviation is n^(-1/2)
        lengths = np.linalg.norm(noise, axis=1) / scale / numbers
        return bool(np.abs(lengths - 1).max() < 5 / np.sqrt(numbers))
    ideal = stats.norm(scale=mechanism.sigma) if law == "gaussian" else stats.laplace(scale=scale)
    return follows(noise.ravel(), ideal)


def five_times_too_small(original: Callable[..., list[int]]) -> Callable[..., list[int]]:
    """The fault: in calls of 400 to 20,000 numbers, and in no others."""

    def sample(values: Sequence[float], scale: Any, step: float) -> list[int]:
        if 400 <= len(values) <= 20_000:
            scale = [s / 5 for s in scale] if isinstance(scale, list) else scale / 5
        return original(values, scale, step)

    return sample


@sizes
@laws
def test_noise_of_a_photos_size_keeps_its_law(law: str, numbers: int) -> None:
    assert keeps_its_law(law, numbers)


@sizes
@laws
def test_noise_that_is_too_small_at_these_sizes_only_is_noticed(
    law: str, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in (
        (laplace, "round_laplace"),
        (per_coordinate, "round_laplace"),
        (gaussian, "round_gaussian"),
        (l2_laplace, "round_k_norm"),
    ):
        monkeypatch.setattr(module, name, five_times_too_small(getattr(module, name)))
    assert not keeps_its_law(law, numbers)


def test_widths_of_a_box_are_what_noise_of_each_coordinate_is_for() -> None:
    sides = BOX.coordinate_sensitivity((3,))
    assert isinstance(sides, CoordinateSensitivity) and sides.values.tolist() == [2.0, 2.0, 2.0]
