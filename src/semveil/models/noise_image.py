# SPDX-License-Identifier: Apache-2.0
"""Models of noise-image: explainer, conversion generator and service classifier, in one folder."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semveil.core.checkpoints import LARGEST_SIDE, BadCheckpoint, build_to_fit
from semveil.core.config import check_kinds
from semveil.core.device import Loader, device_of, moved, precision_of
from semveil.core.files import write_whole
from semveil.core.model_folders import NOISE_IMAGE_CARD, ModelName, folders_with, missing_models
from semveil.core.network_files import read_network, write_network
from semveil.core.registry import suggest
from semveil.core.text import read_json_object
from semveil.faces.pixels import check_images
from semveil.generators.conversion import ConversionConfig, ConversionGenerator
from semveil.recognition.vgg16_classifier import VGG16Classifier
from semveil.recognition.vgg16_config import VGG16Config

BUNDLED = "noise-image-32"
_CARD = NOISE_IMAGE_CARD
_PARTS = ("explainer", "generator", "service")


@dataclass(frozen=True, eq=False)
class NoiseImageModel:
    """Trained networks of noise-image ([NI] Fig. 2).

    Attributes:
        name: name of the folder.
        digest: SHA-256 over the generator's weights, which alone determine the output of `protect`.
        explainer: classifier f', trained on unconverted images.
        generator: conversion generator g, run by the client.
        service: classifier f, trained only on images converted by g.
        size: side of the images in pixels.
        classes: class names, by class index.
        card: training data, settings and reported figures.
    """

    name: str
    digest: str
    explainer: VGG16Classifier
    generator: ConversionGenerator
    service: VGG16Classifier
    size: int
    classes: tuple[str, ...]
    card: Mapping[str, Any]

    def to(
        self, device: str | torch.device | None = None, dtype: torch.dtype | None = None
    ) -> "NoiseImageModel":
        """Return the model with its networks on another device or in another precision.

        See `core.device.moved`.

        Args:
            device: target device, such as `cuda:1`, see `core.device.choose_device`.
            dtype: float32 or float64.
        """
        return replace(
            self,
            explainer=moved(self.explainer, device, dtype),
            generator=moved(self.generator, device, dtype),
            service=moved(self.service, device, dtype),
        )

    def placed(self, x: Tensor) -> Tensor:
        """Move images to the device and precision of the networks.

        Args:
            x: images.
        """
        return x.to(device_of(self.generator), precision_of(self.generator))

    def check(self, images: Tensor) -> None:
        """Check that images fit the model.

        Args:
            images: (B, 3, S, S) in [-1, 1].

        Raises:
            ValueError: not a batch of the model's size, or not floating-point values in [-1, 1].
        """
        check_images(images, self.size, f"model {self.name}")

    @classmethod
    def example(cls) -> "NoiseImageModel":
        """Untrained networks for 8 px and three classes, for tests only, never for reported figures."""
        rng = torch.Generator().manual_seed(0)
        config = VGG16Config.small(classes=3, width=2)
        explainer, service = (VGG16Classifier(config, rng=rng).eval().requires_grad_(False) for _ in range(2))
        generator = (
            ConversionGenerator(ConversionConfig(width=2, blocks=1), rng=rng).eval().requires_grad_(False)
        )
        return cls("example", "0" * 64, explainer, generator, service, 8, ("cat", "dog", "tree"), {})


def noise_image_folders() -> dict[str, Path]:
    """Names and folders of the noise-image models on this machine."""
    return folders_with(_CARD)


@Loader
@lru_cache(maxsize=4)
def load_noise_image_model(name: ModelName = BUNDLED) -> NoiseImageModel:
    """Load a model by name, or from a folder that `save_noise_image_model` wrote.

    Args:
        name: `noise-image-32` (bundled), a name below SEMVEIL_HOME/models, or a folder's path.

    Raises:
        ValueError: no such model.
        BadCheckpoint: a file is damaged or holds NaN.
    """
    folders = noise_image_folders()
    asked = os.fspath(name)
    folder = folders.get(asked, Path(asked))
    if not (folder / _CARD).is_file():
        raise ValueError(
            f"no model of noise-image named {asked!r}{suggest(asked, folders)}; available: "
            f"{', '.join(folders)}, or a folder that semveil train noise-image wrote{missing_models()}"
        )
    try:
        card = read_json_object(folder / _CARD)
        for part, schema in zip(_PARTS, (VGG16Config, ConversionConfig, VGG16Config), strict=True):
            check_kinds(schema, card[part])
        of_explainer, of_service = (VGG16Config.from_dict(card[part]) for part in ("explainer", "service"))
        of_generator = ConversionConfig.from_dict(card["generator"])
        size, classes = card["size"], tuple(card["classes"])
        if (
            type(size) is not int
            or not 1 <= size <= LARGEST_SIDE
            or not all(isinstance(name, str) for name in classes)
        ):
            raise ValueError(f"pictures of {size!r} px with classes {ascii(classes)[:60]}")
        if {of_explainer.classes, of_service.classes} != {len(classes)}:
            raise ValueError(
                f"{len(classes)} names for classifiers of {of_explainer.classes} and {of_service.classes} "
                "classes"
            )
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"{folder / _CARD} does not describe a model of noise-image: {error}") from error
    states = {part: read_network(folder / f"{part}.safetensors") for part in _PARTS}
    names = {part: f"{folder.name}'s {part}" for part in _PARTS}
    explainer = build_to_fit(
        lambda: VGG16Classifier(of_explainer), states["explainer"], name=names["explainer"]
    )
    generator = build_to_fit(
        lambda: ConversionGenerator(of_generator), states["generator"], name=names["generator"]
    )
    service = build_to_fit(lambda: VGG16Classifier(of_service), states["service"], name=names["service"])
    digest = hashlib.sha256((folder / "generator.safetensors").read_bytes()).hexdigest()
    return NoiseImageModel(folder.name, digest, explainer, generator, service, size, classes, card)


def save_noise_image_model(
    folder: Path,
    explainer: VGG16Classifier,
    generator: ConversionGenerator,
    service: VGG16Classifier,
    *,
    size: int,
    classes: tuple[str, ...],
    card: Mapping[str, Any],
) -> None:
    """Write a model's folder: half-precision weights and `noise-image.json`.

    The card is written last, so that a model is either complete or absent.

    Args:
        folder: target folder.
        explainer: the trained explainer.
        generator: the conversion generator.
        service: classifier of converted images.
        size: side of the images in pixels.
        classes: class names, by class index.
        card: further entries of the card; the sizes of the networks are added.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part, network in zip(_PARTS, (explainer, generator, service), strict=True):
        write_network(folder / f"{part}.safetensors", network)
    sizes: dict[str, Any] = {"explainer": explainer.config.as_dict(), "generator": generator.config.as_dict()}
    sizes["service"] = service.config.as_dict()
    full = {**sizes, "size": size, "classes": list(classes), **card}
    write_whole(folder / _CARD, json.dumps(full, indent=1) + "\n")
