# SPDX-License-Identifier: Apache-2.0
"""Train a classifier: noise-image's explainer on pictures as they are, its service model on converted ones only."""

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
            quarter of the steps and falls to zero.
        weight_decay: of all weights.
        smoothing: share of each label that is spread over all classes.
        shift: largest shift of a training picture in pixels; a half of them is mirrored besides.
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
    """Minimise the cross-entropy of the labels.

    Args:
        settings: of the run; the defaults where None.
        progress: step done, steps, loss of the step.
        pixels: (N, 3, H, W) uint8.
        labels: (N,) classes from 0.
        config: the network's sizes.
        settings: of the run; those of `ClassifierTraining()` where None.
        rng: random numbers for initialisation, data order and shifts; on the CPU.
        device: where the networks are trained.
        mirrored: (N, 3, H, W) uint8, what is shown in the place of mirrored pictures, such as conversions of
            mirrored sources, which are not mirrored conversions. Mirrored pixels where None.
        through: what a client does with each batch of images in [-1, 1] before the network sees it: a
            conversion for the service model, true noise for a model of n(x). Gradients do not pass.
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
        if len(order) < batch:  # what a whole batch leaves of an epoch is left out
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
    """Images in [-1, 1] of uint8 pixels (B, 3, H, W): each mirrored or not, all shifted by the same draw, the edge repeated.

    Args:
        pixels: (B, 3, H, W) uint8.
        shift: largest, in pixels along each side; 0 for none.
        rng: of mirroring and shift.
        mirrored: what to take in the place of mirrored pixels.
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
        images: (N, 3, H, W) in [-1, 1]; 256 are classified at a time.
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
