# SPDX-License-Identifier: Apache-2.0
"""Colour matching of a crop to the surroundings of the place where it is pasted."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

REACH = 0.12  # standard deviation of the Gaussian that spreads differences, in units of the side
RING = 0.10  # width of the ring around the covered part in which pixels are compared
LARGEST = 40.0  # levels: pixels that differ by more show different content

_TRUST = 0.02  # weight of comparable pixels at which half of their difference is applied


def toned(
    new: NDArray[np.uint8], old: NDArray[np.uint8], cover: NDArray[np.float32], clear: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Shift the colours of a crop by `tone_shift` to match the surroundings.

    Args:
        new: (T, T, 3) RGB uint8.
        old: (S, S, 3) RGB uint8, original crop of the same place.
        cover: (S, S) in [0, 1], opacity of the new crop over the old one.
        clear: (S, S), True where pixels of the old crop may be compared.

    Returns:
        (T, T, 3) uint8.
    """
    return shifted(new, tone_shift(new, old, cover, clear))


def tone_shift(
    new: NDArray[np.uint8], old: NDArray[np.uint8], cover: NDArray[np.float32], clear: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Colour shift of a new crop, in levels, that matches it to the old one around the covered part.

    The differences are extended smoothly into the covered part: (G * w (old - new)) / (G * w + trust), where
    w is 1 on compared pixels and G is a Gaussian of width `REACH`. Covered pixels of the old crop do not
    contribute.

    Args:
        new: (T, T, 3) RGB.
        old: (S, S, 3) RGB, original crop of the same place.
        cover: (S, S) in [0, 1], opacity of the new crop over the old one.
        clear: (S, S), True where the old crop's pixels appear unchanged in the picture, unless covered.

    Returns:
        (S, S, 3).
    """
    size = len(old)
    difference = old.astype(np.float32) - np.asarray(_resized(new, size), np.float32)
    near = ndimage.distance_transform_edt(cover == 0) <= RING * size
    compared = clear & (cover == 0) & near & (np.abs(difference).max(-1) <= LARGEST)
    blurred = lambda plane: ndimage.gaussian_filter(plane, REACH * size, mode="constant", truncate=3)  # noqa: E731
    weight = blurred(compared.astype(np.float32))
    total = np.stack([blurred(np.where(compared, difference[..., c], 0)) for c in range(3)], -1)
    shift: NDArray[np.float32] = total / (weight + _TRUST)[..., None]
    return shift


def shifted(new: NDArray[np.uint8], shift: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Add a colour shift, resized to the crop's resolution; the result is clipped to 0..255.

    Args:
        new: (T, T, 3) RGB uint8.
        shift: (S, S, 3) in levels.

    Returns:
        (T, T, 3) uint8.
    """
    planes = (
        Image.fromarray(shift[..., c]).resize(new.shape[1::-1], Image.Resampling.BILINEAR) for c in range(3)
    )
    return np.rint(new + np.stack([np.asarray(plane) for plane in planes], -1)).clip(0, 255).astype(np.uint8)


def _resized(crop: NDArray[np.uint8], size: int) -> Image.Image:
    return Image.fromarray(crop).resize((size, size), Image.Resampling.BICUBIC)
