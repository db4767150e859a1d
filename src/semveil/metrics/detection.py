# SPDX-License-Identifier: Apache-2.0
"""Face detection rate, by dlib's HOG detector as in the papers."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.faces.pixels import to_pixels
from semveil.metrics.checks import check_images
from semveil.recognition.dlib_faces import detect_faces

SIDE = 256  # px; the detector needs faces of about 80 px
PADDING = SIDE // 4  # on each side: aligned faces nearly fill the image


def face_detected(images: Tensor) -> Tensor:
    """Return True for each aligned image in which dlib's HOG detector finds a face.

    Images are resized to 256 px (bicubic) and padded by 25 % on each side by repeating the edge pixels;
    reflecting would add half faces. The detector misses faces in some real photos, too, so report rates
    relative to the source's.

    Args:
        images: (B, 3, H, W) in [-1, 1].

    Returns:
        (B,) bool, on the images' device.

    Example:
        >>> face_detected(torch.zeros(1, 3, 64, 64))
        tensor([False])
    """
    check_images(images)
    resized = F.interpolate(images.detach().float().cpu(), size=(SIDE, SIDE), mode="bicubic", antialias=True)
    pixels = to_pixels(F.pad(resized, (PADDING,) * 4, mode="replicate"))
    return torch.tensor(
        [bool(detect_faces(image)) for image in pixels], dtype=torch.bool, device=images.device
    )


@dataclass(frozen=True)
class DetectionRate:
    """Face detection rates in source and received images.

    Attributes:
        images: number of source images, equal to that of received images.
        found: received images with a face.
        found_in_source: source images with a face.

    Example:
        >>> rate = DetectionRate(images=200, found=190, found_in_source=195)
        >>> rate.rate, rate.source_rate, round(rate.ratio, 3)
        (0.95, 0.975, 0.974)
    """

    images: int
    found: int
    found_in_source: int

    @property
    def rate(self) -> float:
        """Share of the received images with a face: the papers' face detection rate (FDR)."""
        return self.found / self.images

    @property
    def source_rate(self) -> float:
        """Share of the source images with a face."""
        return self.found_in_source / self.images

    @property
    def ratio(self) -> float | None:
        """`rate` / `source_rate`; None if no source image has a face.

        It exceeds 1 if faces are detected in more received than source images.
        """
        return self.found / self.found_in_source if self.found_in_source else None


def detection_rate(source: Tensor, received: Tensor) -> DetectionRate:
    """Face detection rate of received images and of their source ([IDP] V-B), both by `face_detected`.

    Args:
        source: (B, 3, H, W) in [-1, 1], aligned.
        received: (B, 3, H', W') in [-1, 1]; the size may differ.

    Raises:
        ValueError: there are no images, or the numbers differ.
    """
    if not len(source) or len(source) != len(received):
        raise ValueError(
            f"detection rates need one or more images and as many sources, got {len(received)} and "
            f"{len(source)}"
        )
    return DetectionRate(len(source), int(face_detected(received).sum()), int(face_detected(source).sum()))
