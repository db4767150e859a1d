"""Train a semantic generator together with its encoder on labelled, aligned faces.

SemanticStyleGAN's adversarial losses (non-saturating, lazy R1 on image and mask, path length, mask regularisation, style
mixing) act on samples of the prior and, so that the codes of real photos are a prior too, on codes of photos whose parts
are exchanged between people or noised. A reconstruction loss, heavier where the eye looks first, joins generator and encoder.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.core.parts import BASE_CODES, PARTS
from semveil.data.face_set import FaceSet
from semveil.encoders.parts import PartEncoder, PartEncoderConfig
from semveil.generators.face_discriminator import FaceDiscriminator
from semveil.generators.semantic_stylegan import Synthesis
from semveil.generators.spatial_config import SpatialSemanticConfig
from semveil.generators.spatial_semantic import SpatialSemanticGAN
from semveil.training.joint import JointTrainer, JointTraining, flipped

DETAILED = [PARTS.index(part) for part in ("eyes", "brows", "mouth", "nose", "glasses")]
FACE = (0.1875, 0.28125, 0.8125, 0.90625)  # left, top, right, bottom of brows to chin, in units of the side
GLANCE = 64  # px, at which the whole picture is compared by features


@dataclass(frozen=True)
class GeneratorTraining(JointTraining):
    """Settings of a run; the defaults made the bundled model.

    Attributes:
        mae: weight of the absolute error.
        detail: how many times more an error counts inside eyes, brows, mouth, nose and glasses.
        labels: weight of the cross-entropy of the masks.
        adversarial_from: step at which the adversarial losses begin; before it, reconstruction alone learns faster.
        components: weight of the discriminators of eyes and mouth, relative to the face's.
        r1_images, r1_masks: gradient penalties on real photos, every `lazy` steps.
        mask_consistency: weight of the paper's regulariser of the masks.
        mask_size: side at which the discriminator sees masks.
        discriminator_width: channels of the discriminator at full size, doubled with each halving.
        component_width: the same for the discriminators of eyes and mouth.
        encoder: sizes of the encoder.
    """

    steps: int = 32000
    batch: int = 16
    generator_rate: float = 1e-3
    encoder_rate: float = 1e-3
    mse: float = 3.0
    mae: float = 1.0
    detail: float = 6.0
    labels: float = 0.1
    adversarial_from: int = 5000
    components: float = 0.5
    r1_images: float = 1.0
    r1_masks: float = 1.0
    mask_consistency: float = 1.0
    mask_size: int = 32
    discriminator_width: int = 12
    component_width: int = 24
    generator: SpatialSemanticConfig = field(default_factory=SpatialSemanticConfig)
    encoder: PartEncoderConfig = field(default_factory=PartEncoderConfig)


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
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(faces, settings, lambda: _networks(settings), perceptual=perceptual, rng=rng, device=device)
        self.labels = torch.from_numpy(faces.labels[~faces.held_out])
        self.generator: SpatialSemanticGAN = self._networks["generator"]
        self.encoder: PartEncoder = self._networks["encoder"]
        self.discriminator: FaceDiscriminator = self._networks["discriminator"]

    def _train_step(self) -> dict[str, float]:
        s = self.settings
        rows, mirror = self._batch()
        photos, inside = self._photos(rows, mirror)
        labels = flipped(self.labels[rows], mirror).to(self.device).long()
        self._track_styles()
        with self._half():
            codes = self.encoder(photos)
        losses = self._reconstruct(codes, photos, labels, inside)
        judged = self.step >= s.adversarial_from
        if judged:
            losses |= self._adversarial(self._fake_codes(codes.detach()))
            if self.step % s.lazy == 0:
                losses |= self._path_length()
        self._step("generator", "encoder")
        self._average()
        if judged:
            losses |= self._discriminate(photos[: s.batch // 2], labels[: s.batch // 2])
        return losses

    def _render(self, codes: Tensor) -> Synthesis:
        """Images, and masks at half their side."""
        with self._half():
            return self.generator.render(codes)

    def _reconstruct(self, codes: Tensor, photos: Tensor, labels: Tensor, inside: Tensor) -> dict[str, float]:
        s = self.settings
        out = self._render(self._blurred_codes(codes))
        images = out.images * inside + photos * (1 - inside)  # made-up pixels teach nothing
        weights = detail_weights(labels, s.detail)
        error = images - photos
        mse, mae = (weights * error.square()).mean(), (weights * error.abs()).mean()
        perceptual = self._perceptual(images, photos)
        entropy = F.cross_entropy(out.masks, labels[:, ::2, ::2])
        consistency = _mask_consistency(out)
        total = s.mse * mse + s.mae * mae + s.perceptual * perceptual + s.labels * entropy + s.mask_consistency * consistency
        total.backward()
        plain = error.detach().square().mean()
        return {
            "mse": plain.item(),
            "detail": mse.item(),
            "lpips": perceptual.item(),
            "labels": entropy.item(),
            "masks": consistency.item(),
        }

    def _perceptual(self, images: Tensor, photos: Tensor) -> Tensor:
        """Mean of the distance between whole pictures, shrunk, and between faces at full size."""
        size = images.shape[-1]
        left, top, right, bottom = (round(place * size) for place in FACE)
        glance = [F.adaptive_avg_pool2d(x, min(size, GLANCE)) for x in (images, photos)]
        close = [x[:, :, top:bottom, left:right] for x in (images, photos)]
        return (self.perceptual(*glance).mean() + self.perceptual(*close).mean()) / 2

    def _fake_codes(self, codes: Tensor) -> Tensor:
        """A quarter of a batch each: samples of the prior with style mixing, exchanged and noised parts, codes as they are."""
        count = len(codes) // 4
        w = self.generator.map(self._normal(2 * count, codes.shape[-1])).unflatten(0, (2, count))
        mixed = (self._uniform(count, 1) < 0.7) & self._part_choice(count, 0.5)
        sampled = torch.where(mixed.unsqueeze(-1), w[1].unsqueeze(1), w[0].unsqueeze(1))

        own, other, noised, kept = codes[: 4 * count].split(count)
        exchanged = torch.where(self._part_choice(count, 0.4).unsqueeze(-1), other, own)
        choice = self._part_choice(count, 0.6) | (self._uniform(count, 1) < 0.3)
        amount = 1.1 * self._uniform(count, 1, 1) * choice.unsqueeze(-1) * self.encoder.style_std
        return torch.cat([sampled, exchanged, noised + amount * self._normal(*noised.shape), kept])

    def _part_choice(self, count: int, probability: float) -> Tensor:
        """(count, K) bool: whole parts, or the shared codes, chosen together."""
        groups = self._uniform(count, 1 + len(PARTS)) < probability
        return torch.cat([groups[:, :1].expand(-1, BASE_CODES), groups[:, 1:].repeat_interleave(2, 1)], 1)

    def _judge(self, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of the faces, and of their components, which are taken before the face is moved."""
        moved, moved_masks = self.augment(images, masks, self.rng)
        with self._half():
            return self.discriminator(moved, moved_masks).float(), self.discriminator.components(images).float()

    def _masks_for_judge(self, masks: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(masks, self.settings.mask_size) * 2 - 1

    def _adversarial(self, codes: Tensor) -> dict[str, float]:
        s = self.settings
        self.discriminator.requires_grad_(False)
        out = self._render(codes)
        faces, components = self._judge(out.images, self._masks_for_judge(out.masks.softmax(1)))
        loss, close = F.softplus(-faces).mean(), F.softplus(-components).mean()
        (s.adversarial * (loss + s.components * close) + s.mask_consistency * _mask_consistency(out)).backward()
        self.discriminator.requires_grad_(True)
        self._fakes = (out.images.detach(), out.masks.detach())
        return {"g": loss.item(), "g_close": close.item()}

    def _discriminate(self, photos: Tensor, labels: Tensor) -> dict[str, float]:
        s = self.settings
        images, masks = self._fakes
        fake, fake_close = self._judge(images, self._masks_for_judge(masks.softmax(1)))
        penalise = self.step % s.lazy == 0
        real_masks = self._masks_for_judge(F.one_hot(labels, len(PARTS)).permute(0, 3, 1, 2).float())
        photos, real_masks = photos.clone().requires_grad_(penalise), real_masks.requires_grad_(penalise)
        real, real_close = self._judge(photos, real_masks)
        loss = F.softplus(fake).mean() + F.softplus(-real).mean()
        loss = loss + s.components * (F.softplus(fake_close).mean() + F.softplus(-real_close).mean())
        if penalise:
            scores = real.sum() + s.components * real_close.sum()
            to_photos, to_masks = torch.autograd.grad(scores, (photos, real_masks), create_graph=True)
            r1 = s.r1_images * to_photos.square().sum((1, 2, 3)).mean() + s.r1_masks * to_masks.square().sum((1, 2, 3)).mean()
            loss = loss + s.lazy / 2 * r1
        loss.backward()
        self._step("discriminator")
        self.augment.update(real.detach())
        return {"d": loss.item(), "real": real.mean().item(), "fake": fake.mean().item(), "p": self.augment.probability}


def detail_weights(labels: Tensor, detail: float) -> Tensor:
    """(B, 1, H, W) weights of mean 1: `detail` times more in and right beside eyes, brows, mouth, nose and glasses."""
    chosen = torch.isin(labels, torch.tensor(DETAILED, device=labels.device)).float().unsqueeze(1)
    weights = 1 + (detail - 1) * F.max_pool2d(chosen, 3, stride=1, padding=1)
    return weights / weights.mean((1, 2, 3), keepdim=True)


def _networks(settings: GeneratorTraining) -> tuple[SpatialSemanticGAN, PartEncoder, FaceDiscriminator]:
    config, width = settings.generator, settings.discriminator_width
    discriminator = FaceDiscriminator(
        config.size,
        mask_size=settings.mask_size,
        channels=lambda side: min(settings.discriminator_cap, width * config.size // side),
        component=settings.component_width,
    )
    networks = (SpatialSemanticGAN(config), PartEncoder(settings.encoder), discriminator)
    for network in networks:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return networks


def _mask_consistency(out: Synthesis) -> Tensor:
    """The refined masks, pooled, must stay near the composited ones (the paper's mask regularisation)."""
    refined = F.adaptive_avg_pool2d(out.masks.softmax(1), out.coarse_masks.shape[-1])
    return F.mse_loss(refined, (out.coarse_masks + 1) / 2)
