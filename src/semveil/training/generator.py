"""Train a SemanticStyleGAN together with its semantic encoder on labelled, aligned faces.

The paper's adversarial losses (non-saturating, lazy R1 on image and mask, path length, mask regularisation, style mixing)
act on samples of the prior and, so that the codes of real photos are a prior too, on codes of photos whose parts are
exchanged between people or noised. A reconstruction loss joins generator and encoder.
"""

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.checkpoints import load_strictly
from semveil.core.parts import BASE_CODES, PARTS
from semveil.data.face_set import FaceSet
from semveil.encoders.semantic import SemanticEncoder, SemanticEncoderConfig
from semveil.generators.discriminators import DualBranchDiscriminator
from semveil.generators.semantic_stylegan import SemanticStyleGAN, SemanticStyleGANConfig, Synthesis
from semveil.training.augment import AdaptiveAugment


@dataclass(frozen=True)
class GeneratorTraining:
    """Settings of a run; the defaults made the bundled model.

    Attributes:
        steps: optimiser steps; the learning rates fall to a twentieth over the last `decay_share` of them.
        batch: photos per step; half as many fakes.
        generator_rate, encoder_rate, discriminator_rate: Adam's learning rates.
        mse, perceptual, labels: weights of the reconstruction terms (squared error, LPIPS, cross-entropy of the masks).
        adversarial: weight of the generator's non-saturating loss.
        r1_images, r1_masks: gradient penalties on real photos, every `lazy` steps.
        path_length, mask_consistency: weights of the paper's regularisers.
        code_noise: spread of Gaussian noise on the codes of reconstructed photos, in units of the codes' own spread.
        mask_size: side at which the discriminator sees masks.
        average: half life in photos of the averaged weights that are shipped.
    """

    steps: int = 6000
    batch: int = 32
    generator_rate: float = 3e-3
    encoder_rate: float = 1.2e-3
    discriminator_rate: float = 2e-3
    decay_share: float = 0.25
    mse: float = 6.0
    perceptual: float = 1.0
    labels: float = 0.1
    adversarial: float = 0.08
    r1_images: float = 1.0
    r1_masks: float = 1.0
    path_length: float = 1.0
    mask_consistency: float = 1.0
    lazy: int = 16
    code_noise: float = 0.1
    mask_size: int = 32
    average: float = 5000.0
    discriminator_multiplier: float = 0.0625
    discriminator_cap: int = 128
    generator: SemanticStyleGANConfig = field(
        default_factory=lambda: SemanticStyleGANConfig(
            size=64,
            style_dim=64,
            mapping_layers=4,
            channel_multiplier=0.125,
            channel_cap=64,
            depth_layers=5,
            local_layers=8,
            local_channel=32,
            coarse_channel=64,
            coarse_size=16,
        )
    )


class GeneratorTrainer:
    """State of a run: networks, their averages, optimisers, augmentation; saved and resumed as one file."""

    def __init__(
        self,
        faces: FaceSet,
        settings: GeneratorTraining,
        *,
        perceptual: Callable[[Tensor, Tensor], Tensor],
        rng: torch.Generator,
    ) -> None:
        keep = ~faces.held_out
        self.photos = torch.from_numpy(faces.pixels[keep]).permute(0, 3, 1, 2).contiguous()
        self.labels = torch.from_numpy(faces.labels[keep])
        self.inside = torch.from_numpy(faces.inside[keep])
        self.settings, self.perceptual, self.rng = settings, perceptual, rng
        config = settings.generator
        with torch.random.fork_rng(devices=[]):  # torch initialises layers from its global stream
            torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))
            self._build(config)
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

    def _build(self, config: SemanticStyleGANConfig) -> None:
        self.generator = SemanticStyleGAN(config)
        self.encoder = SemanticEncoder(
            SemanticEncoderConfig(size=config.size, codes=config.codes, style_dim=config.style_dim)
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.discriminator = DualBranchDiscriminator(
            config.size,
            mask_size=self.settings.mask_size,
            channel_multiplier=self.settings.discriminator_multiplier,
            channel_cap=self.settings.discriminator_cap,
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def start_from(self, networks: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Begin with trained weights in place of random ones; networks that are not given stay random.

        Args:
            networks: state dicts by name: `generator`, `encoder`, `discriminator`.
        """
        for name, state in networks.items():
            load_strictly(getattr(self, name), state, name=f"the {name} to start from")
            if name in self.averages:
                self.averages[name].load_state_dict(state)

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
        index = torch.randint(len(self.photos), (s.batch,), generator=self.rng)
        photos, labels, inside = self._photos(index)

        self._track_styles()
        with torch.autocast("cpu", torch.bfloat16):
            codes = self.encoder(photos)
        losses = self._reconstruct(codes, photos, labels, inside)
        fakes_codes = self._fake_codes(codes.detach(), s.batch // 2)
        losses |= self._adversarial(fakes_codes)
        if self.step % s.lazy == 0:
            losses |= self._path_length()
        for name in ("generator", "encoder"):
            self.optimisers[name].step()
            self.optimisers[name].zero_grad()
        self._average()
        losses |= self._discriminate(fakes_codes, photos[: s.batch // 2], labels[: s.batch // 2])
        return losses

    def _photos(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A batch, half of it mirrored: photos in [-1, 1], labels, and where the photo is real."""
        mirror = torch.rand(len(index), 1, 1, generator=self.rng) < 0.5
        flip = lambda x, m: torch.where(m, x.flip(-1), x)  # noqa: E731
        photos = flip(self.photos[index], mirror.unsqueeze(1)).float() / 127.5 - 1
        return (
            photos.contiguous(memory_format=torch.channels_last),
            flip(self.labels[index], mirror).long(),
            (flip(self.inside[index], mirror) > 250).float().unsqueeze(1),
        )

    def _track_styles(self) -> None:
        """Let the encoder's coordinates follow the mean and spread of the mapping network's w."""
        with torch.no_grad():
            w = self.generator.map(torch.randn(64, self.settings.generator.style_dim, generator=self.rng))
            weight = max(0.005, 1 / (self.step + 1))
            self.encoder.style_mean.lerp_(w.mean(0), weight)
            self.encoder.style_std.lerp_(w.std(0), weight)

    def _synthesize(self, codes: Tensor) -> Synthesis:
        with torch.autocast("cpu", torch.bfloat16):
            return self.generator.synthesize_with_masks(codes)

    def _reconstruct(self, codes: Tensor, photos: Tensor, labels: Tensor, inside: Tensor) -> dict[str, float]:
        s = self.settings
        spread = self.encoder.style_std * s.code_noise * torch.rand(len(codes), 1, 1, generator=self.rng)
        out = self._synthesize(codes + spread * torch.randn(codes.shape, generator=self.rng))
        images = out.images * inside + photos * (1 - inside)  # made-up pixels teach nothing
        mse = F.mse_loss(images, photos)
        perceptual = self.perceptual(images, photos).mean()
        entropy = F.cross_entropy(out.masks, labels)
        consistency = _mask_consistency(out)
        total = s.mse * mse + s.perceptual * perceptual + s.labels * entropy + s.mask_consistency * consistency
        total.backward()
        return {"mse": mse.item(), "lpips": perceptual.item(), "labels": entropy.item(), "masks": consistency.item()}

    def _fake_codes(self, codes: Tensor, count: int) -> Tensor:
        """A third each: samples of the prior with style mixing, exchanged parts, noised parts."""
        prior = count - 2 * (count // 3)
        w = self.generator.map(torch.randn(2 * prior, codes.shape[-1], generator=self.rng)).unflatten(0, (2, prior))
        mixed = (torch.rand(prior, 1, generator=self.rng) < 0.7) & self._part_choice(prior, 0.5)
        sampled = torch.where(mixed.unsqueeze(-1), w[1].unsqueeze(1), w[0].unsqueeze(1))

        third = count // 3
        own, other, noised = codes[:third], codes[third : 2 * third], codes[2 * third : 3 * third]
        exchanged = torch.where(self._part_choice(third, 0.4).unsqueeze(-1), other, own)
        choice = self._part_choice(third, 0.6) | (torch.rand(third, 1, generator=self.rng) < 0.3)
        amount = 1.1 * torch.rand(third, 1, 1, generator=self.rng) * choice.unsqueeze(-1) * self.encoder.style_std
        noised = noised + amount * torch.randn(noised.shape, generator=self.rng)
        return torch.cat([sampled, exchanged, noised])

    def _part_choice(self, count: int, probability: float) -> Tensor:
        """(count, K) bool: whole parts, or the shared codes, chosen together."""
        groups = torch.rand(count, 1 + len(PARTS), generator=self.rng) < probability
        return torch.cat([groups[:, :1].expand(-1, BASE_CODES), groups[:, 1:].repeat_interleave(2, 1)], 1)

    def _judge(self, images: Tensor, masks: Tensor) -> Tensor:
        images, masks = self.augment(images, masks, self.rng)
        with torch.autocast("cpu", torch.bfloat16):
            return self.discriminator(images, masks).float()

    def _masks_for_judge(self, masks: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(masks, self.settings.mask_size) * 2 - 1

    def _adversarial(self, codes: Tensor) -> dict[str, float]:
        self.discriminator.requires_grad_(False)
        out = self._synthesize(codes)
        scores = self._judge(out.images, self._masks_for_judge(out.masks.softmax(1)))
        loss = F.softplus(-scores).mean()
        (self.settings.adversarial * loss + self.settings.mask_consistency * _mask_consistency(out)).backward()
        self.discriminator.requires_grad_(True)
        self._fakes = (out.images.detach(), out.masks.detach())
        return {"g": loss.item()}

    def _discriminate(self, codes: Tensor, photos: Tensor, labels: Tensor) -> dict[str, float]:
        s = self.settings
        images, masks = self._fakes
        fake = self._judge(images, self._masks_for_judge(masks.softmax(1)))
        penalise = self.step % s.lazy == 0
        real_masks = self._masks_for_judge(F.one_hot(labels, len(PARTS)).permute(0, 3, 1, 2).float())
        photos, real_masks = photos.clone().requires_grad_(penalise), real_masks.requires_grad_(penalise)
        real = self._judge(photos, real_masks)
        loss = F.softplus(fake).mean() + F.softplus(-real).mean()
        if penalise:
            to_photos, to_masks = torch.autograd.grad(real.sum(), (photos, real_masks), create_graph=True)
            r1 = s.r1_images * to_photos.square().sum((1, 2, 3)).mean() + s.r1_masks * to_masks.square().sum((1, 2, 3)).mean()
            loss = loss + s.lazy / 2 * r1
        self.optimisers["discriminator"].zero_grad()
        loss.backward()
        self.optimisers["discriminator"].step()
        self.augment.update(real.detach())
        return {"d": loss.item(), "real": real.mean().item(), "fake": fake.mean().item(), "p": self.augment.probability}

    def _path_length(self) -> dict[str, float]:
        """Path-length regularisation on a quarter of a batch (StyleGAN2, Eq. 4)."""
        s = self.settings
        w = self.generator.map(torch.randn(max(2, s.batch // 8), s.generator.style_dim, generator=self.rng))
        codes = w.unsqueeze(1).expand(-1, s.generator.codes, -1)
        images = self.generator.synthesize(codes)
        noise = torch.randn(images.shape, generator=self.rng) / s.generator.size
        (gradient,) = torch.autograd.grad((images * noise).sum(), codes, create_graph=True)
        lengths = gradient.square().sum(2).mean(1).sqrt()
        self.mean_path = torch.lerp(self.mean_path, lengths.detach().mean(), 0.02 if self.step else 1.0)
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


def _mask_consistency(out: Synthesis) -> Tensor:
    """The refined masks, pooled, must stay near the composited ones (the paper's mask regularisation)."""
    refined = F.adaptive_avg_pool2d(out.masks.softmax(1), out.coarse_masks.shape[-1])
    return F.mse_loss(refined, (out.coarse_masks + 1) / 2)
