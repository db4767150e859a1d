# SPDX-License-Identifier: Apache-2.0
"""Displacement of eyes and nose by dlib's five landmarks on aligned images."""

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from semveil.faces.pixels import to_pixels
from semveil.metrics.checks import check_images
from semveil.metrics.detection import PADDING, SIDE
from semveil.metrics.points import landmark_error
from semveil.recognition.dlib_faces import detect_faces


def five_points(images: Tensor) -> list[NDArray[np.float64] | None]:
    """Locate the eye corners and the base of the nose in each aligned image, in units of its side.

    Faces are detected as by `face_detected`; dlib rounds to whole pixels of 256, i.e. 0.4 %.


    Args:
        images: (B, 3, H, W) in [-1, 1].

    Returns:
        One array (5, 2) per image; None where no face is found.
    """
    check_images(images)
    resized = F.interpolate(images.detach().float().cpu(), size=(SIDE, SIDE), mode="bicubic", antialias=True)
    found: list[NDArray[np.float64] | None] = []
    for pixels in to_pixels(F.pad(resized, (PADDING,) * 4, mode="replicate")):
        faces = detect_faces(pixels)
        found.append((faces[0].landmarks - PADDING) / SIDE if faces else None)
    return found


def five_point_error(source: list[NDArray[np.float64] | None], images: Tensor) -> list[float | None]:
    """Mean displacement of the five points relative to the photo's eye distance.

    Args:
        source: points of the photos, as returned by `five_points`.
        images: (B, 3, H, W) in [-1, 1], one for each photo.

    Returns:
        One value per image; None where either lacks a face.
    """
    errors: list[float | None] = []
    for before, after in zip(source, five_points(images), strict=True):
        if before is None or after is None:
            errors.append(None)
            continue
        eyes = float(np.linalg.norm(before[:2].mean(0) - before[2:4].mean(0)))
        errors.append(landmark_error(before, after, eyes) if eyes > 0 else None)
    return errors
