# SPDX-License-Identifier: Apache-2.0
"""Guided backpropagation (Springenberg et al., 2015): class explanation maps that are differentiable.

The backward pass is implemented explicitly instead of by autograd hooks. Autograd therefore treats it as an
ordinary function: the map is the guided one, and its derivative with respect to the images is exact.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.recognition.vgg16_classifier import Record, VGG16Classifier


@dataclass(frozen=True)
class Explanation:
    """Explanation h(f'(x)) and the explained scores.

    Attributes:
        maps: (B, 3, H, W), positive and negative.
        scores: f'(x) before the softmax, (B, classes).
        seed: class weights at the start of the backward pass, (B, classes).
    """

    maps: Tensor
    scores: Tensor
    seed: Tensor


def class_probabilities(scores: Tensor) -> Tensor:
    """Softmax over the classes, the default class weights of an explanation.

    Args:
        scores: (B, classes) before the softmax.

    Returns:
        (B, classes), each row sums to 1.
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
    """Explain the class scores of images by guided backpropagation (h in [NI] section 3.2).

    R <- W^T (1[z >= 0] max(R, 0)) is iterated from the scores to the pixels, where z is the input of a ReLU.
    The scores have no ReLU and thus no gate. Max pooling routes R to the position of the maximum. Nothing
    here is
    private: a mechanism is passed in as `seed`, as is N in [NI] Eqs. 3 and 7.

    Args:
        network: the classifier, in evaluation mode.
        images: (B, 3, H, W) in [-1, 1].
        seed: scores (B, classes) before the softmax -> class weights (B, classes) that the map explains. For
            [NI] Eq. 7, the mechanism applied to the softmax; for one class, its one-hot row.
        sharpness: None uses step gates 1[z >= 0], so that the map depends on the images differentiably only
            through the seed. A number uses gates logistic(sharpness * z), the derivative of softplus
            (Dombrowski et al., 2019), which are differentiable too; the map converges to the exact one as it
            grows. The scores do not depend on it.
        through_norm: multiply by the scale of batch norm, as the true derivative does; the paper's public
            code omits it.

    Returns:
        Maps and scores, differentiable in the images and in the network's weights.

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
    """Scale each map by the power of ten that puts its largest magnitude in [1, 10), then clip to [-1, 1].

    The paper's public code scales maps in this way before comparing them. It always saturates and removes the
    maps' scale, so that noise in the seed only has an effect if it changes their shape. The power is constant
    almost everywhere and treated as such in the derivative; a zero map is unchanged.

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
    """Propagate back through a ReLU: keep positive relevance where the ReLU was active."""
    gate = (entered >= 0).to(relevance.dtype) if sharpness is None else torch.sigmoid(sharpness * entered)
    return relevance.relu() * gate


def _spread(relevance: Tensor, size: tuple[int, int]) -> Tensor:
    """Propagate back through average pooling: distribute each grid cell over the pixels that it averaged."""
    rows, columns = (
        _averaging(side, cells, relevance) for side, cells in zip(size, relevance.shape[2:], strict=True)
    )
    return rows.mT @ relevance @ columns


def _averaging(side: int, cells: int, like: Tensor) -> Tensor:
    """Matrix (cells, side) of adaptive average pooling along one axis."""
    return F.adaptive_avg_pool1d(torch.eye(side, dtype=like.dtype, device=like.device), cells).mT
