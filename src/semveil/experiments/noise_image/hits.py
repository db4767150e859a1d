# SPDX-License-Identifier: Apache-2.0
"""Correctly classified pictures, and their packed form in results."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from semveil.attacks.intervals import rate
from semveil.experiments.kit.statistics import score_as_json
from semveil.experiments.noise_image.picture_sets import in_batches
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
    return in_batches(lambda images: class_scores(network, images), pixels).argmax(1) == labels


def accuracy(hits: Tensor) -> dict[str, Any]:
    """Share of correctly classified pictures with its interval, as stored in results.

    Args:
        hits: see `right`.
    """
    return score_as_json(rate(hits.numpy()))


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
