# SPDX-License-Identifier: Apache-2.0
"""Training of identity-dp's attribute encoder and fusion generator on photos ([IDP] IV-D).

The identity encoder is frozen.
"""

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

from semveil.core.checkpoints import load_strictly, save_checkpoint
from semveil.core.device import CPU, half_precision
from semveil.core.rng import global_stream
from semveil.data.face_set import FaceSet
from semveil.encoders.attributes import AttributeEncoder, AttributeEncoderConfig, coarsened
from semveil.faces.parts import PARTS
from semveil.generators.aad_fusion import AAD, FusionConfig, FusionGenerator
from semveil.metrics.structure import REACH, similarity_map
from semveil.recognition.dlib_network import DlibNetwork
from semveil.recognition.face_parser import SIZE as PARSER_SIZE
from semveil.recognition.face_parser import FaceParser, load_face_parser
from semveil.recognition.identity_encoder import IdentityEncoder
from semveil.training.draws import Draws
from semveil.training.fusion_discriminators import FusionDiscriminators
from semveil.training.fusion_losses import (
    colour_loss,
    identity_losses,
    parsing_loss,
    squared_distance,
    texture_energy,
    texture_loss,
)
from semveil.training.fusion_settings import FusionTraining
from semveil.training.identity_encoder import vary
from semveil.training.processes import ALONE, Processes

FACE_PARTS = ("skin", "eyes", "brows", "mouth", "nose", "ears", "glasses")  # may change with the identity
COARSE_SIDES = (8, 16, 32)  # px
_NETWORKS = ("attributes", "fusion", "discriminators", "averages")
_CENTRED = 1024  # least number of photos for an encoder's mean, if available
_SHARP = 0.1  # share of the photos that are considered sharp


@dataclass(frozen=True, eq=False)
class Asked:
    """Target identities of a batch.

    Attributes:
        vectors: (B, d) identity vectors of the first encoder.
        same: (B,) True if the target is the photo's own identity.
        known: (B,) True if the target is the identity of a photo, of this person or another, not a random
            vector.
        rows: (B,) row of that photo.
        mirrored: (B,) whether that photo is mirrored.
    """

    vectors: Tensor
    same: Tensor
    known: Tensor
    rows: Tensor
    mirrored: Tensor

    def of(self, share: Callable[[Tensor], Tensor]) -> "Asked":
        """Apply a sharing function to all fields, for one process.

        Args:
            share: maps a field of the whole batch to this process's rows.
        """
        return Asked(
            *(share(part) for part in (self.vectors, self.same, self.known, self.rows, self.mirrored))
        )


class FusionTrainer:
    """State of a run: networks, their averages and optimisers; saved and resumed as one file.

    Args:
        faces: labelled photos; only those not held out are used.
        settings: settings of the run.
        identity: frozen encoder; its vectors of the photos are computed once.
        second: another such encoder, or dlib's network, which is first centred on the training photos; None
            for no second encoder.
        parser: frozen parser for the parsing loss; the bundled one where None.
        rng: source of order, identities and variations.
        device: device of networks and losses.
        processes: this process among those that train together.
    """

    def __init__(
        self,
        faces: FaceSet,
        settings: FusionTraining,
        *,
        identity: IdentityEncoder,
        second: IdentityEncoder | DlibNetwork | None = None,
        parser: FaceParser | None = None,
        rng: torch.Generator,
        device: torch.device = CPU,
        processes: Processes = ALONE,
    ) -> None:
        processes.check_batch(settings.batch)
        self.device, self.processes, self.draws = device, processes, Draws(rng, device, processes)
        keep = ~faces.held_out
        self.photos = torch.from_numpy(faces.pixels[keep]).permute(0, 3, 1, 2).contiguous()
        self.labels = torch.from_numpy(faces.labels[keep])
        self.face = torch.isin(self.labels, torch.tensor([PARTS.index(part) for part in FACE_PARTS]))
        self.inside = torch.from_numpy(faces.inside[keep])
        self.settings, self.rng = settings, rng
        self.identity = _channels_last(copy.deepcopy(identity).to(device))
        self.second = (
            _channels_last(copy.deepcopy(second).to(device))
            if second is not None and settings.second_loss
            else None
        )
        self.parser = (
            _channels_last(copy.deepcopy(parser or load_face_parser()).to(device))
            if settings.parsing_loss
            else None
        )
        size, dim = identity.config.size, identity.config.dimensions
        with global_stream(rng):
            encoder = AttributeEncoder(
                AttributeEncoderConfig(size, settings.attribute_widths, settings.attribute_finest)
            )
            base, channels = encoder.config.sides[0], encoder.config.channels
            fusion = FusionGenerator(FusionConfig(dim, channels, settings.fusion_widths, base))
            discriminators = FusionDiscriminators(settings, device)
        _strengthen(fusion, dim**0.5)  # unit vectors have coordinates of about 1 / sqrt(d)
        self.attributes, self.fusion, self.discriminators = (
            _channels_last(network.to(device)) for network in (encoder, fusion, discriminators)
        )
        self.averages = copy.deepcopy(nn.ModuleDict({"attributes": self.attributes, "fusion": self.fusion}))
        self.averages.requires_grad_(False)
        # after the averages are copied, since they are finished by a single process
        for network in (self.attributes, self.fusion, self.discriminators):
            processes.share_statistics(network)
        self.step = 0
        of_generator = [*self.attributes.parameters(), *self.fusion.parameters()]
        self.optimisers = {
            "generator": torch.optim.Adam(of_generator, settings.rate, betas=(0.0, 0.999), fused=True),
            "discriminator": torch.optim.Adam(
                self.discriminators.parameters(), settings.discriminator_rate, betas=(0.0, 0.999), fused=True,
            ),
        }  # fmt: skip
        self.sharp = self._sharpest() if settings.sharp_share else None
        self.vectors = self._identify_photos(self.identity)
        if isinstance(self.second, DlibNetwork):
            self.second.centre_on(_unit(self.photos[:: max(1, len(self.photos) // _CENTRED)].to(device)))
        self.second_vectors = None if self.second is None else self._identify_photos(self.second)

    def start_from(self, attributes: AttributeEncoder, fusion: FusionGenerator) -> None:
        """Initialise with trained networks; the discriminators stay random.

        Args:
            attributes: attribute encoder with the sizes of the settings.
            fusion: fusion generator, likewise.
        """
        for name, network in (("attributes", attributes), ("fusion", fusion)):
            for copied in (getattr(self, name), self.averages[name]):
                load_strictly(copied, network.state_dict(), name=f"the {name} to start from")

    def _sharpest(self) -> Tensor:
        """Rows of the photos with the most fine texture on the face."""
        count = max(1, round(_SHARP * len(self.photos)))
        energies = [
            (face * texture_energy(_unit(photos))[:, 0]).mean((1, 2))
            for photos, face in zip(self.photos.split(128), self.face.split(128), strict=True)
        ]
        return torch.cat(energies).topk(count).indices

    def _identify_photos(self, encoder: IdentityEncoder | DlibNetwork) -> Tensor:
        """Identity vectors (2, N, d) of all photos and of all mirrored photos."""
        with torch.no_grad(), half_precision(self.device):
            parts = [_unit(part.to(self.device)) for part in self.photos.split(128)]
            return torch.stack(
                [
                    torch.cat([encoder(side).float() for side in sides])
                    for sides in (parts, [x.flip(-1) for x in parts])
                ]
            )

    def run(self, *, report: Callable[[int, dict[str, float]], None], until: float = math.inf) -> None:
        """Train to the last step, or to a deadline.

        Args:
            report: called after every step with the number of steps done and the losses.
            until: deadline on the clock of `time.monotonic()`, in seconds; the first process decides.
        """
        while self.step < self.settings.steps and (
            until == math.inf or self.processes.agreed(time.monotonic() < until)
        ):
            falling = self.settings.steps * self.settings.decay_share
            left = (self.settings.steps - self.step) / falling if falling else 1.0
            for name, rate in (
                ("generator", self.settings.rate),
                ("discriminator", self.settings.discriminator_rate),
            ):
                for group in self.optimisers[name].param_groups:
                    group["lr"] = rate * max(0.1, min(1.0, left))
            losses = self._train_step()
            self.step += 1
            report(self.step, losses)

    def _train_step(self) -> dict[str, float]:
        s = self.settings
        rows = torch.randint(len(self.photos), (s.batch,), generator=self.rng)
        if self.sharp is not None:
            sharp = self.sharp[torch.randint(len(self.sharp), (s.batch,), generator=self.rng)]
            rows = torch.where(torch.rand(s.batch, generator=self.rng) < s.sharp_share, sharp, rows)
        mirrored = torch.rand(s.batch, generator=self.rng) < 0.5
        share = self.processes.share
        asked = self._identities(rows, mirrored).of(share)
        rows, mirrored = share(rows), share(mirrored)
        photos, face, inside = self._photos(rows, mirrored)
        seen = self._coarsened_in_part(photos)

        self.discriminators.requires_grad_(False)
        with half_precision(self.device):
            levels = self.attributes(seen)
            images = self.fusion(asked.vectors, levels).float()
            again = self.attributes(images)
            fooled = self.discriminators.fooled(images)
        pairs = zip(again, levels, strict=True)
        losses = {
            **fooled,
            "attributes": sum(squared_distance(a.float(), b.float(), sums=s.sums).mean() for a, b in pairs),
            **self._identity_losses(images, asked, rows, mirrored),
            "parsing": self._parsing_loss(images, rows, mirrored, inside),
            **self._pixel_losses(images, photos, face, inside, asked.same),
        }
        weights = s.weights()
        if self.step < s.adversarial_ramp:
            weights |= {name: weights[name] * self.step / s.adversarial_ramp for name in fooled}
        self._step("generator", sum(weights[name] * loss for name, loss in losses.items()))
        self._average()
        self.discriminators.requires_grad_(True)
        half = slice(None, None, 2)
        with half_precision(self.device):
            losses["discriminator"] = self.discriminators(photos[half], images[half].detach())
        self._step("discriminator", losses["discriminator"])
        return {name: loss.item() for name, loss in losses.items()}

    def _identity_losses(
        self, images: Tensor, asked: Asked, rows: Tensor, mirrored: Tensor
    ) -> dict[str, Tensor]:
        """`identity_losses` by each encoder; the second one has no vectors for random identities."""
        own, enough = self._own(rows, mirrored), self.settings.identity_enough
        with half_precision(self.device):
            looks = self.identity(self._varied(images))
        identity, leak = identity_losses(looks, asked.vectors, own, ~asked.same, enough=enough)
        losses = {"identity": identity, "leak": leak}
        if self.second is not None and self.second_vectors is not None:
            with half_precision(self.device):
                looks = self.second(self._varied(images))
            own = self._own(rows, mirrored, self.second_vectors)
            theirs = self._own(asked.rows, asked.mirrored, self.second_vectors)
            losses["second identity"], losses["second leak"] = identity_losses(
                looks, theirs, own, ~asked.same, enough=enough, known=asked.known
            )
        return losses

    def _parsing_loss(self, images: Tensor, rows: Tensor, mirrored: Tensor, inside: Tensor) -> Tensor:
        if self.parser is None:
            return images.new_zeros(())
        labels = torch.where(mirrored.view(-1, 1, 1), self.labels[rows].flip(-1), self.labels[rows]).to(
            self.device
        )
        shown = F.interpolate(images, (PARSER_SIZE,) * 2, mode="bilinear", antialias=True)
        with half_precision(self.device):
            logits = self.parser(shown)
        return parsing_loss(logits.float(), labels, inside[:, 0] > 0)

    def _photos(self, rows: Tensor, mirrored: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Photos in [-1, 1], masks of face parts, and masks of real, not filled-in pixels (B, 1, S, S)."""
        flip = lambda x: torch.where(mirrored.view(-1, *[1] * (x.ndim - 1)), x.flip(-1), x).to(self.device)  # noqa: E731
        photos = _unit(flip(self.photos[rows])).contiguous(memory_format=torch.channels_last)
        face, inside = flip(self.face[rows]), flip(self.inside[rows]) > 250
        return photos, face.float().unsqueeze(1), inside.float().unsqueeze(1)

    def _identities(self, rows: Tensor, mirrored: Tensor) -> Asked:
        """Draw target identities: the photos' own, random ones, and those of other photos."""
        s = self.settings
        position = torch.arange(len(rows)) / len(rows)
        same = position < s.same_share
        random = ~same & (position < s.same_share + s.random_share)
        own = self._own(rows, mirrored)
        drawn = F.normalize(torch.randn(own.shape, generator=self.rng), dim=1).to(self.device)
        other = torch.randint(len(self.photos), rows.shape, generator=self.rng)
        theirs = self.vectors[0, other.to(self.device)]
        own_kept, drawn_kept = (mask[:, None].to(self.device) for mask in (same, random))
        vectors = torch.where(own_kept, own, torch.where(drawn_kept, drawn, theirs))
        return Asked(
            vectors,
            same.to(self.device),
            ~random.to(self.device),
            torch.where(same, rows, other),
            same & mirrored,
        )

    def _own(self, rows: Tensor, mirrored: Tensor, vectors: Tensor | None = None) -> Tensor:
        """Identities (B, d) of the photos; from the first encoder unless other vectors are given."""
        vectors = self.vectors if vectors is None else vectors
        return vectors[mirrored.long().to(self.device), rows.to(self.device)]

    def _coarsened_in_part(self, photos: Tensor) -> Tensor:
        size = photos.shape[-1]
        coarse = self.draws.chance(self.settings.coarse_share, len(photos))
        side = min(COARSE_SIDES[int(torch.randint(3, (), generator=self.rng))], size // 2)
        return torch.where(coarse.view(-1, 1, 1, 1), coarsened(photos, side), photos)

    def _varied(self, images: Tensor) -> Tensor:
        """Vary images as in the identity encoder's training, and turn half of them grey (not in the paper).

        Otherwise pixel patterns arise that only this encoder accepts as the target person.
        """
        if not self.settings.varied:
            return images
        varied = vary(coarsened(images, min(self.settings.identity_side, images.shape[-1])), self.draws)
        grey = self.draws.chance(0.5, len(images), 1, 1, 1)
        return torch.where(grey, varied.mean(1, keepdim=True), varied)

    def _pixel_losses(
        self, images: Tensor, photos: Tensor, face: Tensor, inside: Tensor, same: Tensor
    ) -> dict[str, Tensor]:
        """Squared errors (Eq. 17) by region, and structure, texture and colour losses.

        Eq. 17 applies to the whole image if the identity is the photo's own; if not, separately outside the
        face and on it.
        """
        size = images[0].numel() if self.settings.sums else 1
        squares = size * 0.5 * inside * (images - photos).square().mean(1, keepdim=True)
        own = same.float().view(-1, 1, 1, 1)
        unlike = inside * (1 - _similarity(images, photos))
        return {
            "reconstruction": (own * squares).mean(),
            "context": ((1 - own) * (1 - face) * squares).mean(),
            "face": ((1 - own) * face * squares).mean(),
            "structure": ((own + (1 - own) * (1 - face)) * unlike).mean(),
            "texture": (inside * texture_loss(images, photos)).mean(),
            "colour": (F.avg_pool2d((1 - own) * face * inside, 4) * colour_loss(images, photos)).mean(),
        }

    def _step(self, name: str, loss: Any) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad()
        loss.backward()
        self.processes.average_gradients(
            parameter for group in optimiser.param_groups for parameter in group["params"]
        )
        optimiser.step()

    def _average(self) -> None:
        half_life = self.settings.average
        decay = (
            min(0.5 ** (self.settings.batch / half_life), (1 + self.step) / (10 + self.step))
            if half_life
            else 0.0
        )
        with torch.no_grad():
            for name, averaged in self.averages.items():
                network = getattr(self, name)
                torch._foreach_lerp_(list(averaged.parameters()), list(network.parameters()), 1 - decay)

    def finished(self, *, photos: int = 512) -> tuple[AttributeEncoder, FusionGenerator]:
        """Averaged networks in evaluation mode, with batch norm statistics of training photos and identities.

        Averaged weights need other statistics than the weights that were averaged.

        Args:
            photos: least number of photos for the statistics.
        """
        networks = copy.deepcopy(self.averages).train()
        for module in networks.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None  # cumulative mean over the batches
        rng = self.rng.get_state()
        self.rng.manual_seed(0)
        with torch.no_grad():
            for _ in range(-(-photos // self.settings.batch)):
                rows = torch.randint(len(self.photos), (self.settings.batch,), generator=self.rng)
                mirrored = torch.zeros(len(rows), dtype=torch.bool)
                identity = self._identities(rows, mirrored).vectors
                networks["fusion"](identity, networks["attributes"](self._photos(rows, mirrored)[0]))
        self.rng.set_state(rng)
        networks.eval()
        encoder, fusion = networks["attributes"], networks["fusion"]
        assert isinstance(encoder, AttributeEncoder)
        assert isinstance(fusion, FusionGenerator)
        _strengthen(fusion, self.settings.strength)
        return encoder, fusion

    def state(self) -> dict[str, Any]:
        """Everything needed to resume the run."""
        return {
            "step": self.step,
            "settings": asdict(self.settings),
            "networks": {name: getattr(self, name).state_dict() for name in _NETWORKS},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "rng": self.rng.get_state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from the state of a run with the same settings.

        Args:
            state: result of `state`.
        """
        self.step = state["step"]
        for name, weights in state["networks"].items():
            getattr(self, name).load_state_dict(weights)
        for name, values in state["optimisers"].items():
            self.optimisers[name].load_state_dict(values)
        self.rng.set_state(state["rng"])

    def save(self, path: Path) -> None:
        """Save the training state.

        Args:
            path: checkpoint file.
        """
        save_checkpoint(path, self.state())


def _strengthen(fusion: FusionGenerator, factor: float) -> None:
    """Scale the weights that act on the identity vector, as if the vector were longer by `factor`."""
    with torch.no_grad():
        fusion.convt.weight.mul_(factor)
        for module in fusion.modules():
            if isinstance(module, AAD):
                module.fc_1.weight.mul_(factor)
                module.fc_2.weight.mul_(factor)


def _similarity(a: Tensor, b: Tensor) -> Tensor:
    """SSIM around each pixel of images in [-1, 1], with mirrored edges, mean over colours, (B, 1, S, S)."""
    mirrored = (F.pad((images + 1) / 2, (REACH,) * 4, mode="reflect") for images in (a, b))
    return similarity_map(*mirrored).mean(1, keepdim=True)


def _unit(pixels: Tensor) -> Tensor:
    """Convert uint8 pixels to [-1, 1]."""
    return pixels.float() / 127.5 - 1


def _channels_last(network: Any) -> Any:
    return network.to(memory_format=torch.channels_last)
