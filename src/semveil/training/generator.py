# SPDX-License-Identifier: Apache-2.0
"""Joint training of a semantic generator and its encoder on labelled, aligned faces.

A reconstruction loss, with higher weight on visually important parts, joins generator and encoder. A patch
discriminator (hinge loss) judges reconstructions and synthetic faces: of codes sampled from a Gaussian with
the covariance of photos' codes, which also result from decoding with a wrong key; of codes sampled in some
parts only; and of parts exchanged between people. Noise on the codes of reconstructed photos teaches the
decoder to ignore directions in which photos do not differ.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.device import CPU, moved
from semveil.data.face_set import FaceSet
from semveil.encoders.parts import PartEncoder, PartEncoderConfig
from semveil.faces.parts import BASE_CODES, PARTS
from semveil.generators.placed_discriminator import PlacedDiscriminator
from semveil.generators.semantic_stylegan import Synthesis
from semveil.generators.spatial_config import SpatialSemanticConfig
from semveil.generators.spatial_semantic import SpatialSemanticGAN
from semveil.training.feature_discriminator import feature_discriminator
from semveil.training.hinge import hinge_loss
from semveil.training.joint import JointTrainer, JointTraining, flipped
from semveil.training.processes import ALONE, Processes

DETAILED = [PARTS.index(part) for part in ("eyes", "brows", "mouth", "nose", "glasses")]
FACE = (0.1875, 0.28125, 0.8125, 0.90625)  # left, top, right, bottom of brows to chin, relative to the side
GLANCE = 64  # px, side at which whole images are compared by features
JITTER = 8  # px
BANK = 1024  # number of photo codes from which new faces are sampled


@dataclass(frozen=True)
class GeneratorTraining(JointTraining):
    """Settings of a run; the defaults produced the bundled model.

    Attributes:
        mae: weight of the absolute error.
        detail: relative weight of errors inside eyes, brows, mouth, nose and glasses.
        labels: weight of the cross-entropy of the masks.
        adversarial_from: step at which the adversarial losses begin; until then, reconstruction alone learns
            faster.
        mask_consistency: weight of the paper's mask regulariser.
        identity: weight of the identity loss, if a recogniser is given.
        discriminator_width: see `PlacedDiscriminator`.
        features: weight of the adversarial loss of a discriminator on SqueezeNet's features.
        invented: relative weight of the adversarial losses on synthetic faces, which no other loss pulls
            towards photos.
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
    adversarial: float = 0.03
    discriminator_rate: float = 8e-4
    code_noise: float = 0.5
    mask_consistency: float = 1.0
    identity: float = 0.3
    discriminator_width: int = 32
    features: float = 0.0
    invented: float = 1.0
    generator: SpatialSemanticConfig = field(default_factory=SpatialSemanticConfig)
    encoder: PartEncoderConfig = field(default_factory=PartEncoderConfig)


class GeneratorTrainer(JointTrainer):
    """State of a run, with the photos' part labels.

    Args:
        recogniser: images (B, 3, S, S) -> identity vectors of unit length, differentiable. Reconstructions
            are trained to be recognised as the person; it must not be the recogniser that later evaluates the
            model. No identity loss where None.

    Further arguments as for `JointTrainer`.
    """

    settings: GeneratorTraining

    def __init__(
        self,
        faces: FaceSet,
        settings: GeneratorTraining,
        *,
        perceptual: Callable[[Tensor, Tensor], Tensor],
        rng: torch.Generator,
        recogniser: Callable[[Tensor], Tensor] | None = None,
        device: torch.device = CPU,
        processes: Processes = ALONE,
    ) -> None:
        super().__init__(
            faces,
            settings,
            lambda: _networks(settings, device),
            perceptual=perceptual,
            rng=rng,
            device=device,
            processes=processes,
        )
        self.recogniser = moved(recogniser, self.device) if isinstance(recogniser, nn.Module) else recogniser
        self.labels = torch.from_numpy(faces.labels[~faces.held_out])
        self.generator: SpatialSemanticGAN = self._networks["generator"]
        self.encoder: PartEncoder = self._networks["encoder"]
        self.discriminator: _Judges = self._networks["discriminator"]
        config = settings.generator
        self.bank = torch.zeros(BANK, config.codes, config.style_dim, device=self.device)
        self.banked = 0

    def _train_step(self) -> dict[str, float]:
        s = self.settings
        rows, mirror = self._batch()
        photos, inside = self._photos(rows, mirror)
        labels = flipped(self.labels[rows], mirror).to(self.device).long()
        with self._half():
            codes = self.encoder(photos)
        judged = self.step >= s.adversarial_from
        of_all = self.processes.gather(codes.detach())
        self._remember(of_all)
        self.discriminator.requires_grad_(False)
        losses, images = self._reconstruct(codes, photos, labels, inside, judged=judged)
        if judged:
            new, loss = self._invent(of_all)
            losses |= {"g_new": loss}
        self.discriminator.requires_grad_(True)
        self._step("generator", "encoder")
        self._average()
        if judged:
            losses |= self._discriminate(photos, torch.cat([images[: len(images) // 2], new]))
        return losses

    def _remember(self, codes: Tensor) -> None:
        """Store the newest codes of photos in the bank."""
        places = torch.arange(self.banked, self.banked + len(codes)) % BANK
        self.bank[places.to(self.device)] = codes
        self.banked += len(codes)

    def _render(self, codes: Tensor) -> Synthesis:
        """Images, with masks at half their side."""
        with self._half():
            return self.generator.render(codes)

    def _reconstruct(
        self, codes: Tensor, photos: Tensor, labels: Tensor, inside: Tensor, *, judged: bool
    ) -> tuple[dict[str, float], Tensor]:
        s = self.settings
        out = self._render(self._blurred_codes(codes))
        images = out.images * inside + photos * (1 - inside)  # ignore filled-in pixels
        weights = detail_weights(labels, s.detail)
        error = images - photos
        mse, mae = (weights * error.square()).mean(), (weights * error.abs()).mean()
        perceptual = self._perceptual(images, photos)
        entropy = F.cross_entropy(out.masks, labels[:, ::2, ::2])
        consistency = _mask_consistency(out)
        total = (
            s.mse * mse
            + s.mae * mae
            + s.perceptual * perceptual
            + s.labels * entropy
            + s.mask_consistency * consistency
        )
        losses = {
            "mse": error.detach().square().mean().item(),
            "detail": mse.item(),
            "lpips": perceptual.item(),
            "labels": entropy.item(),
            "masks": consistency.item(),
        }
        if self.recogniser is not None:
            with self._half():
                own, seen = (self.recogniser(x).float() for x in (photos, images))
            unlike = (1 - (own * seen).sum(1)).mean()
            total = total + s.identity * unlike
            losses["identity"] = unlike.item()
        if judged:
            fooled, weighted = self._fooled(images)
            total = total + weighted
            losses["g"] = fooled.item()
        total.backward()
        return losses, images.detach()

    def _perceptual(self, images: Tensor, photos: Tensor) -> Tensor:
        """Mean of the perceptual distances between downsampled whole images and between full-size faces."""
        size = images.shape[-1]
        left, top, right, bottom = (round(place * size) for place in FACE)
        glance = [F.adaptive_avg_pool2d(x, min(size, GLANCE)) for x in (images, photos)]
        close = [x[:, :, top:bottom, left:right] for x in (images, photos)]
        return (self.perceptual(*glance).mean() + self.perceptual(*close).mean()) / 2

    def _new_codes(self, codes: Tensor) -> Tensor:
        """Codes for half a batch: half sampled, a quarter partly sampled, a quarter with exchanged parts."""
        count = len(codes) // 8
        drawn, own = self._drawn_codes(3 * count, self.rng), codes[: 2 * count]
        others = torch.cat([drawn[:count], codes[2 * count : 3 * count]])
        mixed = torch.where(self._part_choice(2 * count, 0.4).unsqueeze(-1), others, own)
        return torch.cat([drawn[count:], mixed])

    def _drawn_codes(self, count: int, rng: torch.Generator) -> Tensor:
        """Samples (count, K, D) of the Gaussian with the mean and covariance of the bank.

        Each is the mean plus a random combination of the bank's deviations.
        """
        bank = self.bank[: min(max(self.banked, 1), BANK)]
        mean = bank.mean(0)
        weights = torch.randn(count, len(bank), generator=rng).to(self.device) / len(bank) ** 0.5
        return mean + torch.einsum("nb,bkd->nkd", weights, bank - mean)

    def sample_codes(self, count: int, *, rng: torch.Generator) -> Tensor:
        """Sample codes (count, K, D) of random faces.

        Args:
            count: number of faces.
            rng: source of the samples, on the CPU.
        """
        return self._drawn_codes(count, rng)

    def _part_choice(self, count: int, probability: float) -> Tensor:
        """Random choice of whole parts, and of all shared codes together, (count, K) bool."""
        groups = self._uniform(count, 1 + len(PARTS)) < probability
        return torch.cat([groups[:, :1].expand(-1, BASE_CODES), groups[:, 1:].repeat_interleave(2, 1)], 1)

    def _judge(self, images: Tensor) -> list[Tensor]:
        """Patch scores: of the placed discriminator first, then of the feature discriminator."""
        offset = torch.randint(2 * JITTER + 1, (2,), generator=self.rng).tolist()
        with self._half():
            scores: list[Tensor] = self.discriminator(images, offset)
        return [score.float() for score in scores]

    def _fooled(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Adversarial loss of the placed discriminator, and the weighted sum over all discriminators."""
        placed, *features = (-score.mean() for score in self._judge(images))
        return placed, self.settings.adversarial * placed + self.settings.features * sum(features)

    def _invent(self, codes: Tensor) -> tuple[Tensor, float]:
        """This process's share of the synthetic faces, and their adversarial loss."""
        out = self._render(self.processes.share(self._new_codes(codes)))
        fooled, weighted = self._fooled(out.images)
        (
            self.settings.invented * weighted + self.settings.mask_consistency * _mask_consistency(out)
        ).backward()
        return out.images.detach(), fooled.item()

    def _discriminate(self, photos: Tensor, fakes: Tensor) -> dict[str, float]:
        """Train all discriminators by hinge losses."""
        pairs = list(zip(self._judge(photos), self._judge(fakes), strict=True))
        losses = [hinge_loss(real, fake) for real, fake in pairs]
        torch.stack(losses).sum().backward()
        self._step("discriminator")
        real, fake = pairs[0]
        return {"d": losses[0].item(), "real": real.mean().item(), "fake": fake.mean().item()}

    def _running_values(self) -> dict[str, Tensor]:
        return {"bank": self.bank.cpu(), "banked": torch.tensor(self.banked)}

    def _set_running_values(self, values: Mapping[str, Tensor]) -> None:
        self.bank, self.banked = values["bank"].to(self.device), int(values["banked"])


def detail_weights(labels: Tensor, detail: float) -> Tensor:
    """Loss weights (B, 1, H, W) of mean 1, higher on and next to eyes, brows, mouth, nose and glasses.

    Args:
        labels: (B, H, W) index of the face part per pixel.
        detail: weight of these parts relative to the others.
    """
    chosen = torch.isin(labels, torch.tensor(DETAILED, device=labels.device)).float().unsqueeze(1)
    weights = 1 + (detail - 1) * F.max_pool2d(chosen, 3, stride=1, padding=1)
    return weights / weights.mean((1, 2, 3), keepdim=True)


class _Judges(nn.Module):
    """The placed discriminator, and the feature discriminator if it has a weight."""

    def __init__(self, settings: GeneratorTraining, device: torch.device) -> None:
        super().__init__()
        self.placed = PlacedDiscriminator(settings.discriminator_width)
        self.features = feature_discriminator(device) if settings.features else None

    def forward(self, images: Tensor, offset: Sequence[int]) -> list[Tensor]:
        return [self.placed(images), *(self.features(_shifted(images, offset)) if self.features else ())]


def _shifted(images: Tensor, offset: Sequence[int]) -> Tensor:
    """Shift images by up to `JITTER` px.

    If the strides of a trunk always met the same pixels, a grid would appear in the images.
    """
    top, left = offset
    return F.pad(images, (JITTER,) * 4, mode="reflect")[
        ..., top : top + images.shape[-2], left : left + images.shape[-1]
    ]


def _networks(
    settings: GeneratorTraining, device: torch.device
) -> tuple[SpatialSemanticGAN, PartEncoder, _Judges]:
    networks = (
        SpatialSemanticGAN(settings.generator),
        PartEncoder(settings.encoder),
        _Judges(settings, device),
    )
    for network in networks:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return networks


def _mask_consistency(out: Synthesis) -> Tensor:
    """Squared error between pooled refined masks and composited ones (the paper's mask regularisation)."""
    refined = F.adaptive_avg_pool2d(out.masks.softmax(1), out.coarse_masks.shape[-1])
    return F.mse_loss(refined, (out.coarse_masks + 1) / 2)
