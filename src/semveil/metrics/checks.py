# SPDX-License-Identifier: Apache-2.0
"""Shape checks shared by all image metrics."""

from torch import Tensor


def check_images(images: Tensor, *, name: str = "images") -> None:
    """Check that images are an RGB batch.

    Args:
        images: (B, 3, H, W).
        name: name of the argument, for the message.

    Raises:
        ValueError: the shape differs.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"{name} must be (B, 3, H, W), got {tuple(images.shape)}")


def check_pairs(a: Tensor, b: Tensor) -> None:
    """Check that two batches can be compared image by image.

    Args:
        a: (B, 3, H, W).
        b: (B, 3, H, W).

    Raises:
        ValueError: a shape is not (B, 3, H, W), or the two differ.
    """
    check_images(a, name="the first images")
    if a.shape != b.shape:
        raise ValueError(f"images to compare must have one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
