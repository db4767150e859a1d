# SPDX-License-Identifier: Apache-2.0
"""Identity models for identity-dp: identity encoder, attribute encoder and fusion generator."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.core.checkpoints import LARGEST_SIDE, BadCheckpoint, build_to_fit
from semveil.core.config import check_kinds
from semveil.core.device import Loader, device_of, moved, precision_of
from semveil.core.files import write_whole
from semveil.core.model_folders import IDENTITY_CARD, ModelName, folders_with, missing_models
from semveil.core.network_files import read_network, write_network
from semveil.core.registry import suggest
from semveil.core.text import read_json_object
from semveil.encoders.attributes import AttributeEncoder, AttributeEncoderConfig
from semveil.faces.pixels import check_images
from semveil.generators.aad_fusion import FusionConfig, FusionGenerator
from semveil.recognition.identity_encoder import BUNDLED, IdentityEncoder, load_identity_encoder
from semveil.recognition.identity_encoder import FILE as IDENTITY_FILE

DEFAULT_IDENTITY_MODEL = BUNDLED
CARD = IDENTITY_CARD
# maximum length of fused identity vectors: each layer multiplies by them, and floats end at 1e38
_LONGEST = 1000.0
_CHUNK = 64  # images per batch
Device = str | torch.device | None


@dataclass(frozen=True, eq=False)
class IdentityModel:
    """Three frozen networks of one model ([IDP] IV-A), as functions.

    Attributes:
        name: name as in `load_identity_model`.
        digest: SHA-256 over the weights, 64 hex digits.
        size: side S of the images in pixels.
        dim: dimension d of an identity vector.
        identify: images (B, 3, S, S) in [-1, 1] -> r_id, (B, d) of unit length (Eq. 7).
        attributes: images -> r_att, maps (B, c, s, s), coarse to fine (Eq. 8).
        fuse: r_id and r_att -> images (B, 3, S, S) in [-1, 1] (Eqs. 9 and 13).
        card: training data and licence terms.
        elsewhere: (device, dtype) -> the same model with its networks moved, used by `to`; None without
            networks.

    Example:
        >>> model = IdentityModel.example()
        >>> images = torch.zeros(1, 3, 4, 4)
        >>> model.fuse(model.identify(images), model.attributes(images)).shape
        torch.Size([1, 3, 4, 4])
    """

    name: str
    digest: str
    size: int
    dim: int
    identify: Callable[[Tensor], Tensor]
    attributes: Callable[[Tensor], tuple[Tensor, ...]]
    fuse: Callable[[Tensor, Sequence[Tensor]], Tensor]
    card: Mapping[str, Any]
    elsewhere: "Callable[[Device, torch.dtype | None], IdentityModel] | None" = None

    def to(self, device: Device = None, dtype: torch.dtype | None = None) -> "IdentityModel":
        """Return the model with its networks on another device or in another precision.

        See `core.device.moved`.

        Args:
            device: target device, such as `cuda:1`, see `core.device.choose_device`.
            dtype: float32 or float64.
        """
        return self if self.elsewhere is None else self.elsewhere(device, dtype)

    def check(self, images: Tensor) -> None:
        """Check that images fit the model.

        Args:
            images: (B, 3, S, S) in [-1, 1].

        Raises:
            ValueError: not of the model's size, not finite, or not floating-point values in [-1, 1].
        """
        check_images(images, self.size, f"model {self.name}")

    @classmethod
    def example(cls) -> "IdentityModel":
        """Model without networks for images of 4 x 4 px.

        The identity is the brightness of the four quarters, and the attributes are the image.
        """

        def identify(images: Tensor) -> Tensor:
            return F.normalize(F.avg_pool2d(images.mean(1), 2).flatten(1) + 1e-3, dim=1)

        def fuse(identity: Tensor, attributes: Sequence[Tensor]) -> Tensor:
            quarters = F.interpolate(identity.unflatten(1, (1, 2, 2)), scale_factor=2)
            return (0.5 * attributes[0] + 0.5 * quarters).clamp(-1, 1)

        digest = hashlib.sha256(b"example").hexdigest()
        return cls(
            "example", digest, 4, 4, identify, lambda images: (images,), fuse, {"trained_on": "nothing"}
        )


def identity_model_folders() -> dict[str, Path]:
    """Names and folders of the identity models on this machine."""
    return folders_with(CARD)


@Loader
@lru_cache(maxsize=4)
def load_identity_model(
    name: ModelName = DEFAULT_IDENTITY_MODEL, directory: Path | None = None
) -> IdentityModel:
    """Load a model by name, or from a folder that `save_identity_model` wrote.

    Args:
        name: `identity-128` (bundled), a name below SEMVEIL_HOME/models, or a folder's path.
        directory: folder of the model, instead of a lookup by name.

    Raises:
        ValueError: no such model.
        BadCheckpoint: a file is missing, damaged, or holds other networks.
    """
    folders = identity_model_folders()
    folder = directory or folders.get(os.fspath(name), Path(name))
    if not (folder / CARD).is_file():
        raise ValueError(
            f"no identity model {str(directory or name)!r}{suggest(str(name), folders)}; "
            f"available: {', '.join(folders)}, or a model's folder{missing_models()}"
        )
    return _load_folder(folder)


def save_identity_model(
    folder: Path,
    identity_file: Path,
    attributes: AttributeEncoder,
    fusion: FusionGenerator,
    card: Mapping[str, Any],
) -> None:
    """Write a model's folder: half-precision weights and the card.

    The card is written last, so that a model is either complete or absent.

    Args:
        folder: target folder.
        identity_file: file of the identity encoder, which is copied.
        attributes: the attribute encoder.
        fusion: the fusion generator.
        card: training data and licence terms; the sizes of the networks are added.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / IDENTITY_FILE, identity_file.read_bytes())
    write_network(folder / "attributes.safetensors", attributes)
    write_network(folder / "fusion.safetensors", fusion)
    full = {"attributes": attributes.config.as_dict(), "fusion": fusion.config.as_dict(), **card}
    write_whole(folder / CARD, (json.dumps(full, indent=1) + "\n").encode())


def read_fusion(folder: Path) -> tuple[AttributeEncoder, FusionGenerator]:
    """Read the trained attribute encoder and fusion generator of a model's folder, frozen.

    Args:
        folder: folder written by `save_identity_model`.

    Raises:
        BadCheckpoint: a file is missing, damaged, or holds other networks.
    """
    return _read_folder(folder)[2:]


def _read_folder(
    folder: Path,
) -> tuple[Mapping[str, Any], IdentityEncoder, AttributeEncoder, FusionGenerator]:
    try:
        card = read_json_object(folder / CARD)
        check_kinds(AttributeEncoderConfig, card["attributes"])
        check_kinds(FusionConfig, card["fusion"])
        of_encoder = AttributeEncoderConfig.from_dict(card["attributes"])
        of_generator = FusionConfig.from_dict(card["fusion"])
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"{folder / CARD} does not describe an identity model: {error}") from error
    states = {file: read_network(folder / f"{file}.safetensors") for file in ("attributes", "fusion")}
    recogniser = load_identity_encoder(folder / IDENTITY_FILE)
    encoder = build_to_fit(
        lambda: AttributeEncoder(of_encoder), states["attributes"], name=f"{folder.name}'s attributes"
    )
    generator = build_to_fit(
        lambda: FusionGenerator(of_generator), states["fusion"], name=f"{folder.name}'s fusion"
    )
    size, dim = encoder.config.size, generator.config.identity_dim
    if not 1 <= size <= LARGEST_SIDE or (
        recogniser.config.size,
        recogniser.config.dimensions,
        generator.config.size,
    ) != (
        size,
        dim,
        size,
    ):
        raise BadCheckpoint(f"the networks in {folder} do not fit together: they differ in sizes")
    return card, recogniser, encoder, generator


def _load_folder(folder: Path) -> IdentityModel:
    card, recogniser, encoder, generator = _read_folder(folder)
    return _of_networks(folder.name, _digest(folder, card), recogniser, encoder, generator, card)


def _of_networks(
    name: str,
    digest: str,
    recogniser: IdentityEncoder,
    encoder: AttributeEncoder,
    generator: FusionGenerator,
    card: Mapping[str, Any],
) -> IdentityModel:
    """Wrap the three networks as functions, on the generator's device and in its precision."""

    def placed(x: Tensor) -> Tensor:
        return x.to(device_of(generator), precision_of(generator))

    def identify(images: Tensor) -> Tensor:
        return torch.cat([recogniser(part) for part in placed(images).split(_CHUNK)])

    def attributes(images: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            map(torch.cat, zip(*(encoder(part) for part in placed(images).split(_CHUNK)), strict=True))
        )

    def fuse(identity: Tensor, maps: Sequence[Tensor]) -> Tensor:
        # NaN for infinite vectors
        identity = identity * (_LONGEST / identity.norm(dim=1, keepdim=True)).clamp(max=1)
        parts = zip(
            placed(identity).split(_CHUNK), *(placed(level).split(_CHUNK) for level in maps), strict=True
        )
        return torch.cat([generator(vectors, levels) for vectors, *levels in parts])

    def elsewhere(device: Device, dtype: torch.dtype | None) -> IdentityModel:
        there = (
            moved(recogniser, device, dtype),
            moved(encoder, device, dtype),
            moved(generator, device, dtype),
        )
        return _of_networks(name, digest, *there, card)

    size, dim = encoder.config.size, generator.config.identity_dim
    return IdentityModel(name, digest, size, dim, identify, attributes, fuse, card, elsewhere)


def _digest(folder: Path, card: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps([card["attributes"], card["fusion"]], sort_keys=True).encode())
    for file in (IDENTITY_FILE, "attributes.safetensors", "fusion.safetensors"):
        digest.update((folder / file).read_bytes())
    return digest.hexdigest()
