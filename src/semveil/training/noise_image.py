# SPDX-License-Identifier: Apache-2.0
"""Training of noise-image's conversion GAN: noise-like images with the explanations of the photos.

Hyeong-Geon Kim, Jinmyeong Shin, Yoon-Ho Choi, "Human-Unrecognizable Differential Private Noised Image
Generation Method", Sensors 24, 3166, 2024 [NI].
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from semveil.core.device import CPU, device_of, half_precision
from semveil.core.registry import suggest
from semveil.generators.conversion import ConversionConfig, ConversionGenerator
from semveil.generators.noise_discriminator import NoiseDiscriminator
from semveil.recognition.guided_backpropagation import guided_explanation, scale_by_power_of_ten
from semveil.recognition.vgg16_classifier import VGG16Classifier
from semveil.training.classifier import vary
from semveil.training.explanation_noise import ExplanationNoise

EXPLANATIONS = ("published", "as_released")


@dataclass(frozen=True)
class ConversionTraining:
    """Settings of a run.

    Attributes:
        sigma: standard deviation of the noise in n(x) = clip(x + N(0, sigma^2), -1, 1), for images in [-1,
            1].
        alpha, beta: weights of the noise loss and of the explanation loss ([NI] Eq. 4, no values printed);
            beta 0 omits the explanation loss, the paper's ablation.
        explanation: `published` ([NI] Eq. 3): the map of x against that of g(x), whose class weights are
            noised. Each map is normalised to root mean square 1. `as_released`: as in the public code, the
            map of x against the image g(x) itself, without noise.
        noise: N of Eq. 3.
        sharpness: sharpness of the gates in the derivative of the map; see `guided_explanation`.
        generator: sizes of g; by default a narrow version of Table 1.
        discriminator_width, discriminator_halvings: sizes of D.
        steps, batch: for both networks.
        learning_rate, discriminator_rate: learning rates of Adam with betas 0.5 and 0.999.
        decay: factor on both rates after each epoch (0.95 in the public code); linear decay to zero where
            None.

    Raises:
        ValueError: a value is out of range, or the explanation is unknown.
    """

    sigma: float = 3.0
    alpha: float = 1.0
    beta: float = 1.0
    explanation: str = "published"
    noise: ExplanationNoise = field(default_factory=ExplanationNoise)
    sharpness: float = 10.0
    generator: ConversionConfig = field(default_factory=lambda: ConversionConfig(width=8, blocks=4))
    discriminator_width: int = 16
    discriminator_halvings: int = 1
    steps: int = 800
    batch: int = 32
    learning_rate: float = 1e-3
    discriminator_rate: float = 5e-4
    decay: float | None = None

    def __post_init__(self) -> None:
        if self.decay is not None and not 0 < self.decay <= 1:
            raise ValueError(f"decay is a factor in (0, 1], got {self.decay}")
        if not (
            self.sigma > 0 and self.alpha >= 0 and self.beta >= 0 and self.steps >= 1 and self.batch >= 1
        ):
            raise ValueError(
                f"sigma must be positive, alpha and beta not negative, steps and batch at least 1, got {self}"
            )
        if self.explanation not in EXPLANATIONS:
            near = suggest(self.explanation, EXPLANATIONS)
            raise ValueError(
                f"explanation has no choice {self.explanation!r}{near}; allowed: {', '.join(EXPLANATIONS)}"
            )


def train_conversion(
    pixels: Tensor,
    explainer: VGG16Classifier,
    settings: ConversionTraining,
    *,
    rng: torch.Generator,
    device: torch.device = CPU,
    progress: Callable[[int, int, dict[str, float]], None] = lambda step, steps, losses: None,
) -> tuple[ConversionGenerator, NoiseDiscriminator]:
    """Train g against D, with the explainer f' frozen ([NI] Eqs. 2 to 5).

    Departs from the paper, as its public code does: least squares instead of logarithms, whose signs are
    wrong in the paper.

    Args:
        pixels: (N, 3, H, W) uint8; labels are not used.
        explainer: trained on original images, in evaluation mode, on the device; not changed.
        settings: sizes and learning rates of g and D, weights of the losses, number of steps.
        rng: source of initialisation, data order and noise, on the CPU.
        device: device of the training.
        progress: called after a step with its number from 1, the number of steps, and the losses `noise`,
            `explanation` (0 if omitted) and `discriminator`.

    Returns:
        g and D, in evaluation mode.
    """
    generator = ConversionGenerator(settings.generator, rng=rng)
    generator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    discriminator = NoiseDiscriminator(
        width=settings.discriminator_width, halvings=settings.discriminator_halvings, rng=rng
    )
    discriminator.to(device)
    networks = ((generator, settings.learning_rate), (discriminator, settings.discriminator_rate))
    optimisers = [torch.optim.Adam(network.parameters(), rate, (0.5, 0.999)) for network, rate in networks]
    schedules = [
        _schedule(optimiser, settings, -(-len(pixels) // settings.batch)) for optimiser in optimisers
    ]
    for step in range(settings.steps):
        index = torch.randint(len(pixels), (settings.batch,), generator=rng)
        images = vary(pixels[index], 0, rng).to(device).contiguous(memory_format=torch.channels_last)
        with half_precision(device):
            converted = generator(images).float()

        discriminator.requires_grad_(False)
        noise_loss = (discriminator(converted) - 1).square().mean()  # Eq. 2
        loss = settings.alpha * noise_loss
        told = {"noise": noise_loss.item(), "explanation": 0.0}
        if settings.beta:
            difference = explanation_loss(explainer, images, converted, settings, rng)
            loss = loss + settings.beta * difference  # Eq. 4
            told["explanation"] = difference.item()
        optimisers[0].zero_grad()
        loss.backward()
        optimisers[0].step()

        discriminator.requires_grad_(True)
        real = discriminator(noised(images, settings.sigma, rng=rng))
        fake = discriminator(converted.detach())
        judged = (real - 1).square().mean() + fake.square().mean()  # Eq. 5
        optimisers[1].zero_grad()
        judged.backward()
        optimisers[1].step()
        for schedule in schedules:
            schedule.step()
        progress(step + 1, settings.steps, told | {"discriminator": judged.item()})
    return generator.eval().requires_grad_(False), discriminator.eval().requires_grad_(False)


def _schedule(
    optimiser: torch.optim.Optimizer, settings: ConversionTraining, epoch: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Learning-rate schedule per step; an epoch has `epoch` steps."""
    decay = settings.decay
    if decay is None:
        return torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=settings.steps)
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: decay ** (step // epoch))


def explanation_loss(
    explainer: VGG16Classifier,
    images: Tensor,
    converted: Tensor,
    settings: ConversionTraining,
    rng: torch.Generator,
) -> Tensor:
    """Mean absolute difference between explanations of originals and converted images ([NI] Eq. 3).

    d(h f'(x), h N f'(g(x))); with `as_released`, as described in `ConversionTraining`.

    Args:
        explainer: f', trained on original images.
        images: x, (B, 3, H, W) in [-1, 1].
        converted: g(x), of the same shape.
        settings: noise and kind of the explanation.
        rng: source of the explanation noise.
    """
    with half_precision(images.device):
        with torch.no_grad():
            wanted = guided_explanation(explainer, images).maps.float()
        if settings.explanation == "as_released":
            return (converted - scale_by_power_of_ten(wanted)).abs().mean()
        noisy = partial(settings.noise.on_weights, rng=rng)
        maps = guided_explanation(explainer, converted, seed=noisy, sharpness=settings.sharpness).maps.float()
    return (_own_size(settings.noise.on_maps(maps, rng=rng)) - _own_size(wanted)).abs().mean()


def _own_size(maps: Tensor) -> Tensor:
    """Maps divided by their root mean square."""
    return maps / maps.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)


@torch.no_grad()
def convert(generator: ConversionGenerator, images: Tensor) -> Tensor:
    """Convert images to g(x) on the generator's device.

    Args:
        generator: g.
        images: (N, 3, H, W) in [-1, 1], processed in batches of 256.
    """
    return torch.cat([generator(part.to(device_of(generator))) for part in images.split(256)])


def noised(images: Tensor, sigma: float, *, rng: torch.Generator) -> Tensor:
    """Images with clipped Gaussian noise, n(x) = clip(x + N(0, sigma^2), -1, 1).

    They are the real samples of the discriminator.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        sigma: standard deviation, on the scale of the images.
        rng: source of the noise, on the CPU.
    """
    return (images + sigma * torch.randn(images.shape, generator=rng).to(images.device)).clamp(-1, 1)
