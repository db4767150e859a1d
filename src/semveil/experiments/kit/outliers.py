# SPDX-License-Identifier: Apache-2.0
"""Non-face images for the outlier tests of [LDP] 3.2: public ones from scikit-image, and white noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from semveil.faces.pixels import to_tensor

NOISE_SEED = 12


@dataclass(frozen=True, eq=False)
class Outliers:
    """Non-face images with their names.

    Attributes:
        images: (N, 3, S, S) in [-1, 1].
        ids: content of each image.
    """

    images: Tensor
    ids: tuple[str, ...]


def outliers(size: int, *, noises: int) -> Outliers:
    """Return a cat, a cup of coffee and a rocket, all black, all white, and white noise.

    The photos are centred. The paper's dog is not public; scikit-image's cat replaces it. Black and white are
    the paper's own example of distant images. Noise is independent and uniform.

    Args:
        size: side in pixels.
        noises: number of noise images.

    Example:
        >>> outliers(16, noises=1).ids
        ('cat', 'coffee', 'rocket', 'black', 'white', 'white noise 1')
    """
    from skimage import data

    shown = {"cat": data.chelsea(), "coffee": data.coffee(), "rocket": data.rocket()}
    plain = {"black": 0, "white": 255}
    pixels = [centred(picture, size) for picture in shown.values()]
    pixels += [np.full((size, size, 3), level, np.uint8) for level in plain.values()]
    rng = np.random.default_rng(NOISE_SEED)
    pixels += [rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(noises)]
    return Outliers(to_tensor(pixels), (*shown, *plain, *(f"white noise {i}" for i in range(1, noises + 1))))


def centred(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Crop an image (H, W, 3) to its largest central square and resize it.

    Args:
        picture: uint8; further channels are ignored.
        size: side of the result in pixels.

    Returns:
        (size, size, 3) uint8.
    """
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(np.ascontiguousarray(picture[top : top + side, left : left + side, :3]))
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))
