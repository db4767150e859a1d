# SPDX-License-Identifier: Apache-2.0
"""Guided backpropagation (Springenberg et al., 2015): which pixels speak for a class, as a map that has a derivative itself.

The pass back through the network is written out, not asked of autograd, so that autograd sees it as any other
function: the derivative of the map with respect to the images is the true one, while the map is still the
guided one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.recognition.vgg16_classifier import Record, VGG16Classifier


@dataclass(frozen=True)
class Explanation:
    """An explanation h(f'(x)) and the explained scores.

    Attributes:
        maps: (B, 3, H, W), of either sign.
        scores: f'(x) before the softmax, (B, classes).
        seed: the class weights that the pass back started from, (B, classes).
    """

    maps: Tensor
    scores: Tensor
    seed: Tensor


def class_probabilities(scores: Tensor) -> Tensor:
    """Softmax over the classes, the default weights of an explanation: every class counts by its probability.

    Args:
        scores: (B, classes) before the softmax.
    """
    return scores.softmax(1)


def guided_explanation(
    network: VGG16Classifier,
    images: Tensor,
    *,
    seed: Callable[[Tensor], Tensor] = class_probabilities,
    sharpness: float | None = None,
    through_norm: bool = True,
) -> Explanation:
    """Explain the classes of images ([NI] section 3.2, h): R <- W^T (1[z >= 0] max(R, 0)) from the scores down to the pixels.

    z is what entered a ReLU. At the scores there is no ReLU, so nothing is cut there. Poolings send R where
    the maximum came from. Nothing here is private: a mechanism is passed in as `seed`, as in N of [NI] Eqs. 3
    and 7.

    Args:
        network: in evaluation mode.
        images: (B, 3, H, W) in [-1, 1].
        seed: scores (B, classes) before the softmax -> class weights (B, classes) that the map explains. For
            [NI] Eq. 7, the mechanism applied to the softmax; for one class, its one-hot row.
        sharpness: where None the gates 1[z >= 0] are steps, so the map's derivative reaches the images
            through the seed alone. A number makes them logistic(sharpness * z), the derivative of softplus
            (Dombrowski et al., 2019), so that it also comes through the gates; the map tends to the exact one
            as it grows. The scores do not depend on it.
        through_norm: multiply by the scale of batch norm, as the derivative does; the paper's public code
            leaves it out.

    Returns:
        Maps and what they explain. Differentiable in the images and in the network's weights.

    Raises:
        ValueError: the network is in training mode, `sharpness` is not positive, or the seed has another
            shape.

    Example:
        >>> from semveil.recognition.vgg16_config import VGG16Config
        >>> network = VGG16Classifier(VGG16Config.small(classes=10, width=4)).eval()
        >>> guided_explanation(network, torch.zeros(2, 3, 32, 32)).maps.shape
        torch.Size([2, 3, 32, 32])
    """
    if network.training:
        raise ValueError(
            "the network is in training mode, where dropout and batch norm change its maps; call .eval() "
            "first"
        )
    if sharpness is not None and not sharpness > 0:
        raise ValueError(f"sharpness must be positive, or None for steps, got {sharpness}")
    record = Record()
    scores = network(images, record=record)
    weights = seed(scores)
    if weights.shape != scores.shape:
        raise ValueError(
            f"seed must keep the scores' shape {tuple(scores.shape)}, got {tuple(weights.shape)}"
        )

    relevance = weights @ network.linear(-1).weight
    for i, entered in reversed(list(enumerate(record.hidden))):
        relevance = _guided(relevance, entered, sharpness) @ network.linear(i).weight
    grid = network.config.grid
    relevance = _spread(relevance.unflatten(1, (-1, grid, grid)), record.last_map)

    number = len(network.convolutions)
    for block, (size, places) in zip(reversed(network.config.blocks), reversed(record.pools), strict=True):
        empty = relevance.new_zeros(size).flatten(2)
        relevance = empty.scatter(2, places.flatten(2), relevance.flatten(2)).view(size)
        for _ in block:
            number -= 1
            relevance = _guided(relevance, record.convolutions[number], sharpness)
            if through_norm and network.config.batch_norm:
                relevance = relevance * network.norm_scale(number).view(-1, 1, 1)
            convolution = network.convolution(number)
            relevance = F.conv_transpose2d(
                relevance, convolution.weight, padding=convolution.kernel_size[0] // 2
            )
    return Explanation(relevance, scores, weights)


def scale_by_power_of_ten(maps: Tensor) -> Tensor:
    """Each map times the power of ten that brings its largest value into [1, 10), then clipped to [-1, 1].

    The scaling of maps in the paper's public code, before it compares them. It always saturates, and it takes
    away the maps' scale, so noise in the seed is seen only as far as it changes their shape. The power is
    constant almost everywhere and has no derivative here; a map of zeros stays one.

    Args:
        maps: (B, C, H, W).

    Example:
        >>> scale_by_power_of_ten(torch.tensor([0.002, -0.05]).view(1, 1, 1, 2)).flatten()
        tensor([ 0.2000, -1.0000])
    """
    largest = maps.detach().abs().amax((1, 2, 3), keepdim=True)
    exponent = torch.where(largest > 0, largest.log10().floor(), 0)
    return (maps * 10**-exponent).clamp(-1, 1)


def _guided(relevance: Tensor, entered: Tensor, sharpness: float | None) -> Tensor:
    """Back through a ReLU: only what is positive, and only where the ReLU was open."""
    gate = (entered >= 0).to(relevance.dtype) if sharpness is None else torch.sigmoid(sharpness * entered)
    return relevance.relu() * gate


def _spread(relevance: Tensor, size: tuple[int, int]) -> Tensor:
    """Back through the average pooling: each cell of the grid is shared out over the pixels that it averaged."""
    rows, columns = (
        _averaging(side, cells, relevance) for side, cells in zip(size, relevance.shape[2:], strict=True)
    )
    return rows.mT @ relevance @ columns


def _averaging(side: int, cells: int, like: Tensor) -> Tensor:
    """Matrix (cells, side) of adaptive average pooling along one axis."""
    return F.adaptive_avg_pool1d(torch.eye(side, dtype=like.dtype, device=like.device), cells).mT
