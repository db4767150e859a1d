"""One face by every method that protects pictures, side by side."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import semveil
from semveil.core.errors import FaceError, SemveilError
from semveil.core.pixels import to_pixels
from semveil.methods.options import declared_options
from semveil.methods.registry import METHODS, image_methods
from semveil.web.html import Card

OWN = "each method's own"


def protect_by_all(photo: NDArray[np.uint8], *, face: str = "largest", epsilon: str = OWN) -> Iterator[Card]:
    """A card for each method, by `semveil.protect`; a method that does not take what is asked says so on its card.

    Args:
        photo: (H, W, 3) RGB.
        face: `largest`, or a number from 0.
        epsilon: a number for those methods that have the option, or `OWN`.

    Raises:
        FaceError: the photo does not show the face.
    """
    for name in image_methods():
        takes = "epsilon" in declared_options(METHODS[name])
        asked: dict[str, Any] = {"epsilon": float(epsilon)} if takes and epsilon != OWN else {}
        try:
            made = semveil.protect(photo, method=name, face=face, **asked)
        except FaceError:
            raise  # it is the same for all
        except (SemveilError, ValueError) as error:
            yield Card(name, None, [str(error)])
            continue
        (certificate,) = made.certificates
        said = f"epsilon {float(epsilon):g}" if asked else "its own settings"
        yield Card(f"{name} ({said})", to_pixels(made.images)[0], certificate=certificate)
