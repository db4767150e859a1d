# SPDX-License-Identifier: Apache-2.0
"""Joint training of a StyleGAN2 and its encoder on aligned faces.

StyleGAN2's losses (non-saturating, lazy R1, path length, style mixing: Karras et al., CVPR 2020) act on
samples of the prior and, so that the codes of real photos form a prior too, on codes of photos that are mixed
between people or noised. A reconstruction loss joins generator and encoder, since training them one after the
other would take too long on a CPU.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.core.device import CPU
from semveil.data.face_set import FaceSet
from semveil.encoders.semantic import SemanticEncoder, SemanticEncoderConfig
from semveil.generators.discriminators import Discriminator
from semveil.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from semveil.training.augment import AdaptiveAugment
from semveil.training.joint import JointTrainer, JointTraining


@dataclass(frozen=True)
class StyleGAN2Training(JointTraining):
    """Settings of a run.

    Attributes:
        r1: weight of the gradient penalty on real photos, as augmented, applied every `lazy` steps.
        path_length: weight of the path-length regulariser, applied every `lazy` steps.
        lazy: interval of the regularisers in steps.
        discriminator_multiplier, discriminator_cap: widths of the discriminator, see `Discriminator`.
        adversarial_from: step from which fakes are used; until then generator and encoder only reconstruct,
            which is faster.
        generator: sizes of the generator.
        encoder_widths, fine_channels, coarse_channels: sizes of the encoder, see `SemanticEncoderConfig`.
    """

    steps: int = 4500
    batch: int = 16
    r1: float = 1.0
    path_length: float = 1.0
    lazy: int = 16
    discriminator_multiplier: float = 0.0625
    discriminator_cap: int = 128
    adversarial_from: int = 2000
    generator: StyleGAN2Config = field(
        default_factory=lambda: StyleGAN2Config(
            size=64, style_dim=128, mapping_layers=4, widths=(160, 160, 96, 32, 16)
        )
    )
    encoder_widths: tuple[int, int, int, int] = (32, 72, 128, 224)
    fine_channels: int = 8
    coarse_channels: int = 64


class StyleGAN2Trainer(JointTrainer):
    """State of a run with a StyleGAN2; arguments as for `JointTrainer`."""

    settings: StyleGAN2Training

    def __init__(
        self,
        faces: FaceSet,
        settings: StyleGAN2Training,
        *,
        perceptual: Callable[[Tensor, Tensor], Tensor],
        rng: torch.Generator,
        device: torch.device = CPU,
    ) -> None:
        super().__init__(
            faces, settings, lambda: _networks(settings), perceptual=perceptual, rng=rng, device=device
        )
        self.generator: StyleGAN2 = self._networks["generator"]
        self.encoder: SemanticEncoder = self._networks["encoder"]
        self.discriminator: Discriminator = self._networks["discriminator"]
        self.augment = AdaptiveAugment()
        self.mean_path = torch.zeros((), device=self.device)

    def _train_step(self) -> dict[str, float]:
        s = self.settings
        photos, inside = self._photos(*self._batch())
        self._track_styles()
        self.generator.mean_style.copy_(self.encoder.style_mean)
        with self._half():
            codes = self.encoder(photos)
        losses = self._reconstruct(codes, photos, inside)
        with_fakes = self.step >= s.adversarial_from
        if with_fakes:
            losses |= self._adversarial(self._fake_codes(codes.detach(), s.batch // 2))
            if self.step % s.lazy == 0:
                losses |= self._path_length()
        self._step("generator", "encoder")
        self._average()
        if with_fakes:
            losses |= self._discriminate(photos[: s.batch // 2])
        return losses

    def _track_styles(self) -> None:
        """Let the encoder's normalisation follow mean and standard deviation of the mapping network's w."""
        with torch.no_grad():
            w = self.generator.map(self._normal(64, self.generator.config.style_dim))
            weight = max(0.005, 1 / (self.step + 1))
            self.encoder.style_mean.lerp_(w.mean(0), weight)
            self.encoder.style_std.lerp_(w.std(0), weight)

    def _synthesize(self, codes: Tensor) -> Tensor:
        with self._half():
            return self.generator.synthesize(codes).float()

    def _reconstruct(self, codes: Tensor, photos: Tensor, inside: Tensor) -> dict[str, float]:
        s = self.settings
        images = self._synthesize(self._blurred_codes(codes, self.encoder.style_std))
        images = images * inside + photos * (1 - inside)  # ignore filled-in pixels
        mse, perceptual = F.mse_loss(images, photos), self.perceptual(images, photos).mean()
        (s.mse * mse + s.perceptual * perceptual).backward()
        return {"mse": mse.item(), "lpips": perceptual.item()}

    def _fake_codes(self, codes: Tensor, count: int) -> Tensor:
        """Codes, a third each: prior samples with style mixing, codes mixed between photos, noised codes."""
        third = count // 3
        prior = count - 2 * third
        w = self.generator.map(self._normal(2 * prior, codes.shape[-1])).unflatten(0, (2, prior))
        mixed = (self._uniform(prior, 1) < 0.7) & self._from_a_cut(prior)
        sampled = torch.where(mixed.unsqueeze(-1), w[1].unsqueeze(1), w[0].unsqueeze(1))

        own, other, noised = codes[:third], codes[third : 2 * third], codes[2 * third : 3 * third]
        exchanged = torch.where(self._from_a_cut(third).unsqueeze(-1), other, own)
        amount = 1.1 * self._uniform(third, 1, 1) * self.encoder.style_std
        noised = noised + amount * self._normal(*noised.shape)
        return torch.cat([sampled, exchanged, noised])

    def _path_length(self) -> dict[str, float]:
        """Path-length regularisation on an eighth of a batch (StyleGAN2, Eq. 4)."""
        s, generator = self.settings, self.generator
        config = generator.config
        w = generator.map(self._normal(max(2, s.batch // 8), config.style_dim))
        codes = w.unsqueeze(1).expand(-1, config.codes, -1)
        images = generator.synthesize(codes)
        noise = self._normal(*images.shape) / config.size
        (gradient,) = torch.autograd.grad((images * noise).sum(), codes, create_graph=True)
        lengths = gradient.square().sum(2).mean(1).sqrt()
        self.mean_path = torch.lerp(self.mean_path, lengths.detach().mean(), 0.02 if self.mean_path else 1.0)
        loss = (lengths - self.mean_path).square().mean()
        (s.path_length * s.lazy * loss).backward()
        return {"path": lengths.mean().item()}

    def _from_a_cut(self, count: int) -> Tensor:
        """Mask of the codes from a random one on, (count, K) bool."""
        codes = self.settings.generator.codes
        return (torch.arange(codes) >= torch.randint(1, codes, (count, 1), generator=self.rng)).to(
            self.device
        )

    def _judge(self, images: Tensor) -> Tensor:
        return self._score(self.augment.images(images, self.rng))

    def _score(self, augmented: Tensor) -> Tensor:
        with self._half():
            return self.discriminator(augmented).float()

    def _adversarial(self, codes: Tensor) -> dict[str, float]:
        self.discriminator.requires_grad_(False)
        images = self._synthesize(codes)
        loss = F.softplus(-self._judge(images)).mean()
        (self.settings.adversarial * loss).backward()
        self.discriminator.requires_grad_(True)
        self._fakes = images.detach()
        return {"g": loss.item()}

    def _discriminate(self, photos: Tensor) -> dict[str, float]:
        s = self.settings
        fake = self._judge(self._fakes)
        penalise = self.step % s.lazy == 0
        # not through the augmentation: older versions of torch cannot differentiate its sampling twice
        photos = self.augment.images(photos, self.rng).detach().requires_grad_(penalise)
        real = self._score(photos)
        loss = F.softplus(fake).mean() + F.softplus(-real).mean()
        if penalise:
            (gradient,) = torch.autograd.grad(real.sum(), photos, create_graph=True)
            loss = loss + s.lazy / 2 * s.r1 * gradient.square().sum((1, 2, 3)).mean()
        loss.backward()
        self._step("discriminator")
        self.augment.update(real.detach())
        return {
            "d": loss.item(),
            "real": real.mean().item(),
            "fake": fake.mean().item(),
            "p": self.augment.probability,
        }

    def sample_codes(self, count: int, *, rng: torch.Generator) -> Tensor:
        """Sample codes (count, K, D) of random faces, with one w of the mapping network per face.

        Args:
            count: number of faces.
            rng: source of the samples, on the CPU.
        """
        config = self.generator.config
        averaged: Any = self.averages["generator"]
        w: Tensor = averaged.map(torch.randn(count, config.style_dim, generator=rng).to(self.device))
        return w.unsqueeze(1).expand(-1, config.codes, -1)

    def _running_values(self) -> dict[str, Tensor]:
        return {
            "augment": torch.tensor(self.augment.probability, dtype=torch.float64),
            "mean_path": self.mean_path.cpu(),
        }

    def _set_running_values(self, values: Mapping[str, Tensor]) -> None:
        self.augment.probability = values["augment"].item()
        self.mean_path = values["mean_path"].to(self.device)


def _networks(settings: StyleGAN2Training) -> tuple[StyleGAN2, SemanticEncoder, Discriminator]:
    config = settings.generator
    generator = StyleGAN2(config)
    encoder = SemanticEncoder(
        SemanticEncoderConfig(
            size=config.size,
            codes=config.codes,
            style_dim=config.style_dim,
            widths=settings.encoder_widths,
            fine_channels=settings.fine_channels,
            coarse_channels=settings.coarse_channels,
        )
    )
    discriminator = Discriminator(
        config.size,
        channel_multiplier=settings.discriminator_multiplier,
        channel_cap=settings.discriminator_cap,
    )
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return generator, encoder, discriminator
