# SPDX-License-Identifier: Apache-2.0
"""Training of all noise-image networks: explainer, conversion, service model ([NI] section 3.1, phase 1)."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from semveil.core.checkpoints import load_strictly
from semveil.core.config import as_json
from semveil.core.device import CPU
from semveil.core.errors import OutputError
from semveil.core.files import write_whole
from semveil.core.network_files import read_network, write_network
from semveil.core.registry import suggest
from semveil.core.rng import streams
from semveil.data.labelled_pictures import LabelledPictures
from semveil.faces.pixels import to_tensor
from semveil.generators.conversion import ConversionGenerator
from semveil.generators.noise_discriminator import NoiseDiscriminator
from semveil.models.noise_image import save_noise_image_model
from semveil.recognition.vgg16_classifier import VGG16Classifier
from semveil.recognition.vgg16_config import VGG16Config
from semveil.training.classifier import ClassifierTraining, accuracy, train_classifier
from semveil.training.noise_image import ConversionTraining, convert, noised, train_conversion

NETWORKS = ("small", "published", "standard")
_SETTINGS = "settings.json"
_DISCRIMINATOR = "discriminator"  # not part of the model; removed when it has been measured
Network = TypeVar("Network", VGG16Classifier, ConversionGenerator, NoiseDiscriminator)
_HALF = 0.5  # scores above it mean noise: D is trained to give 1 for n(x) and 0 for g(x)


@dataclass(frozen=True)
class NoiseImageTraining:
    """Settings of a run.

    Attributes:
        network: architecture of explainer and service model: `small` (narrow, with batch norm), `published`
            ([NI] Table 2) or `standard` VGG16.
        width: width of the small network.
        explainer, conversion, service: settings of each phase.
    """

    network: str = "small"
    width: int = 16
    explainer: ClassifierTraining = field(default_factory=ClassifierTraining)
    conversion: ConversionTraining = field(default_factory=ConversionTraining)
    service: ClassifierTraining = field(default_factory=ClassifierTraining)

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            near = suggest(self.network, NETWORKS)
            raise ValueError(f"network has no choice {self.network!r}{near}; allowed: {', '.join(NETWORKS)}")

    def classifier(self, classes: int) -> VGG16Config:
        """Configuration of the explainer and of the service model.

        Args:
            classes: number of classes.
        """
        if self.network == "small":
            return VGG16Config.small(classes=classes, width=self.width)
        return (VGG16Config.published if self.network == "published" else VGG16Config.standard)(
            classes=classes
        )


def train_networks(
    folder: Path,
    train: LabelledPictures,
    test: LabelledPictures,
    settings: NoiseImageTraining,
    *,
    seed: int = 0,
    trained_on: str,
    device: torch.device = CPU,
    progress: Callable[[str, int, int, float], None] = lambda phase, step, steps, loss: None,
) -> dict[str, float]:
    """Train, evaluate and write a model's folder.

    Phases completed by an earlier run with the same settings and seed are reused.

    Args:
        folder: folder of the model, which gives the model its name.
        train: training images.
        test: images of the same classes and size; used only to report accuracy, not for any choice.
        settings: sizes, and settings of each phase.
        seed: random seed of all phases, each with its own stream.
        trained_on: description of the data for the card.
        device: device of the training.
        progress: called with the phase (`explainer`, `conversion` or `service`), the step from 1, the number
            of steps and the loss; for a conversion the noise loss.

    Returns:
        Accuracy on `test` of `explainer` (original images), `service` (converted images) and
        `explainer_on_converted`, and `chance`; standard deviation of converted and of noised test images
        (`converted_std`, `noised_std`), and accuracy of D in telling them apart (`discriminator`).

    Raises:
        OutputError: the folder contains a run with other settings, or a trained model.
    """
    size, classes = train.pixels.shape[1], len(train.classes)
    _begin(folder, as_json(settings) + f"seed {seed}, {len(train)} pictures\n")
    pixels, labels = _tensors(train)
    config, random = settings.classifier(classes), streams(seed)

    # Each network is read back from its file, so that resumed and uninterrupted runs give equal results.
    if not _file(folder, "explainer").is_file():
        told = partial(progress, "explainer")
        trained = train_classifier(
            pixels, labels, config, settings.explainer, rng=random["explainer"], device=device, progress=told
        )
        write_network(_file(folder, "explainer"), trained)
    explainer = _read(folder, "explainer", VGG16Classifier(config, rng=torch.Generator())).to(device)
    if not all(_file(folder, name).is_file() for name in ("generator", _DISCRIMINATOR)):
        conversion, discriminator = train_conversion(
            pixels,
            explainer,
            settings.conversion,
            rng=random["conversion"],
            device=device,
            progress=lambda step, steps, losses: progress("conversion", step, steps, losses["noise"]),
        )
        write_network(_file(folder, _DISCRIMINATOR), discriminator)
        write_network(_file(folder, "generator"), conversion)
    generator = _read(
        folder, "generator", ConversionGenerator(settings.conversion.generator, rng=torch.Generator())
    ).to(device)
    if not _file(folder, "service").is_file():
        trained = train_classifier(
            pixels,
            labels,
            config,
            settings.service,
            rng=random["service"],
            device=device,
            through=partial(convert, generator),
            progress=partial(progress, "service"),
        )
        write_network(_file(folder, "service"), trained)
    service = _read(folder, "service", VGG16Classifier(config, rng=torch.Generator())).to(device)

    shown = to_tensor(test.pixels)
    converted, truth = convert(generator, shown), torch.from_numpy(test.labels)
    real = noised(shown, settings.conversion.sigma, rng=random["measured noise"])
    figures = {
        "explainer": accuracy(explainer, shown, truth),
        "service": accuracy(service, converted, truth),
        "explainer_on_converted": accuracy(explainer, converted, truth),
        "chance": 1 / classes,
        "converted_std": float(converted.std()),
        "noised_std": float(real.std()),
        "discriminator": _told_apart(_read_discriminator(folder, settings.conversion), converted, real),
    }
    card: dict[str, Any] = {
        "trained_on": trained_on,
        "settings": asdict(settings),
        "seed": seed,
        "accuracy": figures | {"test_pictures": len(test)},
    }
    save_noise_image_model(folder, explainer, generator, service, size=size, classes=train.classes, card=card)
    _file(folder, _DISCRIMINATOR).unlink()
    (folder / _SETTINGS).unlink()
    return figures


@torch.no_grad()
def _told_apart(discriminator: NoiseDiscriminator, converted: Tensor, real: Tensor) -> float:
    """Share of g(x) and n(x) that D classifies correctly, by the mean score of a picture's patches."""
    fake, true = (
        torch.cat([discriminator(part).mean((1, 2, 3)) for part in images.split(256)])
        for images in (converted.cpu(), real)
    )
    return float(torch.cat([fake < _HALF, true > _HALF]).float().mean())


def _begin(folder: Path, settings: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    begun = folder / _SETTINGS
    if begun.is_file() and begun.read_text(encoding="utf-8") != settings:
        raise OutputError(f"{str(folder)!r} holds a run with other settings; give those, or another folder")
    if not begun.is_file() and any(folder.glob("*.safetensors")):
        raise OutputError(f"{str(folder)!r} holds a trained model; choose another folder")
    write_whole(begun, settings)


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.safetensors"


def _read_discriminator(folder: Path, settings: ConversionTraining) -> NoiseDiscriminator:
    network = NoiseDiscriminator(
        width=settings.discriminator_width, halvings=settings.discriminator_halvings, rng=torch.Generator()
    )
    return _read(folder, _DISCRIMINATOR, network)


def _read(folder: Path, name: str, network: Network) -> Network:
    """Load a network from the folder."""
    load_strictly(network, read_network(_file(folder, name)), name=name)
    return network.eval().requires_grad_(False)


def _tensors(pictures: LabelledPictures) -> tuple[Tensor, Tensor]:
    """Pixels (N, 3, H, W) uint8 and labels (N,)."""
    return torch.from_numpy(pictures.pixels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(
        pictures.labels
    )
