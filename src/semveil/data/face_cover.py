# SPDX-License-Identifier: Apache-2.0
"""Segmentation of the face in an aligned crop, so that hair, ears and background can be kept."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.morphology import convex_hull_image

from semveil.faces.parts import PARTS
from semveil.faces.pixels import to_tensor
from semveil.faces.template import FEATURES
from semveil.recognition.face_parser import SIZE, load_face_parser

FACE = ("skin", "eyes", "brows", "mouth", "nose")
MARGIN = 0.01  # margin around the face for the parser's errors, in units of the side
SOFT = 0.03  # width of the blend outside it

_FACE = [PARTS.index(part) for part in FACE]
_BESIDE = [PARTS.index(part) for part in ("neck", "ears")]
_GLASSES = PARTS.index("glasses")


def parsed(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Label the face parts of aligned crops with the bundled face parser.

    Args:
        crops: (N, S, S, 3) RGB uint8, aligned; resized to `SIZE` first.

    Returns:
        (N, SIZE, SIZE) uint8, index of each pixel's part in `faces.parts.PARTS`.
    """
    return load_face_parser().label(to_tensor([_resized(crop) for crop in crops])).numpy()


def face_cover(old: NDArray[np.uint8], new: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Opacity of a new face over an old one: 1 on either face, falling smoothly to 0 around them.

    Args:
        old: (S, S) parts of the original crop.
        new: (S, S) parts of the new crop.

    Returns:
        (S, S) in [0, 1].
    """
    return soft_cover(face_region(old) | face_region(new))


def skin_beside(labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mask of the skin outside the face (neck and ears): 1 there, 0 elsewhere.

    Args:
        labels: (S, S) parts as returned by `parsed`.

    Returns:
        (S, S) float32.
    """
    return np.isin(labels, _BESIDE).astype(np.float32)


def face_region(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mask of the face: one connected region without holes that contains all of `FEATURES`.

    Glasses are included over the face, but not their temples over hair or background.

    Args:
        labels: (H, W) parts as returned by `parsed`.

    Returns:
        (H, W), True on the face.

    Example:
        >>> labels = np.zeros((32, 32), np.uint8)
        >>> labels[8:30, 6:26], labels[0, 0] = PARTS.index("skin"), PARTS.index("skin")
        >>> labels[12:16, 2:30] = PARTS.index("glasses")  # over the face and beyond it on both sides
        >>> region = face_region(labels)
        >>> bool(region[0, 0]), bool(region[14, 3]), bool(region[14, 10]), bool(region[9, 7])
        (False, False, True, True)
    """
    region = _main_piece(np.isin(labels, _FACE) | _features(labels.shape))
    region |= (labels == _GLASSES) & convex_hull_image(region)
    return np.asarray(ndimage.binary_fill_holes(region), bool)


def soft_cover(region: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Opacity of a mask with a soft edge.

    It is 1 on the region and up to `MARGIN` around it, and falls to 0 over a further `SOFT`; both are
    fractions of the side.

    Args:
        region: (S, S), True inside.

    Returns:
        (S, S) float32 in [0, 1].
    """
    beyond = ndimage.distance_transform_edt(~region) / len(region) - MARGIN
    step = np.clip(1 - ndimage.gaussian_filter(beyond, 1.0) / SOFT, 0, 1)
    cover = step * step * (3 - 2 * step)
    return np.maximum(cover, region).astype(np.float32)


def _main_piece(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Connected component of a region that contains the features' centre."""
    pieces, _ = ndimage.label(region)
    (x, y), _ = FEATURES
    height, width = region.shape
    piece: NDArray[np.bool_] = pieces == pieces[int(y * height), int(x * width)]
    return piece


def _features(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    y, x = ((np.arange(side) + 0.5) / side for side in shape)
    (cx, cy), (rx, ry) = FEATURES
    return ((y[:, None] - cy) / ry) ** 2 + ((x[None] - cx) / rx) ** 2 <= 1


def _resized(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(crop).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
