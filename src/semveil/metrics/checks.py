# SPDX-License-Identifier: Apache-2.0
"""Checks of images shared by all image metrics."""

from torch import Tensor


def check_images(images: Tensor, *, name: str = "images") -> None:
    """Check that images are an RGB batch of floats, unlike 8-bit pixels, whose metrics would be meaningless.

    Args:
        images: (B, 3, H, W).
        name: name of the argument, for the message.

    Raises:
        ValueError: another shape, or no floats.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"{name} must be (B, 3, H, W), got {tuple(images.shape)}")
    if not images.is_floating_point():
        raise ValueError(
            f"{name} must be floats in [-1, 1], got {images.dtype}; pixels become images by pixel / 127.5 - 1"
        )


def check_pairs(a: Tensor, b: Tensor) -> None:
    """Check that two batches can be compared image by image.

    Args:
        a: (B, 3, H, W).
        b: (B, 3, H, W).

    Raises:
        ValueError: a shape is not (B, 3, H, W), the two differ, or one holds no floats.
    """
    check_images(a, name="the first images")
    check_images(b, name="the second images")
    if a.shape != b.shape:
        raise ValueError(f"images to compare must have one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
