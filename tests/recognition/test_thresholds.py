# SPDX-License-Identifier: Apache-2.0
"""Stored thresholds: exact look-up only, and still true."""

from pathlib import Path

import pytest
import torch

from semveil.data.pairs import calibrate_threshold, read_pairs
from semveil.recognition import OnnxVerifier, measured_threshold
from semveil.recognition.thresholds import MEASURED


@pytest.mark.parametrize("stored", MEASURED, ids=lambda c: f"{c.verifier}-{c.resolution}")
def test_stored_values_are_consistent(stored) -> None:
    assert measured_threshold(stored.verifier, resolution=stored.resolution, far=stored.far) is stored
    assert stored.threshold_interval[0] < stored.threshold < stored.threshold_interval[1]
    assert stored.far_interval[0] < stored.far < stored.far_interval[1]
    assert stored.tar_interval[0] < stored.tar < stored.tar_interval[1]
    assert stored.impostor_pairs * stored.far > 50  # false acceptances that the threshold rests on


def test_nothing_near_is_given() -> None:
    for verifier, resolution, far in (("dlib", 65, 1e-3), ("dlib", 64, 1e-4), ("arcface", 64, 1e-3)):
        with pytest.raises(
            ValueError, match=f"no measured threshold for '{verifier}' at {resolution} px.*dlib at 64 px"
        ):
            measured_threshold(verifier, resolution=resolution, far=far)


def test_edgefaces_threshold_is_found_again_on_other_photos(shared: Path) -> None:
    pytest.importorskip("onnxruntime")
    pairs = read_pairs(shared / "data/lfw/pairs.txt", shared / "data/lfw").pairs[-120:]
    stored = measured_threshold("edgeface_xs", resolution=64)
    verifier = OnnxVerifier(shared / "weights/edgeface_xs.onnx", threshold=stored.threshold)
    again = calibrate_threshold(verifier, pairs, far=1e-3, rng=torch.Generator().manual_seed(0))
    assert again.threshold_interval[0] < stored.threshold < again.threshold_interval[1]
    assert again.tar > stored.tar_interval[0] - 0.05
