# SPDX-License-Identifier: Apache-2.0
"""Menu of the faces of a photo, with the library's numbers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semveil.data.detection import resolve_detector
from semveil.data.faces import find_faces
from semveil.data.photos import Photo
from semveil.recognition.dlib_faces import Face
from semveil.web.asked import LARGEST_FACE

ONE_FACE = [("the largest", LARGEST_FACE)]


def faces_of(pixels: NDArray[np.uint8]) -> list[Face]:
    """Faces of a photo, largest first, as numbered by `semveil.transmit` and `semveil.protect`.

    Args:
        pixels: (H, W, 3) RGB uint8.
    """
    return find_faces(Photo(pixels, "photo", "PNG"), detector=resolve_detector("auto"))


def menu(faces: Sequence[Face], width: int) -> list[tuple[str, str]]:
    """Label and value of each choice.

    Args:
        faces: faces of a photo, largest first.
        width: width of the photo in pixels.

    Example:
        >>> left = Face((10, 20, 99, 109), 1.0, np.zeros((5, 2)))
        >>> right = Face((200, 20, 249, 69), 1.0, np.zeros((5, 2)))
        >>> menu([left, right], 260)
        [('0: 90 px, on the left', 'largest'), ('1: 50 px, on the right', '1')]
    """
    if len(faces) < 2:
        return ONE_FACE
    values = [LARGEST_FACE, *map(str, range(1, len(faces)))]
    names = [f"{i}: {face.shorter_side} px, {_where(face, width)}" for i, face in enumerate(faces)]
    return list(zip(names, values, strict=True))


def _where(face: Face, width: int) -> str:
    third = 3 * (face.box[0] + face.box[2]) / 2 / width
    return "on the left" if third < 1 else "on the right" if third > 2 else "in the middle"
