# SPDX-License-Identifier: Apache-2.0
"""Conversion between 8-bit pixels and image tensors."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LARGEST = 1.01  # accepted magnitude of image values


def to_tensor(crops: NDArray[np.uint8] | Sequence[NDArray[np.uint8]]) -> Tensor:
    """Convert 8-bit crops of one size to images: x = pixel / 127.5 - 1.

    Args:
        crops: (B, H, W, 3) RGB, or B arrays of (H, W, 3).

    Returns:
        (B, 3, H, W), float32 in [-1, 1]; `to_pixels` restores the pixels exactly.

    Raises:
        ValueError: there are no crops, or they are not (H, W, 3) of one size.
        TypeError: the pixels are not uint8.

    Example:
        >>> to_tensor(np.array([[[[0, 255, 51]]]], np.uint8)).flatten().tolist()
        [-1.0, 1.0, -0.6000000238418579]
    """
    shapes = sorted({np.shape(crop) for crop in crops})
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][-1] != 3:
        raise ValueError(f"crops must be one or more (H, W, 3) arrays of one size, got shapes {shapes}")
    pixels = np.stack(list(crops))
    if pixels.dtype != np.uint8:
        raise TypeError(f"crops must be uint8, got {pixels.dtype}")
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).float() / 127.5 - 1


def to_pixels(images: Tensor) -> NDArray[np.uint8]:
    """Convert images to 8-bit pixels: (x + 1) * 127.5, clamped to 0..255, rounded half to even.

    Args:
        images: (B, 3, H, W); values beyond [-1, 1] are clamped.

    Returns:
        (B, H, W, 3) RGB.

    Raises:
        ValueError: a value is NaN or infinite, the shape is not (B, 3, H, W), or the images are no floats.

    Example:
        >>> to_pixels(torch.tensor([-3.0, 0.0, 1.0]).reshape(1, 3, 1, 1)).tolist()
        [[[[0, 128, 255]]]]
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images must be (B, 3, H, W), got {tuple(images.shape)}")
    check_floats(images)
    images = images.detach().float()
    broken = int((~images.isfinite()).sum())
    if broken:
        raise ValueError(
            f"{broken} of {images.numel()} values are NaN or infinite: the network or its weights are broken"
        )
    pixels = ((images + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(0, 2, 3, 1).cpu().numpy())


def check_images(images: Tensor, size: int, taker: str) -> None:
    """Check that images fit a model of one size.

    Args:
        images: (B, 3, S, S) in [-1, 1].
        size: S, in pixels.
        taker: name of the model, for the message.

    Raises:
        TypeError: not a tensor, such as the path of a photo.
        ValueError: no images, another shape, not finite, or not floats in [-1, 1].

    Example:
        >>> check_images(torch.zeros(1, 3, 4, 4), 8, "the model")
        Traceback (most recent call last):
        ...
        ValueError: the model takes images (B, 3, 8, 8), got (1, 3, 4, 4)
    """
    _check_tensor(images)
    if images.ndim != 4 or images.shape[1:] != (3, size, size):
        raise ValueError(f"{taker} takes images (B, 3, {size}, {size}), got {tuple(images.shape)}")
    if not len(images):
        raise ValueError(f"{taker} takes one image or more, got none")
    check_range(images)


def _check_tensor(images: object) -> None:
    if not isinstance(images, Tensor):
        raise TypeError(
            f"images must be a tensor, got {type(images).__name__}; read photos with semveil.load_faces"
        )


def check_floats(images: Tensor) -> None:
    """Check that images are floats, unlike 8-bit pixels.

    Args:
        images: any shape.

    Raises:
        ValueError: an integer type.
    """
    if not images.is_floating_point():
        raise ValueError(
            f"images must be floats in [-1, 1], got {images.dtype}; semveil.faces.pixels.to_tensor makes "
            "them of pixels"
        )


def check_range(images: Tensor) -> None:
    """Check that images are floats in [-1, 1], unlike 8-bit pixels or floats of 0 to 255.

    Args:
        images: any shape; values up to 0.01 beyond the range pass, since resizing and rounding can cause
            them.

    Raises:
        ValueError: an integer type, or a value outside -1.01 to 1.01, NaN or infinite.

    Example:
        >>> check_range(torch.full((1, 3, 2, 2), 255.0))
        Traceback (most recent call last):
        ...
        ValueError: images must lie in [-1, 1], got values from 255 to 255; pixels become images by pixel /
        127.5 - 1
    """
    _check_tensor(images)
    check_floats(images)
    if not images.numel():
        return
    low, high = (float(value) for value in images.detach().aminmax())
    if not (low >= -LARGEST and high <= LARGEST):  # also true for NaN
        found = "NaN" if low != low or high != high else f"values from {low:g} to {high:g}"
        raise ValueError(
            f"images must lie in [-1, 1], got {found}; pixels become images by pixel / 127.5 - 1"
        )
