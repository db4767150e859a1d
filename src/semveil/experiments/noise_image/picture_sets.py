# SPDX-License-Identifier: Apache-2.0
"""Labelled pictures of noise-image: as tensors, upsampled, transmitted and synthetic."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.data.labelled_pictures import LabelledPictures
from semveil.experiments.kit.outliers import centred
from semveil.faces.pixels import to_pixels, to_tensor

AT_ONCE = 1 << 20  # picture values per batch
Protect = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Labelled pictures.

    Attributes:
        pixels: (N, 3, H, W) uint8.
        labels: (N,).
    """

    pixels: Tensor
    labels: Tensor

    @property
    def images(self) -> Tensor:
        """(N, 3, H, W) in [-1, 1]."""
        return scaled(self.pixels)

    def rows(self, index: Tensor | slice) -> "Pictures":
        """Select pictures.

        Args:
            index: (M,) rows, or a slice.
        """
        return Pictures(self.pixels[index], self.labels[index])


def scaled(pixels: Tensor) -> Tensor:
    """Images in [-1, 1].

    Args:
        pixels: any shape, uint8.
    """
    return pixels.float() / 127.5 - 1


def in_batches(make: Protect, pixels: Tensor) -> Tensor:
    """Evaluate a function on pictures, in batches.

    Args:
        make: maps images in [-1, 1] to as many results.
        pixels: (N, 3, H, W) uint8.
    """
    rows = max(1, AT_ONCE // pixels[:1].numel())
    return torch.cat([make(scaled(part)) for part in pixels.split(rows)])


def as_sent(protect: Protect, pixels: Tensor) -> Tensor:
    """Protect pictures, in batches, and quantise them to 8 bits for transmission.

    Args:
        protect: maps images in [-1, 1] to protected images.
        pixels: (N, 3, H, W) uint8.

    Returns:
        (N, 3, H, W) uint8.
    """
    return in_batches(lambda images: eight_bits(protect(images)), pixels)


def eight_bits(images: Tensor) -> Tensor:
    """Quantise images to 8 bits.

    Args:
        images: (N, 3, H, W); values outside [-1, 1] are clipped.

    Returns:
        (N, 3, H, W) uint8.
    """
    return torch.from_numpy(to_pixels(images)).permute(0, 3, 1, 2).contiguous()


def as_tensors(pictures: LabelledPictures, size: int | None, count: int | None = None) -> Pictures:
    """Convert loaded pictures to tensors, upsampled by bicubic interpolation.

    Args:
        pictures: as loaded, pixels (N, H, W, 3); square if they are upsampled.
        size: side in pixels; None keeps theirs.
        count: number of pictures, from the first; None for all.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(pictures.pixels[:count].transpose(0, 3, 1, 2)))
    if size is not None and pixels.shape[-1] != size:
        parts = pixels.split(max(1, AT_ONCE // (3 * size**2)))
        large = (F.interpolate(part.float(), (size, size), mode="bicubic") for part in parts)
        pixels = torch.cat([part.round().clamp(0, 255).to(torch.uint8) for part in large])
    return Pictures(pixels, torch.from_numpy(pictures.labels[:count]))


def made_pictures(part: str) -> LabelledPictures:
    """Synthetic pictures for smoke tests: four classes of stripes, by direction, in random colours.

    Args:
        part: `train` (96 pictures) or `test` (32).
    """
    seed, count = {"train": (0, 96), "test": (1, 32)}[part]
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    across, down = np.meshgrid(np.arange(32), np.arange(32))
    ways = np.stack([across, down, across + down, across - down])[labels]
    waves = np.sin(ways / 2 + rng.uniform(0, 6, (count, 1, 1)))[..., None]
    waves = waves * rng.uniform(20, 120, (count, 1, 1, 3))
    return LabelledPictures((128 + waves).astype(np.uint8), labels, ("across", "down", "falling", "rising"))


def shown_pictures(size: int) -> tuple[Tensor, tuple[str, ...]]:
    """Publishable pictures for figures, from scikit-image, cropped to the centre.

    Args:
        size: side in pixels.

    Returns:
        (4, 3, S, S) in [-1, 1], and four names.
    """
    from skimage import data

    found = {"astronaut": data.astronaut()[:300, 80:380], "cat": data.chelsea()}
    found |= {"coffee": data.coffee(), "rocket": data.rocket()}
    return to_tensor([centred(picture, size) for picture in found.values()]), tuple(found)
