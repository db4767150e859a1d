# SPDX-License-Identifier: Apache-2.0
"""Every training runs on a device that is not the CPU: its tensors follow the networks, its numbers are the
CPU's.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pretend_device import Pretended, pretended
from training import test_fusion, test_generator

from semveil.core.device import CPU
from semveil.generators.conversion import ConversionConfig
from semveil.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from semveil.protection.linear_pair import PairSettings
from semveil.recognition.identity_encoder import IdentityEncoderConfig
from semveil.recognition.vgg16_classifier import VGG16Classifier
from semveil.recognition.vgg16_config import VGG16Config
from semveil.training.classifier import ClassifierTraining, accuracy, train_classifier
from semveil.training.encoder import EncoderTraining, encoder_trainer
from semveil.training.fusion import FusionTrainer
from semveil.training.generator import GeneratorTrainer
from semveil.training.identity_encoder import IdentityEncoderTraining, identity_encoder_trainer
from semveil.training.noise_image import ConversionTraining, train_conversion
from semveil.training.parser import ParserTraining, parser_trainer
from semveil.training.protector import train_pair
from semveil.training.sheet import FusionSheet, SampleSheet
from semveil.training.stylegan2 import StyleGAN2Trainer, StyleGAN2Training
from semveil.training.teacher_descriptors import TeacherDescriptors

Training = Callable[[torch.device], torch.nn.Module]
STYLEGAN2 = StyleGAN2Config(size=32, style_dim=8, mapping_layers=2, widths=(8, 8, 8, 8))
CLASSES = VGG16Config.small(classes=3, width=2)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a - b).abs().mean((1, 2, 3))


def ran(trainer: Any) -> torch.nn.Module:
    trainer.run(report=lambda *_: None)
    averages: torch.nn.Module = trainer.averages
    return averages


def generator(device: torch.device) -> torch.nn.Module:
    settings = replace(test_generator.SETTINGS, steps=2, adversarial_from=1)
    faces = test_generator.faces()
    trainer = GeneratorTrainer(faces, settings, perceptual=distance, rng=rng(), device=device)
    averages = ran(trainer)
    assert SampleSheet(faces, columns=3).draw(trainer).shape == (96, 96, 3)
    assert trainer.bank.device == device
    return averages


def stylegan2(device: torch.device) -> torch.nn.Module:
    widths = {
        "encoder_widths": (4, 4, 8, 8),
        "fine_channels": 2,
        "coarse_channels": 4,
        "discriminator_cap": 8,
    }
    settings = StyleGAN2Training(steps=3, batch=8, lazy=2, adversarial_from=1, generator=STYLEGAN2, **widths)  # type: ignore
    trainer = StyleGAN2Trainer(
        test_generator.faces(), settings, perceptual=distance, rng=rng(), device=device
    )
    trainer.augment.probability = 0.8
    return ran(trainer)


def fusion(device: torch.device) -> torch.nn.Module:
    faces, identity = test_fusion.faces(), test_fusion.trainer().identity
    trainer = FusionTrainer(
        faces, replace(test_fusion.SETTINGS, steps=2), identity=identity, rng=rng(), device=device
    )
    averages = ran(trainer)
    before = trainer.rng.get_state()
    sheet = FusionSheet(faces, columns=3).draw(trainer)
    assert sheet.shape == (96, 96, 3) and sheet.dtype == np.uint8
    assert torch.equal(before, trainer.rng.get_state())
    return averages


def identity_encoder(device: torch.device) -> torch.nn.Module:
    faces = test_generator.faces()
    vectors = np.random.default_rng(0).normal(size=(len(faces), 128)).astype(np.float32)
    sizes = IdentityEncoderConfig(
        size=32, top=8, left=8, side=16, widths=(4, 4, 4, 4), blocks=(1, 1, 1), dimensions=6
    )
    settings = IdentityEncoderTraining(sizes, steps=2, batch=8)
    trainer = identity_encoder_trainer(
        faces, TeacherDescriptors(faces.source, vectors), settings, rng=rng(), device=device
    )
    trainer.run(report=lambda *_: None)
    return trainer.network


def parser(device: torch.device) -> torch.nn.Module:
    trainer = parser_trainer(test_generator.faces(), ParserTraining(2, batch=4), rng=rng(), device=device)
    trainer.run(report=lambda *_: None)
    return trainer.network


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randint(256, (24, 3, 16, 16), generator=rng(), dtype=torch.uint8), torch.arange(24) % 3


def classifier(device: torch.device) -> torch.nn.Module:
    pixels, labels = pictures()
    trained = train_classifier(
        pixels, labels, CLASSES, ClassifierTraining(epochs=1, batch=8), rng=rng(), device=device
    )
    assert 0 <= accuracy(trained, pixels.float() / 127.5 - 1, labels) <= 1
    return trained


def conversion(device: torch.device) -> torch.nn.Module:
    explainer = VGG16Classifier(CLASSES, rng=rng()).eval().requires_grad_(False).to(device)
    settings = ConversionTraining(
        steps=2, batch=4, generator=ConversionConfig(width=2, blocks=1), discriminator_width=4
    )
    return train_conversion(pictures()[0], explainer, settings, rng=rng(), device=device)[0]


def encoder(device: torch.device) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fixed = StyleGAN2(STYLEGAN2).eval().requires_grad_(False)
    settings = EncoderTraining(steps=2, batch=4, input_size=32)
    trainer = encoder_trainer(
        fixed.to(device), test_generator.faces(), settings, rng=rng(), perceptual=distance
    )
    trainer.run(report=lambda *_: None)
    return trainer.network


def pair(device: torch.device) -> torch.nn.Module:
    latents = torch.randn(32, 3, 4, generator=rng()).clamp(-1, 1).to(device)
    return train_pair(
        latents, PairSettings((0, 1), 4, 10.0, "as_published", 0.5), rng=rng(), epochs=2, batch=8
    )


TRAININGS: list[Training] = [
    generator, stylegan2, fusion, identity_encoder, parser, classifier, conversion, encoder, pair,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*")
@pytest.mark.parametrize("training", TRAININGS)
def test_a_training_follows_its_device(training: Training) -> None:
    """The same weights as on the CPU, but for layouts, by which sums round otherwise."""
    with pretended() as there:
        away = training(there).state_dict()
        here = training(CPU).state_dict()
    assert away and all(isinstance(value, Pretended) for value in away.values() if value.ndim)
    for name, value in here.items():
        torch.testing.assert_close(
            away[name].cpu(), value, atol=2e-3, rtol=2e-3, msg=lambda text, name=name: f"{name}: {text}"
        )
