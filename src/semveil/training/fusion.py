"""Train identity-dp's attribute encoder and fusion generator on photos, against a frozen identity encoder ([IDP] IV-D)."""

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.checkpoints import save_checkpoint
from semveil.core.device import CPU, half_precision
from semveil.core.parts import PARTS
from semveil.core.rng import global_stream
from semveil.data.face_set import FaceSet
from semveil.encoders.attributes import AttributeEncoder, AttributeEncoderConfig, coarsened
from semveil.generators.aad_fusion import AAD, FusionConfig, FusionGenerator
from semveil.generators.discriminators import MultiScaleDiscriminator
from semveil.metrics.structure import REACH, similarity_map
from semveil.recognition.identity_encoder import IdentityEncoder
from semveil.training.draws import Draws
from semveil.training.identity_encoder import vary
from semveil.training.processes import ALONE, Processes

FACE_PARTS = ("skin", "eyes", "brows", "mouth", "nose", "ears", "glasses")  # may change with the identity
UNLIKE = -0.2  # cosine to the own identity below which a face is unlike it enough; other recognisers are less sure than ours
_NETWORKS = ("attributes", "fusion", "discriminator", "averages")


@dataclass(frozen=True)
class FusionTraining:
    """Settings of a run; the bundled model was made in stages that ended with the defaults (docs/model-card.md).

    `attribute_loss`, `identity_loss` and `reconstruction_loss` are the weights of [IDP] Eqs. 16, 15 and 17, whose squares are
    means over a map or an image here, where the paper writes sums. What is not in the paper says so.

    Attributes:
        steps: optimiser steps; the learning rates fall to a tenth over the last `decay_share` of them (not in the paper).
        batch: photos per step; the discriminator learns from half of them and of their fakes.
        rate: Adam's learning rate; its betas are 0 and 0.999.
        discriminator_rate: that of the discriminator (the same as the others' in the paper).
        same_share: of a batch, photos that are joined with their own identity; only they are reconstructed.
        random_share: of a batch, photos that are joined with a random unit vector, as noise leaves them (not in the paper).
        coarse_share: of a batch, photos whose attributes are taken after `coarsened` to 8, 16 or 32 px (not in the paper).
        adversarial: weight of the hinge loss.
        leak_loss: weight of the cosine to the photo's own identity, down to `UNLIKE`, if another is wanted (not in the paper).
        context_loss: weight of Eq. 17 outside the face's parts where the identities differ (not in the paper).
        face_loss: weight of Eq. 17 inside the face's parts where the identities differ (not in the paper).
        structure_loss: weight of 1 - SSIM of what the first two of these three see (not in the paper).
        average: half life in photos of the averaged weights that are shipped.
        strength: length of an identity vector, of 1 in training, that the finished networks show; less changes less of the look
            (not in the paper).
        attribute_widths: of the attribute encoder.
        fusion_widths: of the fusion generator.
        discriminator_width: of the multi-scale discriminator.
    """

    steps: int = 8_250
    batch: int = 16
    rate: float = 4e-4
    discriminator_rate: float = 1e-3
    decay_share: float = 0.25
    same_share: float = 0.25
    random_share: float = 0.375
    coarse_share: float = 0.06
    adversarial: float = 0.5
    attribute_loss: float = 10.0
    identity_loss: float = 2.0
    leak_loss: float = 12.0
    reconstruction_loss: float = 600.0
    context_loss: float = 300.0
    face_loss: float = 200.0
    structure_loss: float = 30.0
    average: float = 5000.0
    strength: float = 0.7
    attribute_widths: tuple[int, ...] = (8, 16, 32, 64, 96)
    fusion_widths: tuple[int, ...] = (96, 96, 64, 32, 16, 8)
    discriminator_width: int = 16


class FusionTrainer:
    """State of a run: networks, their averages, optimisers; saved and resumed as one file.

    Args:
        faces: labelled photos; only those not held out are used.
        settings: of the run.
        identity: frozen; its vectors of the photos are computed once.
        rng: order, identities and variations.
        device: where networks and losses are computed.
        processes: this one among those that train together.
    """

    def __init__(
        self,
        faces: FaceSet,
        settings: FusionTraining,
        *,
        identity: IdentityEncoder,
        rng: torch.Generator,
        device: torch.device = CPU,
        processes: Processes = ALONE,
    ) -> None:
        processes.check_batch(settings.batch)
        self.device, self.processes, self.draws = device, processes, Draws(rng, device, processes)
        keep = ~faces.held_out
        self.photos = torch.from_numpy(faces.pixels[keep]).permute(0, 3, 1, 2).contiguous()
        self.face = torch.isin(torch.from_numpy(faces.labels[keep]), torch.tensor([PARTS.index(part) for part in FACE_PARTS]))
        self.inside = torch.from_numpy(faces.inside[keep])
        self.settings, self.identity, self.rng = settings, _channels_last(copy.deepcopy(identity).to(device)), rng
        size, dim = identity.config.size, identity.config.dimensions
        with global_stream(rng):
            encoder = AttributeEncoder(AttributeEncoderConfig(size, settings.attribute_widths))
            base, channels = encoder.config.sides[0], encoder.config.channels
            fusion = FusionGenerator(FusionConfig(dim, channels, settings.fusion_widths, base))
            discriminator = MultiScaleDiscriminator(width=settings.discriminator_width)
        _strengthen(fusion, dim**0.5)  # unit vectors have coordinates of about 1 / sqrt(d)
        self.attributes, self.fusion, self.discriminator = (
            _channels_last(network.to(device)) for network in (encoder, fusion, discriminator)
        )
        self.averages = copy.deepcopy(nn.ModuleDict({"attributes": self.attributes, "fusion": self.fusion}))
        self.averages.requires_grad_(False)
        for network in (self.attributes, self.fusion, self.discriminator):  # after the averages, which one process finishes
            processes.share_statistics(network)
        self.step = 0
        of_generator = [*self.attributes.parameters(), *self.fusion.parameters()]
        self.optimisers = {
            "generator": torch.optim.Adam(of_generator, settings.rate, betas=(0.0, 0.999), fused=True),
            "discriminator": torch.optim.Adam(
                self.discriminator.parameters(), settings.discriminator_rate, betas=(0.0, 0.999), fused=True
            ),
        }
        self.vectors = self._identify_photos()

    def _identify_photos(self) -> Tensor:
        """Identity vectors (2, N, d) of all photos and of all photos mirrored."""
        with torch.no_grad(), half_precision(self.device):
            parts = [_unit(part.to(self.device)) for part in self.photos.split(128)]
            return torch.stack(
                [
                    torch.cat([self.identity(x).float() for x in parts]),
                    torch.cat([self.identity(x.flip(-1)).float() for x in parts]),
                ]
            )

    def run(self, *, report: Callable[[int, dict[str, float]], None], until: float = math.inf) -> None:
        """Train to the last step, or until `time.monotonic()` passes `until`."""
        while self.step < self.settings.steps and (until == math.inf or self.processes.agreed(time.monotonic() < until)):
            left = (self.settings.steps - self.step) / (self.settings.steps * self.settings.decay_share)
            for name, rate in (("generator", self.settings.rate), ("discriminator", self.settings.discriminator_rate)):
                for group in self.optimisers[name].param_groups:
                    group["lr"] = rate * max(0.1, min(1.0, left))
            losses = self._train_step()
            self.step += 1
            report(self.step, losses)

    def _train_step(self) -> dict[str, float]:
        s = self.settings
        rows = torch.randint(len(self.photos), (s.batch,), generator=self.rng)
        mirrored = torch.rand(s.batch, generator=self.rng) < 0.5
        share = self.processes.share
        photos, face, inside = self._photos(share(rows), share(mirrored))
        identity, same = map(share, self._identities(rows, mirrored))
        own = share(self._own(rows, mirrored))
        seen = self._coarsened_in_part(photos)

        self.discriminator.requires_grad_(False)
        with half_precision(self.device):
            levels = self.attributes(seen)
            images = self.fusion(identity, levels).float()
            again = self.attributes(images)
            fooled = -sum(score.float().mean() for score in self.discriminator(images))
            looks = self.identity(self._varied(images))
        losses = {
            "adversarial": fooled,
            "attributes": 0.5 * sum(F.mse_loss(a.float(), b.float()) for a, b in zip(again, levels, strict=True)),
            "identity": (1 - (looks * identity).sum(1)).mean(),
            "leak": (~same * (looks * own).sum(1).clamp_min(UNLIKE)).mean(),
            **self._pixel_losses(images, photos, face, inside, same),
        }
        pixels = (s.reconstruction_loss, s.context_loss, s.face_loss, s.structure_loss)
        weights = (s.adversarial, s.attribute_loss, s.identity_loss, s.leak_loss, *pixels)
        total = sum(weight * loss for weight, loss in zip(weights, losses.values(), strict=True))
        self._step("generator", total)
        self._average()
        self.discriminator.requires_grad_(True)
        half = slice(None, None, 2)
        losses["discriminator"] = self._discriminate(photos[half], images[half].detach())
        return {name: loss.item() for name, loss in losses.items()}

    def _photos(self, rows: Tensor, mirrored: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Photos in [-1, 1], where they show face parts, and where they are real and not filled in, both (B, 1, S, S)."""
        flip = lambda x: torch.where(mirrored.view(-1, *[1] * (x.ndim - 1)), x.flip(-1), x).to(self.device)  # noqa: E731
        photos = _unit(flip(self.photos[rows])).contiguous(memory_format=torch.channels_last)
        face, inside = flip(self.face[rows]), flip(self.inside[rows]) > 250
        return photos, face.float().unsqueeze(1), inside.float().unsqueeze(1)

    def _identities(self, rows: Tensor, mirrored: Tensor) -> tuple[Tensor, Tensor]:
        """Who to show (B, d), the photo's own identity, a random one or another photo's, and which are own, (B,) bool."""
        s = self.settings
        position = (torch.arange(s.batch) / s.batch).to(self.device)
        same = position < s.same_share
        random = ~same & (position < s.same_share + s.random_share)
        own = self._own(rows, mirrored)
        drawn = F.normalize(torch.randn(own.shape, generator=self.rng).to(self.device), dim=1)
        other = self.vectors[0, torch.randint(len(self.photos), rows.shape, generator=self.rng).to(self.device)]
        return torch.where(same[:, None], own, torch.where(random[:, None], drawn, other)), same

    def _own(self, rows: Tensor, mirrored: Tensor) -> Tensor:
        """The photos' own identities (B, d)."""
        return self.vectors[mirrored.long().to(self.device), rows.to(self.device)]

    def _coarsened_in_part(self, photos: Tensor) -> Tensor:
        size = photos.shape[-1]
        coarse = self.draws.chance(self.settings.coarse_share, len(photos))
        side = size // (2 << int(torch.randint(3, (), generator=self.rng)))
        return torch.where(coarse.view(-1, 1, 1, 1), coarsened(photos, side), photos)

    def _varied(self, images: Tensor) -> Tensor:
        """Images varied as the identity encoder's training photos are, and half of them grey, so that it judges faces.

        Without, patterns of pixels arise that this encoder alone takes for the wanted person (not in the paper).
        """
        varied = vary(images, self.draws)
        grey = self.draws.chance(0.5, len(images), 1, 1, 1)
        return torch.where(grey, varied.mean(1, keepdim=True), varied)

    def _pixel_losses(self, images: Tensor, photos: Tensor, face: Tensor, inside: Tensor, same: Tensor) -> dict[str, Tensor]:
        """Eq. 17 where the identity is the photo's own, outside the face where it is not, and in the face there; 1 - SSIM."""
        squares = 0.5 * inside * (images - photos).square().mean(1, keepdim=True)
        own = same.float().view(-1, 1, 1, 1)
        unlike = inside * (1 - _similarity(images, photos))
        return {
            "reconstruction": (own * squares).mean(),
            "context": ((1 - own) * (1 - face) * squares).mean(),
            "face": ((1 - own) * face * squares).mean(),
            "structure": ((own + (1 - own) * (1 - face)) * unlike).mean(),
        }

    def _discriminate(self, photos: Tensor, images: Tensor) -> Tensor:
        """Hinge loss of Eq. 14, a mean over patches, summed over the scales."""
        with half_precision(self.device):
            scores = zip(self.discriminator(photos), self.discriminator(images), strict=True)
            loss = sum((F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean()) for real, fake in scores)
        assert isinstance(loss, Tensor)
        self._step("discriminator", loss)
        return loss

    def _step(self, name: str, loss: Any) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad()
        loss.backward()
        self.processes.average_gradients(parameter for group in optimiser.param_groups for parameter in group["params"])
        optimiser.step()

    def _average(self) -> None:
        decay = min(0.5 ** (self.settings.batch / self.settings.average), (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, averaged in self.averages.items():
                network = getattr(self, name)
                torch._foreach_lerp_(list(averaged.parameters()), list(network.parameters()), 1 - decay)

    def finished(self, *, photos: int = 512) -> tuple[AttributeEncoder, FusionGenerator]:
        """The averaged networks in evaluation mode, whose batch norms hold the statistics of photos and identities of training.

        Averaged weights have other statistics than the weights that they average.
        """
        networks = copy.deepcopy(self.averages).train()
        for module in networks.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None  # a plain mean over the batches
        rng = self.rng.get_state()
        self.rng.manual_seed(0)
        with torch.no_grad():
            for _ in range(-(-photos // self.settings.batch)):
                rows = torch.randint(len(self.photos), (self.settings.batch,), generator=self.rng)
                mirrored = torch.zeros(len(rows), dtype=torch.bool)
                identity, _ = self._identities(rows, mirrored)
                networks["fusion"](identity, networks["attributes"](self._photos(rows, mirrored)[0]))
        self.rng.set_state(rng)
        networks.eval()
        encoder, fusion = networks["attributes"], networks["fusion"]
        assert isinstance(encoder, AttributeEncoder)
        assert isinstance(fusion, FusionGenerator)
        _strengthen(fusion, self.settings.strength)
        return encoder, fusion

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""
        return {
            "step": self.step,
            "settings": asdict(self.settings),
            "networks": {name: getattr(self, name).state_dict() for name in _NETWORKS},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "rng": self.rng.get_state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.step = state["step"]
        for name, weights in state["networks"].items():
            getattr(self, name).load_state_dict(weights)
        for name, values in state["optimisers"].items():
            self.optimisers[name].load_state_dict(values)
        self.rng.set_state(state["rng"])

    def save(self, path: Path) -> None:
        save_checkpoint(path, self.state())


def _strengthen(fusion: FusionGenerator, factor: float) -> None:
    """Multiply the weights that an identity meets first, as if its vector were so much longer."""
    with torch.no_grad():
        fusion.convt.weight.mul_(factor)
        for module in fusion.modules():
            if isinstance(module, AAD):
                module.fc_1.weight.mul_(factor)
                module.fc_2.weight.mul_(factor)


def _similarity(a: Tensor, b: Tensor) -> Tensor:
    """SSIM around each pixel of images in [-1, 1], edges mirrored, mean over the colours: (B, 1, S, S)."""
    mirrored = (F.pad((images + 1) / 2, (REACH,) * 4, mode="reflect") for images in (a, b))
    return similarity_map(*mirrored).mean(1, keepdim=True)


def _unit(pixels: Tensor) -> Tensor:
    """uint8 -> [-1, 1]."""
    return pixels.float() / 127.5 - 1


def _channels_last(network: Any) -> Any:
    return network.to(memory_format=torch.channels_last)
