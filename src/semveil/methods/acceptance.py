# SPDX-License-Identifier: Apache-2.0
"""Public acceptance tests of a protected image, for methods that draw until one passes."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from semveil.core.registry import Registry
from semveil.faces.pixels import to_pixels

_SIDE = 256  # px; the detector needs faces of about 80 px


def shows_a_face(image: Tensor) -> bool:
    """True if dlib's HOG detector finds a face in an aligned image.

    The image is enlarged to 256 px and its edges are replicated, since the detector needs a margin.

    Args:
        image: (3, S, S) in [-1, 1].

    Example:
        >>> import torch
        >>> shows_a_face(torch.zeros(3, 64, 64))
        False
    """
    from semveil.recognition.dlib_faces import detect_faces  # dlib takes a third of a second to load

    enlarged = functional.interpolate(
        image[None].detach().float().cpu(), size=(_SIDE, _SIDE), mode="bicubic", antialias=True
    )
    (pixels,) = to_pixels(functional.pad(enlarged, (_SIDE // 4,) * 4, mode="replicate"))
    return bool(detect_faces(pixels))


ACCEPTANCE: Registry[Callable[[Tensor], bool]] = Registry("acceptance test")
ACCEPTANCE.add("face", shows_a_face)
