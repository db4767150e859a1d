# SPDX-License-Identifier: Apache-2.0
"""Latent models for dp-image and latent-dp: an encoder, a generator, and public bounds of the latents."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import torch
from torch import Tensor

from semveil.core.device import device_of, moved, precision_of
from semveil.core.files import sha256_of_file
from semveil.core.model_folders import ModelName
from semveil.core.weights import find, require
from semveil.encoders.gradual_style import GradualStyleEncoder
from semveil.encoders.perceptual import PERCEPTUAL
from semveil.faces.parts import BASE_CODES, CODES, PARTS, PRIVATE_CODES, codes_of_parts
from semveil.faces.pixels import check_images
from semveil.generators.face_generator import FaceGenerator
from semveil.generators.stylegan2 import StyleGAN2
from semveil.mechanisms import ClipBox
from semveil.methods.options import Option
from semveil.models.face import DEFAULT_MODEL, FaceModel, load_model
from semveil.models.prior import LatentPrior
from semveil.models.quantile_bounds import FILE, PAPER_LATENTS, QuantileBounds

STYLEGAN2 = "stylegan2-ffhq"
PAPER_RANGE = ClipBox(-20.0, 20.0, source="[DPI] Fig. 4: the values of the latents lie between -20 and 20")
STYLE_GROUPS = {
    "coarse": range(3),
    "medium": range(3, 7),
    "fine": range(7, 18),
}  # [DPI] 4.1.3, which counts from 1
Device = str | torch.device | None
_LARGE = 256  # px; larger images are computed one by one, as each takes a gigabyte of features


@dataclass(frozen=True, eq=False)
class LatentModel:
    """Encoder and generator of one model, with public knowledge of the latents between them.

    Attributes:
        name: name as in `load_latent_model`.
        digest: SHA-256 over the weights, 64 hex digits.
        size: side of the images in pixels.
        latent_shape: (K, D).
        encode: images (B, 3, S, S) in [-1, 1] -> latents (B, K, D), not clipped.
        perceptual: perceptual term of the inversion behind `encode`; `none` for an inversion without one;
            None if nothing is optimised.
        synthesize: latents -> images (B, 3, S, S) about [-1, 1].
        box: one pair of public bounds for all coordinates.
        bounds: returns public bounds for every coordinate, computed or read on the first call.
        identity_codes: codes that determine the identity, as far as codes can be separated; 0-based.
        groups: codes by group name, such as a face part; each code is in one group.
        public_latents: (count, rng) -> latents (count, K, D), made without photos.
        prior: Gaussian prior of the public latents, if any.
        elsewhere: (device, dtype) -> the same model with its networks moved, used by `to`; None without
            networks.

    Example:
        >>> model = LatentModel.example()
        >>> model.synthesize(model.encode(torch.zeros(1, 3, 2, 2))).shape, model.quantiles(25).lower.shape
        (torch.Size([1, 3, 2, 2]), torch.Size([3, 4]))
    """

    name: str
    digest: str
    size: int
    latent_shape: tuple[int, int]
    encode: Callable[[Tensor], Tensor]
    perceptual: str | None
    synthesize: Callable[[Tensor], Tensor]
    box: ClipBox
    bounds: Callable[[], QuantileBounds]
    identity_codes: tuple[int, ...]
    groups: Mapping[str, tuple[int, ...]]
    public_latents: Callable[[int, torch.Generator], Tensor]
    prior: LatentPrior | None = None
    elsewhere: "Callable[[Device, torch.dtype | None], LatentModel] | None" = None

    def to(self, device: "Device" = None, dtype: torch.dtype | None = None) -> "LatentModel":
        """Return the model with its networks on another device or in another precision.

        See `core.device.moved`.

        Args:
            device: target device, such as `cuda:1`, see `core.device.choose_device`.
            dtype: float32 or float64.
        """
        return self if self.elsewhere is None else self.elsewhere(device, dtype)

    @property
    def semantic(self) -> bool:
        """True if the codes belong to face parts; otherwise they belong to scales or are unnamed."""
        return self.groups == part_groups()

    def quantiles(self, share: float) -> ClipBox:
        """Public bounds (K, D) from quantiles of public latents.

        Args:
            share: percent of public latents cut off at either end of every coordinate, one of the stored
                shares.

        Raises:
            ValueError: no bounds are stored for this share.
        """
        return self.bounds().box(share)

    @property
    def digest_with_bounds(self) -> str:
        """SHA-256 over the networks and the bounds of every coordinate."""
        return hashlib.sha256(f"{self.digest} {self.bounds().digest}".encode()).hexdigest()

    def check(self, images: Tensor) -> None:
        """Check that images fit the model.

        Args:
            images: (B, 3, S, S) in [-1, 1].

        Raises:
            ValueError: not of the model's size, not finite, or not floating-point values in [-1, 1].
        """
        check_images(images, self.size, f"model {self.name}")

    def check_latents(self, latents: Tensor) -> None:
        """Check that latents fit the model.

        Args:
            latents: (B, K, D), one or more.

        Raises:
            ValueError: there are none, or of another shape or type.
        """
        shape = tuple(latents.shape)
        if (
            len(shape) != 3
            or shape[1:] != self.latent_shape
            or not latents.is_floating_point()
            or not shape[0]
        ):
            codes, style_dim = self.latent_shape
            raise ValueError(
                f"latents of model {self.name} are floats (B, {codes}, {style_dim}), one or more, got "
                f"{latents.dtype} {shape}"
            )

    @classmethod
    def example(cls) -> "LatentModel":
        """Model without networks: images of 2 x 2 px, one code per colour, latents 10 times the pixels."""

        def public_latents(count: int, rng: torch.Generator) -> Tensor:
            return torch.randn(count, 3, 4, generator=rng)

        return cls(
            "example",
            hashlib.sha256(b"example").hexdigest(),
            2,
            (3, 4),
            lambda images: 10 * images.flatten(2),
            None,
            lambda latents: latents.unflatten(2, (2, 2)) / 10,
            ClipBox(-1.0, 2.0, source="an example"),
            cache(lambda: _synthetic_bounds("example", public_latents, {"all": (0, 1, 2), "identity": (0,)})),
            (0,),
            {"red": (0,), "green-blue": (1, 2)},
            public_latents,
        )


def load_latent_model(name: ModelName = DEFAULT_MODEL, *, perceptual: str | None = None) -> LatentModel:
    """Load a model by name.

    Args:
        name: `faces-128` (bundled) or any face model that `models.face.load_model` knows, including those
            written by `semveil train stylegan2`; or `stylegan2-ffhq` (official StyleGAN2 and pSp, found by
            the catalogue).
        perceptual: perceptual term of the inversion, such as `lpips`; the model's own where None.

    Raises:
        ValueError: no such model or term, or a term for a model whose encoder needs no inversion.
        WeightsMissing: official weights are not on this machine; the message says how to get them.
    """
    if name != STYLEGAN2:
        return from_face_model(load_model(name), perceptual)
    if perceptual is not None:
        raise ValueError(
            f"{STYLEGAN2} encodes in one pass and inverts nothing; leave out the perceptual term "
            f"{perceptual!r}"
        )
    return _stylegan2()


PERCEPTUAL_OPTION = Option("Perceptual term of the inversion; the model's own by default.", tuple(PERCEPTUAL))


def latent_model_for(model: LatentModel | ModelName, perceptual: str | None) -> LatentModel:
    """Return the model for a method, loaded if given by name.

    Args:
        model: a latent model or its name.
        perceptual: perceptual term of the inversion, for a model given by name.

    Raises:
        ValueError: a perceptual term for a loaded model, which already has one; or no such model or term.
    """
    if isinstance(model, str | Path):
        return load_latent_model(model, perceptual=perceptual)
    if perceptual is not None:
        raise ValueError("the perceptual term of a loaded model is set where it is loaded; leave it out here")
    return model


@lru_cache(maxsize=4)
def from_face_model(model: FaceModel, perceptual: str | None = None) -> LatentModel:
    """Wrap a face model as a latent model, which encodes images by `FaceModel.invert`.

    Args:
        model: any face model.
        perceptual: term of the inversion; the model's own where None.
    """
    term = model.describe_inversion(perceptual)["perceptual_term"]

    def encode(images: Tensor) -> Tensor:
        return model.invert(images, perceptual=perceptual).codes

    def synthesize(latents: Tensor) -> Tensor:
        with torch.no_grad():
            return _in_parts(model.generator.synthesize, model.placed(latents), model.size)

    def public_latents(count: int, rng: torch.Generator) -> Tensor:
        return model.public_latents(count, rng=rng)

    @cache
    def bounds() -> QuantileBounds:
        path = model.folder / FILE if model.folder else None
        if path is not None and path.is_file():
            return QuantileBounds.load(path, model.latent_shape)
        return _synthetic_bounds(model.name, public_latents, {})

    return LatentModel(
        model.name,
        model.digest,
        model.size,
        model.latent_shape,
        encode,
        term,
        synthesize,
        model.box,
        bounds,
        identity_codes(model.generator),
        part_groups() if model.semantic else style_groups(model.latent_shape[0]),
        public_latents,
        model.prior,
        lambda device, dtype: from_face_model(model.to(device, dtype), perceptual),
    )


def identity_codes(generator: FaceGenerator) -> tuple[int, ...]:
    """Codes that determine the identity, 0-based.

    For a semantic generator these are the default private codes of dp-semcom; for a StyleGAN2 the first seven
    (layers 1 to 7 in [DPI] 5.2, counted from 1), which determine detail of up to 32 px, whatever the size of
    the model.

    Args:
        generator: the face generator.
    """
    return PRIVATE_CODES if generator.semantic else tuple(range(min(7, generator.config.codes)))


def style_groups(codes: int) -> dict[str, tuple[int, ...]]:
    """Codes of a StyleGAN2 by scale: coarse, medium and fine.

    Args:
        codes: number of codes of the generator; groups beyond it are left out.

    Example:
        >>> style_groups(10)
        {'coarse': (0, 1, 2), 'medium': (3, 4, 5, 6), 'fine': (7, 8, 9)}
    """
    groups = {name: tuple(code for code in rows if code < codes) for name, rows in STYLE_GROUPS.items()}
    return {name: rows for name, rows in groups.items() if rows}


def part_groups() -> dict[str, tuple[int, ...]]:
    """Codes of a semantic model by face part; `shared` are those used by all parts but the background.

    Example:
        >>> part_groups()["shared"], part_groups()["eyes"]
        ((0, 1), (6, 7))
    """
    shared = tuple(range(BASE_CODES))
    groups = {"shared": shared, **{part: codes_of_parts([part])[BASE_CODES:] for part in PARTS}}
    assert sorted(code for codes in groups.values() for code in codes) == list(range(CODES))
    return groups


@lru_cache(maxsize=1)
def _stylegan2() -> LatentModel:
    """[DPI]'s pair: the pSp encoder and the StyleGAN2 that it was trained for, stored in the same file."""
    path = require("psp")
    generator = StyleGAN2.from_official(find(STYLEGAN2) or path)
    generator.eval().requires_grad_(False)
    encoder = GradualStyleEncoder.from_official(path)
    digest = hashlib.sha256()
    for file in dict.fromkeys([path, find(STYLEGAN2) or path]):
        digest.update(sha256_of_file(file))
    return _of_networks(generator, encoder, digest.hexdigest())


def _of_networks(generator: StyleGAN2, encoder: GradualStyleEncoder, digest: str) -> LatentModel:
    """Wrap the two networks as functions, on the generator's device and in its precision."""
    size, codes = generator.config.size, generator.config.codes

    def placed(x: Tensor) -> Tensor:
        return x.to(device_of(generator), precision_of(generator))

    def encode(images: Tensor) -> Tensor:
        with torch.no_grad():
            return _in_parts(encoder, placed(images), size)

    def synthesize(latents: Tensor) -> Tensor:
        with torch.no_grad():
            return _in_parts(generator.synthesize, placed(latents), size)

    def public_latents(count: int, rng: torch.Generator) -> Tensor:
        with torch.no_grad():
            styles = generator.map(placed(torch.randn(count, generator.config.style_dim, generator=rng)))
        return styles[:, None].expand(-1, codes, -1)

    return LatentModel(
        STYLEGAN2,
        digest,
        size,
        (codes, generator.config.style_dim),
        encode,
        None,
        synthesize,
        PAPER_RANGE,
        cache(lambda: _synthetic_bounds(STYLEGAN2, public_latents, {})),
        identity_codes(generator),
        style_groups(codes),
        public_latents,
        elsewhere=lambda device, dtype: _of_networks(
            moved(generator, device, dtype), moved(encoder, device, dtype), digest
        ),
    )


def _synthetic_bounds(
    name: str,
    public_latents: Callable[[int, torch.Generator], Tensor],
    observe: Mapping[str, tuple[int, ...]],
) -> QuantileBounds:
    """Bounds of synthetic latents for a model without stored bounds, the same on every machine."""
    latents = public_latents(PAPER_LATENTS, torch.Generator().manual_seed(0))
    return QuantileBounds.fit(latents, of=f"synthetic latents of {name}", observe=observe)


def _in_parts(network: Callable[[Tensor], Tensor], batch: Tensor, size: int) -> Tensor:
    return torch.cat([network(part) for part in batch.split(1 if size > _LARGE else 64)])
