# SPDX-License-Identifier: Apache-2.0
"""A face model: generator, encoder, public clip box and latent prior that belong together, in one folder."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from semveil.core.checkpoints import LARGEST_SIDE, BadCheckpoint, build_to_fit
from semveil.core.device import CPU, Loader, device_of, moved, precision_of
from semveil.core.model_folders import FACE_CARD, ModelName, folders_with, missing_models
from semveil.core.network_files import read_network
from semveil.core.registry import suggest
from semveil.core.text import read_json_object
from semveil.core.weights import require
from semveil.encoders.inversion import OFFICIAL, Inversion, InversionSettings, invert, mean_codes
from semveil.encoders.perceptual import DEFAULT, NONE, PERCEPTUAL, PerceptualTerm
from semveil.generators.face_generator import FaceGenerator, MappedGenerator
from semveil.generators.semantic_stylegan import SemanticStyleGAN
from semveil.mechanisms import ClipBox
from semveil.models.card import FaceEncoder, encoder_of, generator_of, inversion_of
from semveil.models.folder import box_as_dict, folder_digest, save_model
from semveil.models.prior import LatentPrior, prior_of
from semveil.protection.rotation_space import DEFAULT_WHITENING

DEFAULT_MODEL = "faces-128"
OFFICIAL_MODEL = "celebamask-hq-512"
# [DPSC] gives b - a = 2.939 only; for the official weights the box is centred. Preset `paper` measures it.
PAPER_BOX = ClipBox(
    -1.4695, 1.4695, source="[DPSC]'s width 2.939, centred at 0: the paper does not state a and b"
)


@dataclass(frozen=True, eq=False, repr=False)
class FaceModel:
    """A trained face model, as the methods use it.

    Attributes:
        name: as the user says it.
        digest: SHA-256 over what determines its output (64 hex digits); messages carry it.
        generator: frozen, in evaluation mode; see `FaceGenerator` for its interface.
        encoder: feed-forward start of inversion; None for the official weights, which have none.
        box: public clip bounds.
        inversion: the default way to invert with this model.
        perceptual: the perceptual term that inversion adds by default, a name of `PERCEPTUAL`; the model's
            folder names it.
        perceptual_network: whose features the term `lpips` compares (`alex` or `vgg`).
        prior: where synthetic latents come from; None: from the mapping network.
        folder: where the model lies; None for official weights.
        card: training data, licence terms and figures.
    """

    name: str
    digest: str
    generator: FaceGenerator
    encoder: FaceEncoder | None
    box: ClipBox
    inversion: InversionSettings
    perceptual: str
    perceptual_network: Literal["alex", "vgg"]
    prior: LatentPrior | None
    folder: Path | None
    card: Mapping[str, Any]

    @classmethod
    def from_folder(cls, folder: str | Path) -> "FaceModel":
        """Read a model's folder in its present state; unlike `load_model`, without names and without caching.

        Args:
            folder: written by `save_model`.

        Raises:
            ValueError: the folder has no `model.json`.
            BadCheckpoint: a file is absent or damaged, or holds NaN.
        """
        if not (Path(folder) / "model.json").is_file():
            raise ValueError(f"no model in the folder {str(folder)!r}; a model's folder holds model.json")
        return _load_folder(Path(folder))

    @classmethod
    def of(
        cls,
        generator: FaceGenerator,
        *,
        box: ClipBox,
        name: str = "own",
        encoder: Callable[[Tensor], Tensor] | None = None,
        prior: LatentPrior | None = None,
        inversion: InversionSettings = OFFICIAL,
        perceptual: str = NONE,
    ) -> "FaceModel":
        """A model around a custom generator with the interface of `FaceGenerator`.

        Args:
            generator: in evaluation mode, without gradients of its weights.
            box: public bounds of its latents, from data that is not protected.
            name: for messages and results.
            encoder: module from photos (B, 3, S, S) to first codes (B, K, D) of an inversion.
            prior: where public latents come from; the mapping network where None.
            inversion: settings of the inversion.
            perceptual: its perceptual term, see `PERCEPTUAL`.

        Raises:
            TypeError: it is no `FaceGenerator`.
            ValueError: it has no mapping network, and no encoder and prior either.

        Example:
            >>> model = load_model()
            >>> FaceModel.of(model.generator, box=model.box, encoder=model.encoder, prior=model.prior).latent_shape
            (28, 64)
        """
        if not isinstance(generator, FaceGenerator):
            missing = [
                one
                for one in ("semantic", "config", "synthesize", "parameters")
                if not hasattr(generator, one)
            ]
            raise TypeError(f"{type(generator).__name__} is no FaceGenerator: it lacks {', '.join(missing)}")
        if not isinstance(generator, MappedGenerator) and (encoder is None or prior is None):
            raise ValueError(
                f"{type(generator).__name__} has no mapping network (map); give an encoder and a latent prior"
            )
        digest = hashlib.sha256(f"{type(generator).__qualname__} {box.lower} {box.upper}".encode())
        for key, value in sorted(generator.state_dict().items()):
            digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        own: Any = encoder  # any module of this form
        return cls(
            name, digest.hexdigest(), generator, own, box, inversion, perceptual, "alex", prior, None, {}
        )

    def save(self, folder: str | Path) -> None:
        """Write the model's folder for `from_folder`, with weights in half precision.

        Args:
            folder: created where it is missing.

        Raises:
            ValueError: the model has no encoder or no prior, or its generator is of a class that no folder
                can hold.
        """
        if self.encoder is None or self.prior is None:
            raise ValueError(
                f"model {self.name} has no {'encoder' if self.encoder is None else 'latent prior'} to write"
            )
        own = {
            "clip_box": box_as_dict(self.box),
            "inversion": asdict(self.inversion),
            "perceptual": self.perceptual,
            "perceptual_network": self.perceptual_network,
        }
        save_model(Path(folder), self.generator, self.encoder, self.prior, {**self.card, **own})

    def __repr__(self) -> str:
        codes, style_dim = self.latent_shape
        place = f", {self.device}" if self.device != CPU else ""
        return (
            f"FaceModel({self.name!r}, {self.size} px, latents {codes} x {style_dim}, digest "
            f"{self.digest[:12]}{place})"
        )

    @property
    def size(self) -> int:
        return self.generator.config.size

    @property
    def semantic(self) -> bool:
        """Whether the codes belong to face parts, as dp-semcom needs it."""
        return self.generator.semantic

    @property
    def latent_shape(self) -> tuple[int, int]:
        """(K, D)."""
        return self.generator.config.codes, self.generator.config.style_dim

    @property
    def device(self) -> torch.device:
        """Device of the networks and their outputs; input photos and codes are moved there."""
        return device_of(self.generator)

    @property
    def dtype(self) -> torch.dtype:
        """The precision that the networks compute in."""
        return precision_of(self.generator)

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> "FaceModel":
        """The same model with its networks on another device or in another precision; itself where nothing changes.

        The latent prior stays on the CPU: Alice and Bob must derive the same rotations from it.

        Args:
            device: such as `cuda:1`, see `core.device.choose_device`.
            dtype: float32 or float64.
        """
        generator = moved(self.generator, device, dtype)
        if generator is self.generator:
            return self
        encoder = None if self.encoder is None else moved(self.encoder, device, dtype)
        return replace(self, generator=generator, encoder=encoder)

    def placed(self, x: Tensor) -> Tensor:
        """Photos or codes on the device of the networks, in their precision."""
        return x.to(self.device, self.dtype)

    def start_codes(self, images: Tensor) -> Tensor:
        """Initial codes of an inversion: the encoder's (B, K, D), or the generator's mean (1, K, D).

        Args:
            images: (B, 3, S, S) in [-1, 1].

        Raises:
            ValueError: the model has neither encoder nor mapping network.
        """
        if self.encoder is not None:
            images = self.placed(images)
            with torch.inference_mode():
                return torch.cat([self.encoder(photo) for photo in images.split(1)]).clone()
        codes, style_dim = self.latent_shape
        return mean_codes(self._mapping(), style_dim, codes, rng=torch.Generator().manual_seed(0))

    def perceptual_term(self, name: str | None = None) -> PerceptualTerm | None:
        """A perceptual term of the inversion; None where the term is `none`.

        Args:
            name: a name of `PERCEPTUAL`; the model's default where None.

        Raises:
            ValueError: no such term, or none for this model.
            WeightsMissing: its weights are not on this machine; no other term takes its place.
        """
        term = PERCEPTUAL[name or self.perceptual](self.perceptual_network, self.encoder)
        return moved(term, self.device, self.dtype) if isinstance(term, nn.Module) else term

    def invert(
        self,
        images: Tensor,
        *,
        perceptual: str | None = None,
        settings: InversionSettings | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Inversion:
        """Photos (B, 3, S, S) in [-1, 1] -> latents (B, K, D), not clipped: the one way from a photo to this model's codes.

        Library, command line and experiments all go through here, so that a photo has the same codes for all
        of them. Each photo is inverted alone: beside others it would come out differently (on faces-64 by up
        to .46 in a code and .09 in a pixel), since a hundred steps amplify how sums of other shapes round.

        Args:
            images: (B, 3, S, S) in [-1, 1].
            perceptual: name of the perceptual term, see `PERCEPTUAL`; the model's default where None.
            settings: weights and schedule; the model's where None.
            progress: called with photo-steps done and in all.

        Raises:
            ValueError: the photos are not of the model's size or not finite, or there is no such term.
            WeightsMissing: the term that was asked for needs weights that are not on this machine.
        """
        if images.shape[1:] != (3, self.size, self.size):
            raise ValueError(
                f"model {self.name} takes images (B, 3, {self.size}, {self.size}), got {tuple(images.shape)}"
            )
        images = self.placed(images)
        return invert(
            images,
            self.generator,
            start=self.start_codes(images),
            settings=replace(settings or self.inversion, batch=1),
            perceptual=self.perceptual_term(perceptual),
            progress=progress,
        )

    def describe_inversion(
        self, perceptual: str | None = None, settings: InversionSettings | None = None
    ) -> dict[str, Any]:
        """The settings of `invert` for the same arguments, JSON-ready; `perceptual_term` is the term's own name or `none`.

        Args:
            perceptual: name of the perceptual term; the model's default where None.
            settings: weights and schedule; the model's where None.

        Raises:
            ValueError: no such term, or none for this model.
            WeightsMissing: the term's weights are not on this machine.
        """
        term = self.perceptual_term(perceptual)
        used = replace(settings or self.inversion, batch=1)
        return {**asdict(used), "perceptual_term": NONE if term is None else term.name}

    def public_latents(self, count: int, *, rng: torch.Generator) -> Tensor:
        """Synthetic latents (count, K, D), clipped to the box; no photo is involved.

        Args:
            count: number of latents.
            rng: source of the samples, on the CPU.
        """
        return self.box.clip(self._synthetic_latents(count, rng))

    def random_faces(self, count: int, *, rng: torch.Generator) -> Tensor:
        """Codes (count, K, D) of random faces: one w of the mapping network for all codes, or samples of the latent prior.

        Args:
            count: number of faces.
            rng: source of the samples, on the CPU.
        """
        if not isinstance(self.generator, MappedGenerator):
            return self._synthetic_latents(count, rng)
        codes, style_dim = self.latent_shape
        with torch.no_grad():
            w = self._mapping()(torch.randn(count, style_dim, generator=rng))
        return w.unsqueeze(1).expand(-1, codes, -1)

    def _mapping(self) -> Callable[[Tensor], Tensor]:
        if not isinstance(self.generator, MappedGenerator):
            raise ValueError(
                f"model {self.name} has no mapping network, and must have an encoder and a latent prior"
            )
        network = self.generator
        return lambda z: network.map(self.placed(z))

    def _synthetic_latents(self, count: int, rng: torch.Generator) -> Tensor:
        """From the latent prior, or else from the mapping network with every code's w drawn on its own."""
        if self.prior is not None:
            return self.placed(self.prior.sample(count, rng=rng))
        codes, style_dim = self.latent_shape
        with torch.no_grad():
            w = self._mapping()(torch.randn(count * codes, style_dim, generator=rng))
        return w.view(count, codes, style_dim)

    def with_measured_box(self) -> "FaceModel":
        """The same model with public bounds of its own: the 0.5 % and 99.5 % quantiles of 1,000 synthetic latents.

        For models whose box is a guess, as that of the official weights is: [DPSC] gives its width alone. The
        same on every machine. It has a digest of its own and no folder, so that pairs trained for the other
        box are not taken for its own.
        """
        here = self.to(CPU, torch.float32)  # the same numbers on every machine
        box = ClipBox.from_quantiles(here._synthetic_latents(1000, torch.Generator().manual_seed(0)))
        source = f"0.5 % and 99.5 % quantiles of 1000 synthetic latents of {self.name}"
        digest = hashlib.sha256(f"{self.digest} {box.lower} {box.upper}".encode()).hexdigest()
        return replace(self, box=ClipBox(box.lower, box.upper, source=source), digest=digest, folder=None)


def model_folders() -> dict[str, Path]:
    """Names and folders of the face models on this machine."""
    return folders_with(FACE_CARD)


@Loader
@lru_cache(maxsize=4)
def load_model(name: ModelName = DEFAULT_MODEL) -> FaceModel:
    """Load a model by name, or from a folder that `save_model` wrote.

    Args:
        name: `faces-128` (bundled), `celebamask-hq-512` (official weights, found by the catalogue), a name
            below SEMVEIL_HOME/models, or a folder's path.

    Raises:
        ValueError: no such model.
        WeightsMissing: the official weights are not on this machine; the message says how to get them.
        BadCheckpoint: a file is damaged or holds NaN.
    """
    if name == OFFICIAL_MODEL:
        return _load_official()
    folders = model_folders()
    asked = os.fspath(name)
    folder = folders.get(asked, Path(asked))
    if not (folder / "model.json").is_file():
        names = [*folders, OFFICIAL_MODEL]
        raise ValueError(
            f"no model named {asked!r}{suggest(asked, names)}; available: {', '.join(names)}, or a model's "
            f"folder{missing_models()}"
        )
    return _load_folder(folder)


def _load_folder(folder: Path) -> FaceModel:
    states = {
        file: read_network(folder / f"{file}.safetensors") for file in ("generator", "encoder", "prior")
    }
    try:
        card = read_json_object(folder / "model.json")
        make_generator, sizes = generator_of(card)
        make_encoder, encoder_sizes = encoder_of(card)
        box = ClipBox(**card["clip_box"])
        inversion, features = inversion_of(card["inversion"]), card["perceptual_network"]
        perceptual = card.get("perceptual", DEFAULT)
        PERCEPTUAL[perceptual]  # refuses an unknown name
        whitening = float(card.get("whitening", DEFAULT_WHITENING))
        if not 0 <= whitening <= 1:
            raise ValueError(f"whitening must lie in 0..1, got {whitening}")
    except (OSError, AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadCheckpoint(f"{folder / 'model.json'} does not describe a model: {error}") from error
    generator = build_to_fit(make_generator, states["generator"], name=f"{folder.name}'s generator")
    encoder = build_to_fit(make_encoder, states["encoder"], name=f"{folder.name}'s encoder")
    shape = (sizes.codes, sizes.style_dim)
    if not 1 <= sizes.size <= LARGEST_SIDE or (
        encoder_sizes.size,
        encoder_sizes.codes,
        encoder_sizes.style_dim,
    ) != (
        sizes.size,
        *shape,
    ):
        raise BadCheckpoint(f"the networks in {folder} do not fit together: they differ in sizes")
    prior = prior_of(states["prior"], shape, name=f"{folder.name}'s prior", whitening=whitening)
    digest = folder_digest(folder, card)
    return FaceModel(
        folder.name, digest, generator, encoder, box, inversion, perceptual, features, prior, folder, card
    )


def _load_official() -> FaceModel:
    path = require("semantic-stylegan")
    generator = SemanticStyleGAN.from_official(path)
    generator.eval().requires_grad_(False)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    card = {"trained_on": "CelebAMask-HQ (official weights)", "terms": "see the SemanticStyleGAN repository"}
    return FaceModel(
        OFFICIAL_MODEL, digest, generator, None, PAPER_BOX, OFFICIAL, DEFAULT, "vgg", None, None, card
    )
