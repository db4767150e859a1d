"""Train a StyleGAN2 together with its encoder on aligned faces.

StyleGAN2's losses (non-saturating, lazy R1, path length, style mixing: Karras et al., CVPR 2020) act on samples of the
prior and, so that the codes of real photos are a prior too, on codes of photos that are mixed between people or noised. A
reconstruction loss joins generator and encoder, as the time of a CPU is too short to learn them one after the other.
"""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.data.face_set import FaceSet
from semveil.encoders.semantic import SemanticEncoder, SemanticEncoderConfig
from semveil.generators.discriminators import Discriminator
from semveil.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from semveil.training.augment import AdaptiveAugment


@dataclass(frozen=True)
class StyleGAN2Training:
    """Settings of a run.

    Attributes:
        steps: optimiser steps; the learning rates fall to a twentieth over the last `decay_share` of them.
        batch: photos per step; half as many fakes.
        generator_rate, encoder_rate, discriminator_rate: Adam's learning rates.
        mse, perceptual: weights of the reconstruction terms (squared error, LPIPS).
        adversarial: weight of the generator's non-saturating loss.
        adversarial_from: step from which on there are fakes; before it generator and encoder only reconstruct, which is faster.
        r1: gradient penalty on real photos, every `lazy` steps.
        path_length: weight of the path-length regulariser, every `lazy` steps.
        code_noise: spread of Gaussian noise on the codes of reconstructed photos, in units of the codes' own spread.
        average: half life in photos of the averaged weights that are kept.
    """

    steps: int = 4500
    batch: int = 16
    generator_rate: float = 3e-3
    encoder_rate: float = 1.2e-3
    discriminator_rate: float = 2e-3
    decay_share: float = 0.25
    mse: float = 6.0
    perceptual: float = 1.0
    adversarial: float = 0.08
    adversarial_from: int = 2000
    r1: float = 1.0
    path_length: float = 1.0
    lazy: int = 16
    code_noise: float = 0.1
    average: float = 5000.0
    discriminator_multiplier: float = 0.0625
    discriminator_cap: int = 128
    generator: StyleGAN2Config = field(
        default_factory=lambda: StyleGAN2Config(
            size=64, style_dim=128, mapping_layers=4, widths=(160, 160, 96, 32, 16)
        )
    )
    encoder: SemanticEncoderConfig = field(
        default_factory=lambda: SemanticEncoderConfig(
            size=64, codes=10, style_dim=128, widths=(32, 72, 128, 224), fine_channels=8, coarse_channels=64
        )
    )


class StyleGAN2Trainer:
    """State of a run: networks, their averages, optimisers, augmentation; saved and resumed as one file."""

    def __init__(
        self,
        faces: FaceSet,
        settings: StyleGAN2Training,
        *,
        perceptual: Callable[[Tensor, Tensor], Tensor],
        rng: torch.Generator,
    ) -> None:
        keep = ~faces.held_out
        self.photos = torch.from_numpy(faces.pixels[keep]).permute(0, 3, 1, 2).contiguous()
        self.inside = torch.from_numpy(faces.inside[keep])
        self.settings, self.perceptual, self.rng = settings, perceptual, rng
        with torch.random.fork_rng(devices=[]):  # torch initialises layers from its global stream
            torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))
            self.generator = StyleGAN2(settings.generator)
            self.encoder = SemanticEncoder(settings.encoder).to(memory_format=torch.channels_last)
            self.discriminator = Discriminator(
                settings.generator.size,
                channel_multiplier=settings.discriminator_multiplier,
                channel_cap=settings.discriminator_cap,
            ).to(memory_format=torch.channels_last)
        self.averages = copy.deepcopy(nn.ModuleDict({"generator": self.generator, "encoder": self.encoder})).eval()
        self.averages.requires_grad_(False)
        self.augment = AdaptiveAugment()
        self.mean_path = torch.zeros(())
        self.step = 0
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), settings.generator_rate, betas=(0.5, 0.99)),
            "encoder": torch.optim.Adam(self.encoder.parameters(), settings.encoder_rate, betas=(0.9, 0.99)),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), settings.discriminator_rate, betas=(0.0, 0.99)),
        }

    def run(self, *, report: Callable[[int, dict[str, float]], None], until: float = math.inf) -> None:
        """Train to the last step, or until `time.monotonic()` passes `until`."""
        self._base_rates = {name: o.defaults["lr"] for name, o in self.optimisers.items()}
        while self.step < self.settings.steps and time.monotonic() < until:
            self._set_rates()
            losses = self._train_step()
            self.step += 1
            report(self.step, losses)

    def _set_rates(self) -> None:
        left = (self.settings.steps - self.step) / (self.settings.steps * self.settings.decay_share)
        factor = max(0.05, min(1.0, left, (self.step + 1) / 100))
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = self._base_rates[name] * factor

    def _train_step(self) -> dict[str, float]:
        s = self.settings
        photos, inside = self._photos(torch.randint(len(self.photos), (s.batch,), generator=self.rng))
        self._track_styles()
        with torch.autocast("cpu", torch.bfloat16):
            codes = self.encoder(photos)
        losses = self._reconstruct(codes, photos, inside)
        with_fakes = self.step >= s.adversarial_from
        if with_fakes:
            losses |= self._adversarial(self._fake_codes(codes.detach(), s.batch // 2))
            if self.step % s.lazy == 0:
                losses |= self._path_length()
        for name in ("generator", "encoder"):
            self.optimisers[name].step()
            self.optimisers[name].zero_grad()
        self._average()
        if with_fakes:
            losses |= self._discriminate(photos[: s.batch // 2])
        return losses

    def _photos(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """A batch, half of it mirrored: photos in [-1, 1], and where the photo is real."""
        mirror = torch.rand(len(index), 1, 1, generator=self.rng) < 0.5
        flip = lambda x, m: torch.where(m, x.flip(-1), x)  # noqa: E731
        photos = flip(self.photos[index], mirror.unsqueeze(1)).float() / 127.5 - 1
        inside = (flip(self.inside[index], mirror) > 250).float().unsqueeze(1)
        return photos.contiguous(memory_format=torch.channels_last), inside

    def _track_styles(self) -> None:
        """Let the encoder's coordinates follow the mean and spread of the mapping network's w."""
        with torch.no_grad():
            w = self.generator.map(torch.randn(64, self.settings.generator.style_dim, generator=self.rng))
            weight = max(0.005, 1 / (self.step + 1))
            self.encoder.style_mean.lerp_(w.mean(0), weight)
            self.encoder.style_std.lerp_(w.std(0), weight)
            self.generator.mean_style.copy_(self.encoder.style_mean)

    def _synthesize(self, codes: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self.generator.synthesize(codes).float()

    def _reconstruct(self, codes: Tensor, photos: Tensor, inside: Tensor) -> dict[str, float]:
        s = self.settings
        spread = self.encoder.style_std * s.code_noise * torch.rand(len(codes), 1, 1, generator=self.rng)
        images = self._synthesize(codes + spread * torch.randn(codes.shape, generator=self.rng))
        images = images * inside + photos * (1 - inside)  # made-up pixels teach nothing
        mse, perceptual = F.mse_loss(images, photos), self.perceptual(images, photos).mean()
        (s.mse * mse + s.perceptual * perceptual).backward()
        return {"mse": mse.item(), "lpips": perceptual.item()}

    def _fake_codes(self, codes: Tensor, count: int) -> Tensor:
        """A third each: samples of the prior with style mixing, codes mixed between two photos, noised codes."""
        third = count // 3
        prior = count - 2 * third
        w = self.generator.map(torch.randn(2 * prior, codes.shape[-1], generator=self.rng)).unflatten(0, (2, prior))
        mixed = (torch.rand(prior, 1, generator=self.rng) < 0.7) & self._from_a_cut(prior)
        sampled = torch.where(mixed.unsqueeze(-1), w[1].unsqueeze(1), w[0].unsqueeze(1))

        own, other, noised = codes[:third], codes[third : 2 * third], codes[2 * third : 3 * third]
        exchanged = torch.where(self._from_a_cut(third).unsqueeze(-1), other, own)
        amount = 1.1 * torch.rand(third, 1, 1, generator=self.rng) * self.encoder.style_std
        noised = noised + amount * torch.randn(noised.shape, generator=self.rng)
        return torch.cat([sampled, exchanged, noised])

    def _from_a_cut(self, count: int) -> Tensor:
        """(count, K) bool: the codes from a random one on."""
        codes = self.settings.generator.codes
        return torch.arange(codes) >= torch.randint(1, codes, (count, 1), generator=self.rng)

    def _judge(self, images: Tensor) -> Tensor:
        images = self.augment.images(images, self.rng)
        with torch.autocast("cpu", torch.bfloat16):
            return self.discriminator(images).float()

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
        photos = photos.clone().requires_grad_(penalise)
        real = self._judge(photos)
        loss = F.softplus(fake).mean() + F.softplus(-real).mean()
        if penalise:
            (gradient,) = torch.autograd.grad(real.sum(), photos, create_graph=True)
            loss = loss + s.lazy / 2 * s.r1 * gradient.square().sum((1, 2, 3)).mean()
        self.optimisers["discriminator"].zero_grad()
        loss.backward()
        self.optimisers["discriminator"].step()
        self.augment.update(real.detach())
        return {"d": loss.item(), "real": real.mean().item(), "fake": fake.mean().item(), "p": self.augment.probability}

    def _path_length(self) -> dict[str, float]:
        """Path-length regularisation on an eighth of a batch (StyleGAN2, Eq. 4)."""
        s = self.settings
        w = self.generator.map(torch.randn(max(2, s.batch // 8), s.generator.style_dim, generator=self.rng))
        codes = w.unsqueeze(1).expand(-1, s.generator.codes, -1)
        images = self.generator.synthesize(codes)
        noise = torch.randn(images.shape, generator=self.rng) / s.generator.size
        (gradient,) = torch.autograd.grad((images * noise).sum(), codes, create_graph=True)
        lengths = gradient.square().sum(2).mean(1).sqrt()
        self.mean_path = torch.lerp(self.mean_path, lengths.detach().mean(), 0.02 if self.mean_path else 1.0)
        loss = (lengths - self.mean_path).square().mean()
        (s.path_length * s.lazy * loss).backward()
        return {"path": lengths.mean().item()}

    def _average(self) -> None:
        decay = min(0.5 ** (self.settings.batch / self.settings.average), (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, network in (("generator", self.generator), ("encoder", self.encoder)):
                averaged = self.averages[name]
                for mean, value in zip(averaged.parameters(), network.parameters(), strict=True):
                    mean.lerp_(value, 1 - decay)
                for kept, current in zip(averaged.buffers(), network.buffers(), strict=True):
                    kept.copy_(current)

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""
        return {
            "step": self.step,
            "settings": asdict(self.settings),
            "networks": {n: getattr(self, n).state_dict() for n in ("generator", "encoder", "discriminator", "averages")},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "augment": self.augment.probability,
            "mean_path": self.mean_path,
            "rng": self.rng.get_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.step, self.augment.probability, self.mean_path = state["step"], state["augment"], state["mean_path"]
        for name, weights in state["networks"].items():
            getattr(self, name).load_state_dict(weights)
        for name, values in state["optimisers"].items():
            self.optimisers[name].load_state_dict(values)
        self.rng.set_state(state["rng"])

    def save(self, path: Path) -> None:
        temporary = path.with_suffix(".partial")
        torch.save(self.state(), temporary)
        temporary.replace(path)
