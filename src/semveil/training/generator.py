"""Train a SemanticStyleGAN together with its semantic encoder on labelled, aligned faces.

The paper's adversarial losses (non-saturating, lazy R1 on image and mask, path length, mask regularisation, style mixing)
act on samples of the prior and, so that the codes of real photos are a prior too, on codes of photos whose parts are
exchanged between people or noised. A reconstruction loss joins generator and encoder.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.core.parts import BASE_CODES, PARTS
from semveil.data.face_set import FaceSet
from semveil.encoders.semantic import SemanticEncoder, SemanticEncoderConfig
from semveil.generators.discriminators import DualBranchDiscriminator
from semveil.generators.semantic_stylegan import SemanticStyleGAN, SemanticStyleGANConfig, Synthesis
from semveil.training.joint import JointTrainer, JointTraining, flipped


@dataclass(frozen=True)
class GeneratorTraining(JointTraining):
    """Settings of a run; the defaults made the bundled model.

    Attributes:
        labels: weight of the cross-entropy of the masks.
        r1_images, r1_masks: gradient penalties on real photos, every `lazy` steps.
        mask_consistency: weight of the paper's regulariser of the masks.
        mask_size: side at which the discriminator sees masks.
    """

    labels: float = 0.1
    r1_images: float = 1.0
    r1_masks: float = 1.0
    mask_consistency: float = 1.0
    mask_size: int = 32
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


class GeneratorTrainer(JointTrainer):
    """State of a run, with the photos' part labels."""

    settings: GeneratorTraining

    def __init__(
        self,
        faces: FaceSet,
        settings: GeneratorTraining,
        *,
        perceptual: Callable[[Tensor, Tensor], Tensor],
        rng: torch.Generator,
    ) -> None:
        super().__init__(faces, settings, lambda: _networks(settings), perceptual=perceptual, rng=rng)
        self.labels = torch.from_numpy(faces.labels[~faces.held_out])
        self.generator: SemanticStyleGAN = self._networks["generator"]
        self.encoder: SemanticEncoder = self._networks["encoder"]
        self.discriminator: DualBranchDiscriminator = self._networks["discriminator"]

    def _train_step(self) -> dict[str, float]:
        s = self.settings
        rows, mirror = self._batch()
        photos, inside = self._photos(rows, mirror)
        labels = flipped(self.labels[rows], mirror).long()
        self._track_styles()
        with torch.autocast("cpu", torch.bfloat16):
            codes = self.encoder(photos)
        losses = self._reconstruct(codes, photos, labels, inside)
        fakes_codes = self._fake_codes(codes.detach(), s.batch // 2)
        losses |= self._adversarial(fakes_codes)
        if self.step % s.lazy == 0:
            losses |= self._path_length()
        self._step("generator", "encoder")
        self._average()
        losses |= self._discriminate(fakes_codes, photos[: s.batch // 2], labels[: s.batch // 2])
        return losses

    def _synthesize(self, codes: Tensor) -> Synthesis:
        with torch.autocast("cpu", torch.bfloat16):
            return self.generator.synthesize_with_masks(codes)

    def _reconstruct(self, codes: Tensor, photos: Tensor, labels: Tensor, inside: Tensor) -> dict[str, float]:
        s = self.settings
        out = self._synthesize(self._blurred_codes(codes))
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
        loss.backward()
        self._step("discriminator")
        self.augment.update(real.detach())
        return {"d": loss.item(), "real": real.mean().item(), "fake": fake.mean().item(), "p": self.augment.probability}


def _networks(settings: GeneratorTraining) -> tuple[SemanticStyleGAN, SemanticEncoder, DualBranchDiscriminator]:
    config = settings.generator
    generator = SemanticStyleGAN(config)
    encoder = SemanticEncoder(SemanticEncoderConfig(size=config.size, codes=config.codes, style_dim=config.style_dim))
    discriminator = DualBranchDiscriminator(
        config.size,
        mask_size=settings.mask_size,
        channel_multiplier=settings.discriminator_multiplier,
        channel_cap=settings.discriminator_cap,
    )
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return generator, encoder, discriminator


def _mask_consistency(out: Synthesis) -> Tensor:
    """The refined masks, pooled, must stay near the composited ones (the paper's mask regularisation)."""
    refined = F.adaptive_avg_pool2d(out.masks.softmax(1), out.coarse_masks.shape[-1])
    return F.mse_loss(refined, (out.coarse_masks + 1) / 2)
