# SPDX-License-Identifier: Apache-2.0
"""Thresholds that were measured, for verifiers whose authors state none for small aligned faces."""

from semveil.recognition.calibration import Calibration

# benchmarks/metrics.py on 1,999 LFW photos (deep-funneled, aligned the semveil way, nobody held out from training among
# them), torch 2.13, dlib 20, onnxruntime CPU. By LFW's protocol on 1,109 of its pairs: dlib 98.9 % +- 0.2, EdgeFace-XS
# 99.5 % +- 0.1. At its author's threshold (similarity 0.4, distance 0.6) dlib accepts 98.0 %, falsely 0.76 %.
MEASURED = (
    Calibration(
        verifier="dlib",
        resolution=64,
        far=1e-3,
        threshold=0.4675,
        threshold_interval=(0.4575, 0.4792),
        far_interval=(0.00071, 0.00136),
        tar=0.887,
        tar_interval=(0.835, 0.925),
        accuracy=0.989,
        genuine_pairs=908,
        impostor_pairs=1_996_093,
        people=1_359,
        images=1_999,
    ),
    Calibration(
        verifier="edgeface_xs",
        resolution=64,
        far=1e-3,
        threshold=0.2596,
        threshold_interval=(0.2567, 0.2627),
        far_interval=(0.00091, 0.00111),
        tar=0.992,
        tar_interval=(0.986, 0.998),
        accuracy=0.996,
        genuine_pairs=908,
        impostor_pairs=1_996_093,
        people=1_359,
        images=1_999,
    ),
    # benchmarks/identity_encoder.py on LFW's people that were held out from training, at most five photos of each.
    Calibration(
        verifier="bundled",
        resolution=64,
        far=1e-3,
        threshold=0.4669,
        threshold_interval=(0.4505, 0.4938),
        far_interval=(0.00053, 0.00147),
        tar=0.551,
        tar_interval=(0.446, 0.654),
        accuracy=0.932,
        genuine_pairs=301,
        impostor_pairs=77_514,
        people=240,
        images=395,
    ),
    # benchmarks/identity_encoder.py on LFW's people of the development split, at most five photos of each; neither recogniser
    # was trained on our splits.
    Calibration(
        verifier="dlib",
        resolution=128,
        far=1e-3,
        threshold=0.441,
        threshold_interval=(0.4306, 0.4499),
        far_interval=(0.0005, 0.0015),
        tar=0.906,
        tar_interval=(0.844, 0.95),
        accuracy=0.991,
        genuine_pairs=298,
        impostor_pairs=71_333,
        people=227,
        images=379,
    ),
    Calibration(
        verifier="edgeface_xs",
        resolution=128,
        far=1e-3,
        threshold=0.2594,
        threshold_interval=(0.2477, 0.276),
        far_interval=(0.00057, 0.0017),
        tar=0.997,
        tar_interval=(0.99, 1.0),
        accuracy=0.999,
        genuine_pairs=298,
        impostor_pairs=71_333,
        people=227,
        images=379,
    ),
)


def measured_threshold(verifier: str, *, resolution: int, far: float = 1e-3) -> Calibration:
    """What was measured for a verifier at one resolution and false acceptance rate.

    Args:
        verifier: its name.
        resolution: side of the aligned images in pixels.
        far: false acceptance rate.

    Raises:
        ValueError: it was not measured; nothing near is given instead.

    Example:
        >>> measured_threshold("dlib", resolution=64).threshold  # on 1 - distance: a distance of 0.5325
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
