# SPDX-License-Identifier: Apache-2.0
"""CelebA-HQ-style face alignment: a similarity transform from dlib's five landmarks to a fixed template."""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.transform import SimilarityTransform

from semveil.faces.template import TEMPLATE

_WINDOW = 1 << 24  # pixels of a photo processed at once; peak memory is 24 bytes each


@dataclass(frozen=True)
class AlignedFace:
    """Square aligned crop with its transform to the photo.

    Attributes:
        pixels: (S, S, 3) RGB, uint8.
        to_photo: (3, 3) homogeneous matrix, crop pixel corners -> photo pixel corners (x, y, 1).
        inside: (S, S) share in [0, 1] of each crop pixel that valid photo pixels cover.
    """

    pixels: NDArray[np.uint8]
    to_photo: NDArray[np.float64]
    inside: NDArray[np.float32]


def align_face(
    photo: NDArray[np.uint8],
    landmarks: NDArray[np.float64],
    size: int,
    *,
    valid: NDArray[np.bool_] | None = None,
) -> AlignedFace:
    """Warp a face so that its eye corners and nose base match `TEMPLATE`.

    The photo is mirrored at its edges. The warp is oversampled when it reduces the size, to avoid aliasing.

    Args:
        photo: (H, W, 3) RGB.
        landmarks: (5, 2) x, y pixel indices, as returned by `recognition.dlib_faces.detect_faces`.
        size: side of the crop in pixels.
        valid: (H, W), False where the photo has no content (borders left by an earlier warp).
    """
    transform = SimilarityTransform.from_estimate(TEMPLATE * size, landmarks + 0.5)
    assert isinstance(transform, SimilarityTransform)  # fails for coinciding landmarks
    to_photo = np.asarray(transform.params)
    present = np.ones(photo.shape[:2], bool) if valid is None else valid
    bands = math.ceil((float(transform.scale) * size) ** 2 / _WINDOW)  # more than one only for huge faces
    edges = np.linspace(0, size, min(bands, size) + 1).astype(int)
    parts = [
        _rows(photo, present, transform, size, top, bottom)
        for top, bottom in itertools.pairwise(edges.tolist())
    ]
    pixels, inside = (np.concatenate(part) for part in zip(*parts, strict=True))
    return AlignedFace(pixels, to_photo, inside)


def enlargement(landmarks: NDArray[np.float64], size: int) -> float:
    """Ratio of a face's size in its photo to its size in the aligned crop; above 1 if the crop is reduced.

    Args:
        landmarks: (5, 2) x, y pixel indices in the photo, as for `align_face`.
        size: side of the crop in pixels.

    Example:
        >>> round(enlargement(TEMPLATE * 256 - 0.5, 64), 6)
        4.0
    """
    transform = SimilarityTransform.from_estimate(TEMPLATE * size, landmarks + 0.5)
    assert isinstance(transform, SimilarityTransform)
    return float(transform.scale)


def _rows(
    photo: NDArray[np.uint8],
    present: NDArray[np.bool_],
    transform: SimilarityTransform,
    size: int,
    first: int,
    last: int,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Rows first to last - 1 of the crop, and the share of each pixel that lies on the photo."""
    oversampling = max(1, math.ceil(float(transform.scale) - 1e-6))
    corners = transform(np.array([[0, first], [size, first], [0, last], [size, last]], dtype=float))
    (left, top), (right, bottom) = (
        np.floor(corners.min(0)).astype(int) - 2,
        np.ceil(corners.max(0)).astype(int) + 2,
    )

    height, width = photo.shape[:2]
    rows, columns = _mirrored(top, bottom, height), _mirrored(left, right, width)
    window = photo[rows[:, None], columns[None, :]]
    on_photo = ((np.arange(top, bottom) >= 0) & (np.arange(top, bottom) < height))[:, None] & (
        (np.arange(left, right) >= 0) & (np.arange(left, right) < width)
    )
    mask = present[rows[:, None], columns[None, :]] & on_photo

    shift, start = (
        np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]),
        np.array([[1, 0, 0], [0, 1, first], [0, 0, 1]]),
    )
    to_window = (
        shift @ np.asarray(transform.params) @ start @ np.diag([1 / oversampling, 1 / oversampling, 1])
    )
    affine = tuple(to_window.ravel()[:6])
    fine = (size * oversampling, (last - first) * oversampling)

    def sample(plane: NDArray[Any], resampling: Image.Resampling) -> NDArray[np.float32]:
        # In floats: for 8 bits Pillow truncates, which darkens by half a level.
        samples = Image.fromarray(plane.astype(np.float32)).transform(
            fine, Image.Transform.AFFINE, affine, resampling
        )
        return np.asarray(samples.reduce(oversampling))

    crop = np.stack([sample(window[..., c], Image.Resampling.BICUBIC) for c in range(3)], -1)
    pixels = np.rint(crop.clip(0, 255)).astype(np.uint8)
    return pixels, sample(mask, Image.Resampling.BILINEAR)


def _mirrored(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Indices start..stop-1 mapped to 0..length-1 by mirroring at both edges."""
    index = np.abs(np.arange(start, stop) + 0.5) - 0.5
    period = index % (2 * length)
    return np.where(period < length, period, 2 * length - 1 - period).astype(np.intp)
