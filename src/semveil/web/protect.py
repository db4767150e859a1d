# SPDX-License-Identifier: Apache-2.0
"""Protection of one face by every image method, side by side."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import semveil
from semveil.bulk.protect import ProtectedFaces
from semveil.core.errors import FaceError, SemveilError
from semveil.faces.pixels import to_pixels
from semveil.methods.options import declared_options
from semveil.methods.registry import METHODS, image_methods
from semveil.methods.release import Layout, layout_of
from semveil.web.html import Card

OWN = "each method's own"


def protect_by_all(photo: NDArray[np.uint8], *, face: str = "largest", epsilon: str = OWN) -> Iterator[Card]:
    """Protect a photo by every image method, one after the other.

    Args:
        photo: (H, W, 3) RGB uint8.
        face: which face, as for `protect_by`.
        epsilon: as for `protect_by`.

    Yields:
        A card for each method, as returned by `protect_by`.

    Raises:
        FaceError: as for `protect_by`.
    """
    for name in image_methods():
        yield protect_by(name, photo, face=face, epsilon=epsilon)


def protect_by(name: str, photo: NDArray[np.uint8], *, face: str = "largest", epsilon: str = OWN) -> Card:
    """Protect the face by one method, by `semveil.protect`; other errors become the text of the card.

    Args:
        name: name of the method.
        photo: (H, W, 3) RGB.
        face: `largest`, or a number from 0.
        epsilon: a number, for methods that take an epsilon, or `OWN`.

    Returns:
        The card of the method.

    Raises:
        FaceError: the photo does not show the face, so every method would fail.
    """
    takes = "epsilon" in declared_options(METHODS[name])
    asked: dict[str, Any] = {"epsilon": float(epsilon)} if takes and epsilon != OWN else {}
    try:
        made = _protect(photo, name, layout_of(image_methods()[name]), face, asked)
    except FaceError:
        raise
    except (SemveilError, ValueError) as error:
        return Card(name, None, [str(error)])
    (certificate,) = made.certificates
    said = [f"Asked for: epsilon {asked['epsilon']:g}."] if asked else []
    return Card(name, to_pixels(made.images)[0], said, certificate)


def _protect(
    photo: NDArray[np.uint8], name: str, layout: Layout, face: str, asked: dict[str, Any]
) -> ProtectedFaces:
    if layout == Layout.PICTURE:  # it detects no faces, and gets the same crop as the others
        size = semveil.load_method(name).size
        return semveil.protect(semveil.load_faces(photo, size=size, face=face), method=name, **asked)
    return semveil.protect(photo, method=name, face=face, **asked)
