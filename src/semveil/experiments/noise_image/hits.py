# SPDX-License-Identifier: Apache-2.0
"""Correctly classified pictures, and their packed form in results."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semveil.experiments.noise_image.picture_sets import AT_ONCE
from semveil.recognition.vgg16_classifier import VGG16Classifier
from semveil.training.classifier import class_scores


def right(network: VGG16Classifier, pixels: Tensor, labels: Tensor) -> Tensor:
    """Whether each of the pictures (N, 3, H, W) uint8 is given its class.

    Args:
        network: classifier.
        pixels: (N, 3, H, W) uint8.
        labels: (N,) classes.

    Returns:
        (N,) booleans.
    """
    rows = max(1, AT_ONCE // pixels[:1].numel())
    scores = torch.cat([class_scores(network, part.float() / 127.5 - 1) for part in pixels.split(rows)])
    return scores.argmax(1) == labels


def packed(hits: Tensor) -> str:
    """Booleans as hexadecimal digits, four in each, the first one the highest; `unpacked` reads them.

    Args:
        hits: (N,) booleans; the last digits are zero-filled.

    Example:
        >>> import torch
        >>> packed(torch.tensor([True, False, False, True, True]))
        '98'
    """
    return np.packbits(hits.numpy()).tobytes().hex()


def unpacked(digits: str, count: int) -> NDArray[np.bool_]:
    """`packed`'s booleans.

    Args:
        digits: as `packed` gave them.
        count: of the booleans.

    Example:
        >>> unpacked("98", 5).tolist()
        [True, False, False, True, True]
    """
    return np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8), count=count).astype(bool)
