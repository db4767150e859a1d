# SPDX-License-Identifier: Apache-2.0
"""Measured thresholds for small aligned faces, for which the recognisers' authors state none."""

import tomllib
from importlib.resources import files
from typing import Any

from semveil.recognition.calibration import MeasuredThreshold


def _calibration(values: dict[str, Any]) -> MeasuredThreshold:
    intervals = {name: tuple(values[name]) for name in ("threshold_interval", "far_interval", "tar_interval")}
    return MeasuredThreshold(**(values | intervals))


_TABLE = tomllib.loads((files("semveil.recognition") / "thresholds.toml").read_text(encoding="utf-8"))
MODEL_SIZE = 128  # px, side of the bundled face models; every recogniser of the package was measured at it
MEASURED = tuple(map(_calibration, _TABLE["measured"]))


def measured_threshold(verifier: str, *, resolution: int, far: float = 1e-3) -> MeasuredThreshold:
    """Return the measured threshold of a verifier at a resolution and false acceptance rate.

    Args:
        verifier: name of the verifier.
        resolution: side of the aligned images in pixels.
        far: false acceptance rate.

    Raises:
        ValueError: this combination was not measured; no approximation is returned.

    Example:
        >>> measured_threshold("dlib", resolution=64).threshold  # 1 - distance, for a distance of 0.5325
        0.4675
    """
    for calibration in MEASURED:
        if (calibration.verifier, calibration.resolution, calibration.far) == (verifier, resolution, far):
            return calibration
    known = "; ".join(f"{c.verifier} at {c.resolution} px, FAR {c.far:g}" for c in MEASURED)
    raise ValueError(
        f"no measured threshold for {verifier!r} at {resolution} px, FAR {far:g} (there are: {known}); "
        "measure it with semveil.data.pairs.calibrate_threshold"
    )
