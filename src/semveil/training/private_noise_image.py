# SPDX-License-Identifier: Apache-2.0
"""DP-SGD training of noise-image's networks, for private training images."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.generators.conversion import ConversionGenerator
from semveil.generators.noise_discriminator import NoiseDiscriminator
from semveil.recognition.vgg16_classifier import VGG16Classifier
from semveil.recognition.vgg16_config import VGG16Config
from semveil.training.classifier import vary
from semveil.training.dp_sgd import DPSGD, Phase, PrivateTrainer
from semveil.training.noise_image import ConversionTraining, explanation_loss, noised


def private_classifier(
    pixels: Tensor,
    labels: Tensor,
    config: VGG16Config,
    phase: Phase,
    settings: DPSGD,
    *,
    rng: torch.Generator,
    through: Callable[[Tensor], Tensor] = lambda images: images,
) -> VGG16Classifier:
    """`train_classifier` with private gradients, for an explainer or, with a conversion, a service model.

    Args:
        pixels: (N, 3, H, W) uint8.
        labels: (N,) classes from 0.
        config: network configuration without batch norm.
        phase: sampling rate and steps.
        settings: clip, noise and learning rate.
        rng: source of initialisation, batches and noise.
        through: client-side transform of each batch before the network, which must act on each image
            separately.
    """
    network = VGG16Classifier(config, rng=rng)
    trainer = PrivateTrainer(network, phase, settings, pictures=len(pixels), rng=rng)

    def loss(rows: Tensor) -> Tensor:
        with torch.no_grad():
            images = through(vary(pixels[rows], 0, rng))
        return F.cross_entropy(network(images), labels[rows])

    for _ in range(phase.steps):
        trainer.step(loss)
    trainer.finish()
    return network


def private_conversion(
    pixels: Tensor,
    explainer: VGG16Classifier,
    training: ConversionTraining,
    phases: tuple[Phase, Phase],
    settings: DPSGD,
    *,
    rng: torch.Generator,
) -> ConversionGenerator:
    """`train_conversion` with private gradients of both networks, which use separate batches.

    Args:
        pixels: (N, 3, H, W) uint8.
        explainer: trained privately, or on public images.
        training: sigma, weights and sizes; its steps, batch and learning rate are not used.
        phases: phases of the generator and of the discriminator, with equal numbers of steps.
        settings: clip, noise and learning rate.
        rng: source of initialisation, batches and noise.
    """
    generator = ConversionGenerator(training.generator, rng=rng)
    width, halvings = training.discriminator_width, training.discriminator_halvings
    discriminator = NoiseDiscriminator(width=width, halvings=halvings, rng=rng)
    steps = [
        PrivateTrainer(network, phase, settings, pictures=len(pixels), rng=rng)
        for network, phase in zip((generator, discriminator), phases, strict=True)
    ]

    def deceive(rows: Tensor) -> Tensor:
        images = vary(pixels[rows], 0, rng)
        converted = generator(images)
        loss = training.alpha * (discriminator(converted) - 1).square().mean()
        if training.beta:
            loss = loss + training.beta * explanation_loss(explainer, images, converted, training, rng)
        return loss

    def judge(rows: Tensor) -> Tensor:
        images = vary(pixels[rows], 0, rng)
        with torch.no_grad():
            converted = generator(images)
        real, fake = discriminator(noised(images, training.sigma, rng=rng)), discriminator(converted)
        return (real - 1).square().mean() + fake.square().mean()

    for _ in range(phases[0].steps):
        discriminator.requires_grad_(False)
        steps[0].step(deceive)
        discriminator.requires_grad_(True)
        steps[1].step(judge)
    for trainer in steps:
        trainer.finish()
    return generator
