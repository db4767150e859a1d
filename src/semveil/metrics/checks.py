# SPDX-License-Identifier: Apache-2.0
"""What every measurement of images checks first."""

from torch import Tensor


def check_images(images: Tensor, *, name: str = "images") -> None:
    """Refuse what is no batch of RGB images.

    Raises:
        ValueError: not (B, 3, H, W).
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"{name} must be (B, 3, H, W), got {tuple(images.shape)}")


def check_pairs(a: Tensor, b: Tensor) -> None:
    """Refuse two batches that cannot be compared image by image.

    Raises:
        ValueError: a shape is not (B, 3, H, W), or the two differ.
    """
    check_images(a, name="the first images")
    if a.shape != b.shape:
        raise ValueError(f"images to compare must have one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
