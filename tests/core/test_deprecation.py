# SPDX-License-Identifier: Apache-2.0
"""Names that were renamed still work, and say what to use."""

import importlib

import pytest

RENAMED = [
    ("semveil.mechanisms", "Release", "ExactRelease"),
    ("semveil.mechanisms", "Calibration", "CalibratedNoise"),
    ("semveil.mechanisms", "NoiseCalibration", "FittedNoise"),
    ("semveil.recognition", "Calibration", "MeasuredThreshold"),
]


@pytest.mark.parametrize(("module", "old", "new"), RENAMED)
def test_an_old_name_gives_the_new_object_and_warns(module: str, old: str, new: str) -> None:
    found = importlib.import_module(module)
    with pytest.warns(DeprecationWarning, match=f"{module}.{old} is now {module}.{new}") as warned:
        assert getattr(found, old) is getattr(found, new)
    assert warned[0].filename == __file__  # the line to change
    assert old not in found.__all__


@pytest.mark.parametrize("module", sorted({module for module, _, _ in RENAMED}))
def test_names_that_never_were_are_missing(module: str) -> None:
    with pytest.raises(AttributeError, match="no attribute 'Relase'"):
        _ = importlib.import_module(module).Relase
