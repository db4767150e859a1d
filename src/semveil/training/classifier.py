# SPDX-License-Identifier: Apache-2.0
"""Training of classifiers: noise-image's explainer on originals, its service model on converted images."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.core.device import CPU, device_of, half_precision
from semveil.recognition.vgg16_classifier import VGG16Classifier
from semveil.recognition.vgg16_config import VGG16Config


@dataclass(frozen=True)
class ClassifierTraining:
    """Settings of a run.

    Attributes:
        epochs, batch, learning_rate: stochastic gradient descent with momentum 0.9; the rate rises over a
            quarter of the steps, then falls to zero.
        weight_decay: weight decay of all weights.
        smoothing: label smoothing, the share of each label spread over all classes.
        shift: largest shift of a training image in pixels; half of the images are also mirrored.
    """

    epochs: int = 12
    batch: int = 64
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    smoothing: float = 0.1
    shift: int = 2


def train_classifier(
    pixels: Tensor,
    labels: Tensor,
    config: VGG16Config,
    settings: ClassifierTraining | None = None,
    *,
    rng: torch.Generator,
    device: torch.device = CPU,
    mirrored: Tensor | None = None,
    through: Callable[[Tensor], Tensor] = lambda images: images,
    progress: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> VGG16Classifier:
    """Train a classifier by the cross-entropy of the labels.

    Args:
        pixels: (N, 3, H, W) uint8.
        labels: (N,) classes from 0.
        config: sizes of the network.
        settings: settings of the run; `ClassifierTraining()` where None.
        rng: source of initialisation, data order and shifts, on the CPU.
        device: device of the training.
        mirrored: (N, 3, H, W) uint8, shown instead of mirrored images, such as conversions of mirrored
            sources, which differ from mirrored conversions. Mirrored pixels where None.
        through: client-side transform of each batch of images in [-1, 1] before the network: a conversion for
            the service model, genuine noise for a model of n(x). No gradients are taken through it.
        progress: called after a step with its number from 1, the number of steps and the loss.

    Returns:
        The network, in evaluation mode.
    """
    settings = settings or ClassifierTraining()
    network = VGG16Classifier(config, rng=rng).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(
        network.parameters(), settings.learning_rate, 0.9, nesterov=True, weight_decay=settings.weight_decay
    )
    batch = min(settings.batch, len(pixels))
    steps = settings.epochs * (len(pixels) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=steps, pct_start=0.25
    )
    order = torch.empty(0, dtype=torch.long)
    for step in range(steps):
        if len(order) < batch:  # an incomplete last batch of an epoch is skipped
            order = torch.randperm(len(pixels), generator=rng)
        index, order = order[:batch], order[batch:]
        others = None if mirrored is None else mirrored[index]
        varied = vary(pixels[index], settings.shift, rng, mirrored=others)
        varied = varied.to(device).contiguous(memory_format=torch.channels_last)
        with half_precision(device):
            with torch.no_grad():
                images = through(varied)
            scores = network(images)
        loss = F.cross_entropy(scores.float(), labels[index].to(device), label_smoothing=settings.smoothing)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        progress(step + 1, steps, loss.item())
    return network.eval().requires_grad_(False)


def vary(pixels: Tensor, shift: int, rng: torch.Generator, *, mirrored: Tensor | None = None) -> Tensor:
    """Randomly mirrored and shifted images in [-1, 1] of uint8 pixels.

    Each image is mirrored with probability 1/2; all are shifted by the same draw, with edge padding.

    Args:
        pixels: (B, 3, H, W) uint8.
        shift: largest shift in pixels along each side; 0 for none.
        rng: source of mirroring and shift.
        mirrored: (B, 3, H, W) uint8, used instead of mirrored pixels; None for mirrored pixels.
    """
    mirror = torch.rand(len(pixels), 1, 1, 1, generator=rng) < 0.5
    images = (
        torch.where(mirror, pixels.flip(-1) if mirrored is None else mirrored, pixels).float() / 127.5 - 1
    )
    if not shift:
        return images
    height, width = images.shape[2:]
    down, right = torch.randint(2 * shift + 1, (2,), generator=rng).tolist()
    return F.pad(images, (shift,) * 4, mode="replicate")[..., down : down + height, right : right + width]


@torch.no_grad()
def class_scores(network: VGG16Classifier, images: Tensor) -> Tensor:
    """Class scores (N, classes) before the softmax, on the network's device.

    Args:
        network: the classifier.
        images: (N, 3, H, W) in [-1, 1], processed in batches of 256.
    """
    return torch.cat([network(part.to(device_of(network))) for part in images.split(256)])


def accuracy(network: VGG16Classifier, images: Tensor, labels: Tensor) -> float:
    """Share of images whose highest score is that of their label, from 0 to 1.

    Args:
        network: the classifier.
        images: (N, 3, H, W) in [-1, 1].
        labels: (N,) class indices, on the CPU.
    """
    return class_scores(network, images).argmax(1).cpu().eq(labels).double().mean().item()
