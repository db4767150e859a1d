# SPDX-License-Identifier: Apache-2.0
"""Estimation of image grain (noise), insensitive to edges and textures."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LARGEST = 8.0  # maximum grain added, in levels

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Immerkaer 1996: insensitive to edges and slopes
_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_BLOCK = 8
_FLAT = 0.25  # share of the blocks assumed to be flat


def grains(pixels: NDArray[Any], seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Noise standard deviation of the luma in each block of 8 px, in levels.

    Immerkaer's estimator, sqrt(pi / 2) mean |L * Y| / 6.

    Args:
        pixels: (H, W, 3) RGB of any dtype.
        seen: (H, W); blocks with a pixel that is False or adjacent to one are omitted.

    Returns:
        (N,), one value per remaining block.
    """
    height, width = (side // _BLOCK * _BLOCK for side in seen.shape)
    if not height or not width:
        return np.zeros(0, np.float32)
    rough = np.abs(ndimage.convolve(pixels.astype(np.float32) @ _LUMA, _MASK, mode="nearest"))
    blocks = lambda plane: plane[:height, :width].reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)  # noqa: E731
    whole = blocks(ndimage.binary_erosion(seen, np.ones((3, 3), bool), border_value=1)).all((1, 3))
    estimates: NDArray[np.float32] = np.float32(np.sqrt(np.pi / 2) / 6) * blocks(rough).mean((1, 3))[whole]
    return estimates


def grain_of(estimates: NDArray[np.float32]) -> float:
    """Noise level of an image: the first quartile over its blocks (others have texture); 0 without blocks.

    The scatter of the block estimates biases it downwards, by about an eighth for white noise.

    Args:
        estimates: (N,) standard deviation of each block in levels of 0 to 255, as returned by `grains`.

    Example:
        >>> noise = np.random.default_rng(0).normal(128, 4, (128, 128, 1)).repeat(3, -1)
        >>> 3.3 < grain_of(grains(noise, np.ones((128, 128), bool))) < 3.7
        True
    """
    return float(np.quantile(estimates, _FLAT)) if len(estimates) else 0.0
