# SPDX-License-Identifier: Apache-2.0
"""noise-image's networks under DP-SGD."""

import pytest
import torch

from semveil.generators.conversion import ConversionConfig
from semveil.recognition.vgg16_classifier import VGG16Classifier
from semveil.recognition.vgg16_config import VGG16Config
from semveil.training.dp_sgd import DPSGD, Phase
from semveil.training.noise_image import ConversionTraining
from semveil.training.private_noise_image import private_classifier, private_conversion

pytest.importorskip("opacus")
PLAIN = VGG16Config(((4,), (8,)), grid=1, hidden=(8,), classes=2, dropout=0.0)
TRAINING = ConversionTraining(
    generator=ConversionConfig(width=2, blocks=1), discriminator_width=2, discriminator_halvings=1
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bright_and_dark(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.arange(count) % 2
    pixels = torch.randint(0, 100, (count, 3, 8, 8), generator=rng(), dtype=torch.uint8)
    return pixels + 100 * labels.to(torch.uint8)[:, None, None, None], labels


def test_a_classifier_learns_with_little_noise_and_not_with_much() -> None:
    pixels, labels = bright_and_dark(60)
    right = []
    for noise in (0.1, 300.0):
        settings = DPSGD(noise=noise, learning_rate=1e-2)
        network = private_classifier(pixels, labels, PLAIN, Phase("f", 0.5, 30), settings, rng=rng())
        right.append((network(pixels.float() / 127.5 - 1).argmax(1) == labels).float().mean().item())
    assert right[0] > 0.9 > 0.75 > right[1]


def test_a_conversion_is_trained_from_batches_of_two_phases() -> None:
    pixels, _ = bright_and_dark(12)
    explainer = VGG16Classifier(PLAIN, rng=rng()).eval().requires_grad_(False)
    phases = (Phase("g", 0.5, 2), Phase("D", 0.5, 2))
    made = [
        private_conversion(pixels, explainer, TRAINING, phases, DPSGD(noise=noise), rng=rng())
        for noise in (1e-9, 1e-9, 5.0)
    ]
    converted = [network(pixels[:1].float()) for network in made]
    assert torch.equal(converted[0], converted[1]), "the same stream gives the same network"
    assert not torch.equal(converted[0], converted[2])
    assert not any(p.requires_grad for p in made[0].parameters())


def test_batch_norm_is_refused() -> None:
    pixels, labels = bright_and_dark(8)
    with pytest.raises(ValueError, match="batch norm"):
        private_classifier(
            pixels, labels, VGG16Config.small(classes=2, width=2), Phase("f", 0.5, 1), DPSGD(1.0), rng=rng()
        )
