# SPDX-License-Identifier: Apache-2.0
"""Labelled pictures of noise-image's experiments: as tensors, upsampled, as transmitted, and synthetic ones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.data.labelled_pictures import LabelledPictures
from semveil.experiments.kit.outliers import centred
from semveil.faces.pixels import to_pixels, to_tensor

AT_ONCE = 1 << 20  # values of pictures that networks get at a time
Protect = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Attributes: pixels: (N, 3, H, W) uint8; labels: (N,)."""

    pixels: Tensor
    labels: Tensor

    @property
    def images(self) -> Tensor:
        """(N, 3, H, W) in [-1, 1]."""
        return self.pixels.float() / 127.5 - 1

    def rows(self, index: Tensor | slice) -> "Pictures":
        """Some of them.

        Args:
            index: (M,) rows, or a slice of them.
        """
        return Pictures(self.pixels[index], self.labels[index])


def as_tensors(pictures: LabelledPictures) -> Pictures:
    """Pixels (N, 3, H, W) and labels of pictures that were read.

    Args:
        pictures: as they were read.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(pictures.pixels.transpose(0, 3, 1, 2)))
    return Pictures(pixels, torch.from_numpy(pictures.labels))


def as_sent(protect: Protect, pixels: Tensor) -> Tensor:
    """What travels: 8-bit pixels (N, 3, H, W) of what is made of pixels (N, 3, H, W) uint8, some pictures at a time.

    Args:
        protect: images in [-1, 1] -> what is made of them.
        pixels: (N, 3, H, W) uint8.

    Returns:
        (N, 3, H, W) uint8.
    """
    rows = max(1, AT_ONCE // pixels[:1].numel())
    return torch.cat([eight_bits(protect(part.float() / 127.5 - 1)) for part in pixels.split(rows)])


def eight_bits(images: Tensor) -> Tensor:
    """Images (N, 3, H, W) about [-1, 1] as 8-bit pixels of the same shape.

    Args:
        images: (N, 3, H, W); what is beyond [-1, 1] is clipped.

    Returns:
        (N, 3, H, W) uint8.
    """
    return torch.from_numpy(to_pixels(images)).permute(0, 3, 1, 2).contiguous()


def enlarged(pictures: Pictures, size: int | None) -> Pictures:
    """Bicubic, to so many pixels a side; as they are where None.

    Args:
        pictures: square.
        size: side in pixels; None for the size that they have.
    """
    if size is None or pictures.pixels.shape[-1] == size:
        return pictures
    rows = max(1, AT_ONCE // (3 * size**2))
    parts = (
        F.interpolate(part.float(), (size, size), mode="bicubic") for part in pictures.pixels.split(rows)
    )
    return Pictures(
        torch.cat([part.round().clamp(0, 255).to(torch.uint8) for part in parts]), pictures.labels
    )


def made_pictures(part: str) -> LabelledPictures:
    """Pictures of four classes, lines in four directions of random colours: for plumbing only.

    Args:
        part: `train` (96 of them) or `test` (32).
    """
    rng = np.random.default_rng(["train", "test"].index(part))
    count = {"train": 96, "test": 32}[part]
    labels = rng.integers(0, 4, count)
    across, down = np.meshgrid(np.arange(32), np.arange(32))
    ways = np.stack([across, down, across + down, across - down])[labels]
    waves = np.sin(ways / 2 + rng.uniform(0, 6, (count, 1, 1)))[..., None] * rng.uniform(
        20, 120, (count, 1, 1, 3)
    )
    return LabelledPictures((128 + waves).astype(np.uint8), labels, ("across", "down", "falling", "rising"))


def shown_pictures(size: int) -> tuple[Tensor, tuple[str, ...]]:
    """Pictures that figures may show: of scikit-image, centred; images and what they show.

    Args:
        size: side in pixels.

    Returns:
        (4, 3, S, S) in [-1, 1], and four names.
    """
    from skimage import data

    found = {
        "astronaut": data.astronaut()[:300, 80:380],
        "cat": data.chelsea(),
        "coffee": data.coffee(),
        "rocket": data.rocket(),
    }
    return to_tensor([centred(picture, size) for picture in found.values()]), tuple(found)
