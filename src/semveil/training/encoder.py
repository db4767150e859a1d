# SPDX-License-Identifier: Apache-2.0
"""Training of an encoder for a frozen generator, such as the official one."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.core.device import device_of
from semveil.core.rng import global_stream
from semveil.data.face_set import FaceSet
from semveil.encoders.semantic import SemanticEncoder, SemanticEncoderConfig
from semveil.generators.face_generator import MappedGenerator
from semveil.training.one_network import OneNetworkTrainer


@dataclass(frozen=True)
class EncoderTraining:
    """Settings of a run.

    Attributes:
        steps, batch, learning_rate: Adam with cosine decay of the rate to zero.
        codes: weight of the squared error of known codes, in units of the codes' standard deviation.
        mse, perceptual: weights of the images' squared error and of the perceptual distance.
        input_size: side to which photos are pooled before encoding.
    """

    steps: int = 3000
    batch: int = 16
    learning_rate: float = 1e-3
    codes: float = 0.3
    mse: float = 6.0
    perceptual: float = 1.0
    input_size: int = 64


def encoder_trainer(
    generator: MappedGenerator,
    faces: FaceSet | None,
    settings: EncoderTraining,
    *,
    rng: torch.Generator,
    perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> OneNetworkTrainer[SemanticEncoder]:
    """Trainer that minimises the error of known codes and of reconstructed images.

    Every batch contains faces generated from mixed codes, which are known, and, if `faces` is given, as many
    photos that are not held out.

    Args:
        generator: frozen generator; the encoder is trained on its device.
        faces: aligned photos of the generator's size, or None.
        settings: settings of the run; `perceptual` has no effect without a perceptual distance.
        rng: source of the encoder's initialisation and of the batches, on the CPU.
        perceptual: distance of two image batches -> (B,); omitted where None.
    """
    config = generator.config
    with global_stream(rng):
        encoder = SemanticEncoder(
            SemanticEncoderConfig(
                size=min(config.size, settings.input_size), codes=config.codes, style_dim=config.style_dim
            )
        )
    device = device_of(generator)
    encoder.to(device)
    with torch.no_grad():
        w = generator.map(torch.randn(4096, config.style_dim, generator=rng).to(device))
    encoder.style_mean.copy_(w.mean(0))
    encoder.style_std.copy_(w.std(0))
    photos = None if faces is None else torch.from_numpy(faces.pixels[~faces.held_out]).permute(0, 3, 1, 2)
    optimiser = torch.optim.Adam(encoder.parameters(), settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)

    def loss() -> Tensor:
        known = _mixed_codes(generator, settings.batch, rng)
        with torch.no_grad():
            images = generator.synthesize(known).clamp(-1, 1)
        if photos is not None:
            rows = torch.randint(len(photos), (settings.batch,), generator=rng)
            images = torch.cat([images, photos[rows].to(device).float() / 127.5 - 1])
        codes = encoder(images)
        again = generator.synthesize(codes)
        total = settings.codes * ((codes[: settings.batch] - known) / encoder.style_std).square().mean()
        total = total + settings.mse * F.mse_loss(again, images)
        return total if perceptual is None else total + settings.perceptual * perceptual(again, images).mean()

    return OneNetworkTrainer(encoder, optimiser, schedule, loss, settings=settings, rng=rng)


def _mixed_codes(generator: MappedGenerator, count: int, rng: torch.Generator) -> Tensor:
    """Codes (B, K, D), each mixed code by code from two samples."""
    device = device_of(generator)
    with torch.no_grad():
        w = generator.map(
            torch.randn(2 * count, generator.config.style_dim, generator=rng).to(device)
        ).unflatten(0, (2, count))
    second = torch.rand(count, generator.config.codes, 1, generator=rng).to(device) < 0.5
    return torch.where(second, w[1].unsqueeze(1), w[0].unsqueeze(1))
