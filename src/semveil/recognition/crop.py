# SPDX-License-Identifier: Apache-2.0
"""Crops of aligned images for recognisers: one fixed similarity or affine transform per recogniser, batched.

All images are aligned to one template (`faces.template`), so faces are not detected again.

"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from skimage.transform import SimilarityTransform
from torch import Tensor

from semveil.faces.template import TEMPLATE


@dataclass(frozen=True)
class CropTemplate:
    """Crop of a recogniser that expects faces aligned to landmarks.

    Attributes:
        size: side of the crop in pixels.
        aligned: (P, 2) x, y of points in an aligned image, in units of its side.
        crop: (P, 2) x, y of the same points in the crop, in units of its side.
    """

    size: int
    aligned: NDArray[np.float64]
    crop: NDArray[np.float64]

    @cached_property
    def to_aligned(self) -> NDArray[np.float64]:
        """Least-squares similarity (3, 3) from crop to aligned image, both in units of the side."""
        return np.asarray(SimilarityTransform.from_estimate(self.crop, self.aligned).params)

    @property
    def share(self) -> float:
        """The crop's side in units of the aligned image's side."""
        return float(np.hypot(*self.to_aligned[:2, 0]))


@dataclass(frozen=True)
class BoxCrop:
    """Crop of a recogniser that expects a detector's box, stretched to a square.

    Attributes:
        size: side of the crop in pixels.
        box: left, top, right, bottom in an aligned image, in units of its side.
    """

    size: int
    box: tuple[float, float, float, float]

    @cached_property
    def to_aligned(self) -> NDArray[np.float64]:
        """Affine map (3, 3) from crop to aligned image, both in units of the side."""
        left, top, right, bottom = self.box
        return np.array([[right - left, 0, left], [0, bottom - top, top], [0, 0, 1]])

    @property
    def share(self) -> float:
        """The box's longer side in units of the aligned image's side."""
        return float(max(self.to_aligned[0, 0], self.to_aligned[1, 1]))


# dlib's chips: its mean face shape of 5 points, in a box with padding 0.25 on each side.
_DLIB_SHAPE = np.array([
    [0.8595674595992, 0.2134981538014], [0.6460604764104, 0.2289674387677],
    [0.1205750620789, 0.2137274526848], [0.3340850613712, 0.2290642403242],
    [0.4901123135679, 0.6277975316475],
])  # fmt: skip
DLIB_CHIP = CropTemplate(150, TEMPLATE, (_DLIB_SHAPE + 0.25) / 1.5)

# ArcFace's 112 px template consists of eye centres (pixel indices, hence + 0.5), nose tip and mouth corners.
# Of these, dlib's points only give the eye centres, as means of the corners. See benchmarks/metrics.py for
# other choices.
_ARCFACE_EYES = np.array([[73.5318, 51.5014], [38.2946, 51.6963]]) + 0.5
ARCFACE_CROP = CropTemplate(112, np.stack([TEMPLATE[:2].mean(0), TEMPLATE[2:4].mean(0)]), _ARCFACE_EYES / 112)

# FaceNet expects MTCNN's boxes, enlarged by a margin of 14 of 160 px. On 239 photos (124 of CelebAMask-HQ,
# 115 of LFW) the boxes' centre is at (0.499, 0.556) of the aligned image, spread (0.05, 0.02), and their size
# is 0.538 x 0.721, spread (0.03, 0.05).
_WIDE, _HIGH = 0.538 * 160 / 146, 0.721 * 160 / 146
FACENET_CROP = BoxCrop(160, (0.499 - _WIDE / 2, 0.556 - _HIGH / 2, 0.499 + _WIDE / 2, 0.556 + _HIGH / 2))


def crop_faces(images: Tensor, template: CropTemplate | BoxCrop) -> Tensor:
    """Resample aligned images to a recogniser's crop.

    Bicubic; when downsampling, several samples per pixel are averaged. Edge pixels are repeated outside the
    image.

    Args:
        images: (B, 3, S, S), aligned by `data.align`, any S.
        template: the recogniser's crop.

    Returns:
        (B, 3, size, size), in the range of `images`; differentiable.

    Raises:
        ValueError: the images are not square.
    """
    if images.ndim != 4 or images.shape[-1] != images.shape[-2]:
        raise ValueError(f"aligned images must be square, (B, 3, S, S), got {tuple(images.shape)}")
    oversampling = max(1, math.ceil(template.share * images.shape[-1] / template.size))
    fine = template.size * oversampling
    # grid_sample's coordinates are -1..1 from corner to corner: x' = 2x - 1 on both sides of the transform.
    centred = np.array([[2.0, 0, -1], [0, 2, -1], [0, 0, 1]])
    matrix = torch.tensor(
        (centred @ template.to_aligned @ np.linalg.inv(centred))[:2], dtype=images.dtype, device=images.device
    )
    grid = F.affine_grid(matrix.expand(len(images), 2, 3), [len(images), 3, fine, fine], align_corners=False)
    crops = F.grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=False)
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return F.avg_pool2d(crops, oversampling).clamp(low, high)  # bicubic overshoots
