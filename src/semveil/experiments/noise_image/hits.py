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
    """Whether each picture is classified correctly.

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
    """Pack booleans into hexadecimal digits, four per digit, most significant bit first.

    Args:
        hits: (N,) booleans, zero-padded to whole bytes.

    Example:
        >>> import torch
        >>> packed(torch.tensor([True, False, False, True, True]))
        '98'
    """
    return np.packbits(hits.numpy()).tobytes().hex()


def unpacked(digits: str, count: int) -> NDArray[np.bool_]:
    """Unpack the booleans of `packed`.

    Args:
        digits: output of `packed`.
        count: number of booleans.

    Example:
        >>> unpacked("98", 5).tolist()
        [True, False, False, True, True]
    """
    return np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8), count=count).astype(bool)
