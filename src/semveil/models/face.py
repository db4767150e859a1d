# SPDX-License-Identifier: Apache-2.0
"""Face models: a generator with its encoder, public clip box and latent prior, in one folder."""

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
from semveil.core.model_folders import FACE_CARD, OFFICIAL_MODEL, ModelName, folders_with, missing_models
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
# [DPSC] states only b - a = 2.939; the box of the official weights is centred. Preset `paper` measures it.
PAPER_BOX = ClipBox(
    -1.4695, 1.4695, source="[DPSC]'s width 2.939, centred at 0: the paper does not state a and b"
)


@dataclass(frozen=True, eq=False, repr=False)
class FaceModel:
    """Trained face model, as used by the methods.

    Attributes:
        name: name as in `load_model`.
        digest: SHA-256 over everything that determines its output (64 hex digits); included in messages.
        generator: frozen, in evaluation mode; see `FaceGenerator` for its interface.
        encoder: feed-forward initialisation of the inversion; None for the official weights, which have none.
        box: public clip bounds.
        inversion: default settings of the inversion.
        perceptual: default perceptual term of the inversion, a name of `PERCEPTUAL`; stored in the model's
            folder.
        perceptual_network: network whose features the term `lpips` compares (`alex` or `vgg`).
        prior: source of synthetic latents; the mapping network where None.
        folder: folder of the model; None for official weights and models that were not loaded from a folder.
        card: training data, licence terms and reported figures.
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
        """Load a model's folder in its present state.

        Unlike `load_model`, it takes no model names and does not cache.

        Args:
            folder: folder written by `save_model`.

        Raises:
            ValueError: the folder has no `model.json`.
            BadCheckpoint: a file is missing or damaged, or holds NaN.
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
        """Wrap a custom generator with the interface of `FaceGenerator`.

        Args:
            generator: in evaluation mode, without gradients of its weights.
            box: public bounds of its latents, from data that is not protected.
            name: name for messages and results.
            encoder: module from photos (B, 3, S, S) to initial codes (B, K, D) of an inversion.
            prior: source of public latents; the mapping network where None.
            inversion: settings of the inversion.
            perceptual: perceptual term of the inversion, see `PERCEPTUAL`.

        Raises:
            TypeError: the generator is not a `FaceGenerator`, or the box not a `ClipBox`.
            ValueError: the generator is in training mode, or has no mapping network, and the encoder or the
                prior is missing.

        Example:
            >>> model = load_model()
            >>> FaceModel.of(
            ...     model.generator, box=model.box, encoder=model.encoder, prior=model.prior
            ... ).latent_shape
            (28, 64)
        """
        if not isinstance(generator, FaceGenerator):
            missing = [
                one
                for one in ("semantic", "config", "synthesize", "parameters")
                if not hasattr(generator, one)
            ]
            raise TypeError(f"{type(generator).__name__} is no FaceGenerator: it lacks {', '.join(missing)}")
        if getattr(generator, "training", False):
            raise ValueError(
                "the generator is in training mode, in which photos may influence each other; call eval()"
            )
        if not isinstance(box, ClipBox):
            raise TypeError(f"the box is a ClipBox, such as ClipBox(-2.0, 2.0), got {type(box).__name__}")
        if not isinstance(generator, MappedGenerator) and (encoder is None or prior is None):
            raise ValueError(
                f"{type(generator).__name__} has no mapping network (map); give an encoder and a latent prior"
            )
        own: Any = encoder  # need not be a FaceEncoder
        digest = _digest_of(generator, box, own, prior)
        return cls(name, digest, generator, own, box, inversion, perceptual, "alex", prior, None, {})

    def save(self, folder: str | Path) -> None:
        """Write the model's folder for `from_folder`, with weights in half precision.

        Args:
            folder: target folder; created if missing.

        Raises:
            ValueError: the model has no encoder or no prior, or a folder cannot hold its class of generator.
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
        """True if the codes belong to face parts, as required by dp-semcom."""
        return self.generator.semantic

    @property
    def latent_shape(self) -> tuple[int, int]:
        """Shape (K, D) of the latents of an image."""
        return self.generator.config.codes, self.generator.config.style_dim

    @property
    def device(self) -> torch.device:
        """Device of the networks and their outputs; input photos and codes are moved there."""
        return device_of(self.generator)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the networks."""
        return precision_of(self.generator)

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> "FaceModel":
        """Return the model with its networks on another device or in another precision.

        The model itself is returned if nothing changes. The latent prior stays on the CPU, since Alice and
        Bob must derive the same rotations from it.

        Args:
            device: target device, such as `cuda:1`, see `core.device.choose_device`.
            dtype: float32 or float64.
        """
        generator = moved(self.generator, device, dtype)
        if generator is self.generator:
            return self
        encoder = None if self.encoder is None else moved(self.encoder, device, dtype)
        return replace(self, generator=generator, encoder=encoder)

    def placed(self, x: Tensor) -> Tensor:
        """Move photos or codes to the device and precision of the networks.

        Args:
            x: photos or codes.
        """
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
        """Perceptual term of the inversion, or None for `none`.

        Args:
            name: a name of `PERCEPTUAL`; the model's default where None.

        Raises:
            ValueError: unknown term, or a term not available for this model.
            WeightsMissing: its weights are not on this machine; there is no fallback to another term.
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
        """Invert photos to latents (B, K, D), not clipped.

        Library, command line and experiments all use this method, so that a photo has the same codes
        everywhere. Each photo is inverted alone: in a larger batch its codes would differ, since the steps
        amplify the rounding of sums of other shapes.

        Args:
            images: (B, 3, S, S) in [-1, 1].
            perceptual: name of the perceptual term, see `PERCEPTUAL`; the model's default where None.
            settings: weights and schedule; the model's where None.
            progress: called with the completed and the total number of photo-steps.

        Raises:
            ValueError: there are no photos, they are not of the model's size or not finite, or the term is
                unknown.
            WeightsMissing: the weights of the requested term are not on this machine.
        """
        if images.ndim != 4 or images.shape[1:] != (3, self.size, self.size):
            raise ValueError(
                f"model {self.name} takes images (B, 3, {self.size}, {self.size}), got {tuple(images.shape)}"
            )
        # contiguous, since sums over another layout in memory are rounded differently
        images = self.placed(images).contiguous()
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
        """Settings of `invert` for the same arguments, JSON-ready.

        `perceptual_term` is the name of the term, or `none`.

        Args:
            perceptual: name of the perceptual term; the model's default where None.
            settings: weights and schedule; the model's where None.

        Raises:
            ValueError: unknown term, or a term not available for this model.
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
        """Codes (count, K, D) of random faces.

        All codes of a face are one w of the mapping network; without a mapping network, the latent prior is
        sampled.

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
        """Samples of the latent prior, or of the mapping network with an independent w for every code."""
        if self.prior is not None:
            return self.placed(self.prior.sample(count, rng=rng))
        codes, style_dim = self.latent_shape
        with torch.no_grad():
            w = self._mapping()(torch.randn(count * codes, style_dim, generator=rng))
        return w.view(count, codes, style_dim)

    def with_measured_box(self) -> "FaceModel":
        """Return the model with bounds measured on 1,000 synthetic latents (0.5 % and 99.5 % quantiles).

        For models whose box is a guess, such as the official weights: [DPSC] states only its width. The
        bounds are the same on every machine. The result has a digest of its own and no folder, so that pairs
        trained for the other box are not used for it.
        """
        here = self.to(CPU, torch.float32)  # the same numbers on every machine
        box = ClipBox.from_quantiles(here._synthetic_latents(1000, torch.Generator().manual_seed(0)))
        source = f"0.5 % and 99.5 % quantiles of 1000 synthetic latents of {self.name}"
        digest = hashlib.sha256(f"{self.digest} {box.lower} {box.upper}".encode()).hexdigest()
        return replace(self, box=ClipBox(box.lower, box.upper, source=source), digest=digest, folder=None)


def model_folders() -> dict[str, Path]:
    """Names and folders of the face models on this machine."""
    return folders_with(FACE_CARD)


def _digest_of(generator: FaceGenerator, box: ClipBox, encoder: object, prior: LatentPrior | None) -> str:
    """SHA-256 over a custom generator with what is public about its latents."""
    bounds = {"lower": box.lower, "upper": box.upper}
    numbers = [str(bound) for bound in bounds.values() if not isinstance(bound, Tensor)]
    digest = hashlib.sha256(" ".join([type(generator).__qualname__, *numbers]).encode())
    states = {
        "": generator.state_dict(),
        "box.": {name: bound for name, bound in bounds.items() if isinstance(bound, Tensor)},
        "encoder.": encoder.state_dict() if isinstance(encoder, nn.Module) else {},
        "prior.": {} if prior is None else {**prior.tensors, "whitening": torch.tensor(prior.whitening)},
    }
    for place, state in states.items():
        for key, value in sorted(state.items()):
            digest.update(f"{place}{key}".encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


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


def face_model(model: FaceModel | ModelName) -> FaceModel:
    """Return a loaded model as it is; load one given by name.

    Args:
        model: a loaded model, or a name or folder as for `load_model`.

    Raises:
        ValueError, WeightsMissing, BadCheckpoint: as for `load_model`.
    """
    return model if isinstance(model, FaceModel) else load_model(model)


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
        PERCEPTUAL[perceptual]  # raises for an unknown name
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
