# SPDX-License-Identifier: Apache-2.0
"""Set-up of noise-image runs: pictures, the explainer, and the networks trained for each cell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from matplotlib.axes import Axes
from safetensors.torch import save
from torch import Tensor, nn

from semveil.attacks.intervals import Score
from semveil.core.checkpoints import load_strictly, read_checkpoint
from semveil.core.digests import digest_of_json, digest_of_tensors
from semveil.core.files import write_whole
from semveil.core.progress import Progress
from semveil.core.provenance import versions
from semveil.core.rng import streams
from semveil.data.labelled_pictures import load_labelled
from semveil.experiments.kit.experiment import Run
from semveil.experiments.kit.inputs import as_json
from semveil.experiments.kit.keeping import Keep, Kept, metric_weights
from semveil.experiments.kit.photo_sets import DataMissing
from semveil.experiments.kit.plots import COLOURS
from semveil.experiments.noise_image.hits import accuracy, right
from semveil.experiments.noise_image.picture_sets import Pictures, Protect, as_sent, as_tensors, made_pictures
from semveil.experiments.noise_image.presets import Cell, NoiseImagePreset, Role
from semveil.generators.conversion import ConversionConfig, ConversionGenerator
from semveil.models.noise_image import load_noise_image_model
from semveil.recognition.vgg16_classifier import VGG16Classifier
from semveil.training.classifier import ClassifierTraining, train_classifier
from semveil.training.explanation_noise import ExplanationNoise
from semveil.training.noise_image import ConversionTraining, convert, noised, train_conversion

DELTA = 1e-5
DETERMINISTIC = "the conversion is a deterministic function of the picture; its noise acted in training alone"
NETWORKS = "networks"  # folder next to the JSON; not in the repository
NO_NOISE = 1e6  # epsilon of N at which its noise is below a thousandth of a class weight
NETWORKS_REVISION = 1  # raised when training gives other networks from the same pictures and settings
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class NoiseImageBench:
    """Pictures, and the explainer trained on them.

    Attributes:
        folder: results directory; also stores trained networks for reuse by other figures.
        config: config stored in result files.
    """

    preset: NoiseImagePreset
    folder: Path
    train: Pictures
    test: Pictures
    classes: tuple[str, ...]
    explainer: VGG16Classifier
    config: Mapping[str, Any]
    progress: Progress

    @property
    def head(self) -> dict[str, Any]:
        return {}

    def conversion(self, cell: Cell) -> Protect:
        """Protection of a cell: its generator, trained or loaded, or genuine noise n(x).

        Args:
            cell: its setting.

        Returns:
            Function that maps images (N, 3, H, W) in [-1, 1] to protected images, before quantisation to 8
            bits.
        """
        if cell.kind == "noised":
            rng = streams(cell.seed)[f"noise {cell.sigma:g}"]
            return lambda images: noised(images, cell.sigma, rng=rng)
        return self.converter(f"g {cell.name}", self.train.pixels, self.explainer, cell)

    def converter(self, name: str, pixels: Tensor, explainer: VGG16Classifier, cell: Cell) -> Protect:
        """Conversion by a generator, stored under a name or trained.

        Args:
            name: of the generator's file.
            pixels: (N, 3, H, W) uint8, training pictures.
            explainer: network whose explanations are kept.
            cell: setting of the training.
        """
        settings, rng = conversion_settings(self.preset, cell), streams(cell.seed)["train"]
        tick = lambda step, steps, losses: self.progress(f"train {name}", step, steps)  # noqa: E731
        generator = self.kept(
            name,
            ConversionGenerator(settings.generator, rng=torch.Generator()),
            lambda: train_conversion(pixels, explainer, settings, rng=rng, progress=tick)[0],
        )
        return lambda images: convert(generator, images)

    def service(self, cell: Cell, protect: Protect, sent: Tensor | None = None) -> VGG16Classifier:
        """Service model of a cell, trained on the transmitted training pictures.

        Training pictures are augmented by mirroring. A conversion is also applied to the mirrored pictures;
        genuine noise is drawn once per picture and mirrored with it, since a second draw would consume
        epsilon again.

        Args:
            cell: its setting.
            protect: protection applied by the clients.
            sent: transmitted training pictures (N, 3, H, W) uint8; None computes them if training is needed.
        """

        def train() -> nn.Module:
            given = as_sent(protect, self.train.pixels) if sent is None else sent
            mirrored = None if cell.kind == "noised" else as_sent(protect, self.train.pixels.flip(-1))
            pictures = Pictures(given, self.train.labels)
            return self.learn(pictures, "service", f"train f: {cell.name}", seed=cell.seed, mirrored=mirrored)

        config = self.preset.classifier("service", len(self.classes))
        return self.kept(f"f {cell.name}", VGG16Classifier(config, rng=torch.Generator()), train)

    def learn(
        self,
        pictures: Pictures,
        role: Role,
        stage: str,
        *,
        classes: int | None = None,
        seed: int = 0,
        times: int = 1,
        mirrored: Tensor | None = None,
    ) -> VGG16Classifier:
        """Train a classifier.

        Args:
            pictures: training pictures.
            role: sets layer sizes, epochs and random stream.
            stage: label for progress reports.
            classes: number of classes; None for all of the data set.
            seed: of the random stream.
            times: factor on the preset's epochs.
            mirrored: the pictures' mirrored versions, uint8; None mirrors them.
        """
        preset = self.preset
        epochs = times * (preset.service_epochs if role == "service" else preset.explainer_epochs)
        return train_classifier(
            pictures.pixels,
            pictures.labels,
            preset.classifier(role, classes or len(self.classes)),
            ClassifierTraining(epochs=epochs, batch=preset.batch, learning_rate=preset.classifier_rate),
            rng=streams(seed)[role],
            mirrored=mirrored,
            progress=lambda step, steps, loss: self.progress(stage, step, steps),
        )

    def kept(self, name: str, network: Network, train: Callable[[], nn.Module]) -> Network:
        """Load a stored network, or train and store it; returned frozen and in evaluation mode.

        Args:
            name: of the file, without suffix; commas and spaces in it are replaced.
            network: receives the weights.
            train: returns a trained network of the same architecture; called if there is no file.
        """
        digest = digest_of_json([NETWORKS_REVISION, dict(self.config), versions()])[:12]
        path = self.folder / NETWORKS / digest / f"{name.replace(', ', '_').replace(' ', '-')}.safetensors"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, save({k: v.contiguous() for k, v in train().state_dict().items()}))
        load_strictly(network, read_checkpoint(path), name=name)
        return network.eval().requires_grad_(False)


Body = Callable[[NoiseImageBench, Keep], None]
"""Measurement for a table or figure; parts are stored by name."""


def shown_by(place: str, bodies: Mapping[str, Body]) -> Callable[[NoiseImageBench, Kept, Run], None]:
    """Return a measurement of the requested figure and the explainer's accuracy.

    Args:
        place: key in the result file for the figures' measurements.
        bodies: measurement of each figure, by figure name.
    """

    def explained(bench: NoiseImageBench) -> dict[str, Any]:
        hits = right(bench.explainer, bench.test.pixels, bench.test.labels)
        return {"accuracy": accuracy(hits), "chance": 1 / len(bench.classes)}

    def measure(bench: NoiseImageBench, kept: Kept, run: Run) -> None:
        kept.part("explainer", measure=partial(explained, bench))
        bodies[run.figure](bench, lambda name, cell: kept.part(place, name, measure=cell))

    return measure


def load(run: Run) -> NoiseImageBench:
    """Load the pictures and the explainer: a trained model's, a stored one, or one trained on the pictures.

    Args:
        run: options of the run.

    Raises:
        DataMissing: the preset needs `data`.
        DataSetError: there is no such data set, or it is damaged.
        ValueError: there is no such model, or its classes differ; or a verifier is given.
    """
    if run.verifier:
        raise ValueError(f"noise-image/{run.figure} uses no face verifier; leave out {run.verifier!r}")
    preset, data = run.preset, run.data
    if data is None and preset.needs_data:
        raise DataMissing(
            f"preset {preset.name} measures accuracy on CIFAR-100; name it with --data (the folder that its "
            "Python version unpacks to, a folder with train/CLASS/*.png, or an .npz), or take --preset "
            "smoke, which needs none"
        )
    read = partial(load_labelled, data) if data else made_pictures
    train, test = read(part="train"), read(part="test")
    if preset.classes and len(train.classes) != preset.classes:
        raise ValueError(
            f"preset {preset.name} is of {preset.classes} classes; {str(data)!r} has {len(train.classes)}"
        )
    parts = [torch.from_numpy(values) for part in (train, test) for values in (part.pixels, part.labels)]
    digest = digest_of_json([digest_of_tensors(parts), train.classes])
    size = f"{train.pixels.shape[1]} px" + (f" enlarged to {preset.size}" if preset.size else "")
    measured, tested = as_tensors(train, preset.size), as_tensors(test, preset.size, preset.tested)
    explainer, source = _explainer(preset, run.model, train.classes)
    config = {
        "preset": as_json(preset),
        "pictures": f"{len(train)} training and {len(test)} test pictures of {len(train.classes)} classes, "
        f"{size}, digest {digest[:12]}" + ("" if data else "; made, no photographs"),
        "digest": digest,
        "explainer": source,
        "networks_revision": NETWORKS_REVISION,
        "metric_weights": metric_weights(),
        "train": len(measured.labels),
        "test": len(tested.labels),
        "classes": len(train.classes),
        "size": measured.pixels.shape[-1],
    }
    bench = NoiseImageBench(
        preset, run.folder, measured, tested, train.classes, explainer, config, run.progress
    )
    if run.model is None:
        learn = partial(bench.learn, bench.train, "explainer", "train the explainer")
        bench.kept("explainer", explainer, learn)
    return bench


def _explainer(
    preset: NoiseImagePreset, model: str | None, classes: tuple[str, ...]
) -> tuple[VGG16Classifier, str]:
    """A trained model's explainer, or an untrained one, and its provenance."""
    if model is None:
        config = preset.classifier("explainer", len(classes))
        return VGG16Classifier(config, rng=torch.Generator()), "trained on the training pictures"
    loaded = load_noise_image_model(model)
    if loaded.classes != classes:
        raise ValueError(
            f"model {loaded.name} has {len(loaded.classes)} classes, which differ from those of the data set"
        )
    digest = digest_of_tensors(loaded.explainer.state_dict().values())
    return loaded.explainer, f"of model {loaded.name}, digest {digest}"


def conversion_settings(preset: NoiseImagePreset, cell: Cell) -> ConversionTraining:
    """Training settings of a cell's conversion; without noise, N gets an epsilon that makes it negligible.

    Args:
        preset: sets network sizes and training length.
        cell: sigma, kind, epsilon, delta and calibration of N.
    """
    released = cell.kind == "as_released"
    return ConversionTraining(
        sigma=cell.sigma,
        beta=0.0 if cell.kind == "without loss" else 1.0,
        explanation="as_released" if released else "published",
        noise=ExplanationNoise(cell.epsilon or NO_NOISE, cell.delta or 0.5, calibration=cell.calibration),
        generator=replace(ConversionConfig.released(), width=preset.released_width)
        if released
        else ConversionConfig(width=preset.generator_width, blocks=preset.blocks, halvings=preset.halvings),
        discriminator_width=preset.discriminator_width,
        steps=preset.conversion_steps,
        batch=preset.conversion_batch,
        learning_rate=preset.conversion_rates[0],
        discriminator_rate=preset.conversion_rates[1],
        decay=preset.decay,
    )


def bars(axes: Axes, places: "np.ndarray[Any, Any]", found: list[Score], label: str) -> None:
    """Draw scores as horizontal bars with their intervals.

    Args:
        axes: target axes.
        places: (n,) positions on the y axis.
        found: n scores.
        label: of the x axis.
    """
    values, low, high = np.array([(score.value, score.low, score.high) for score in found]).T
    axes.barh(places, values, xerr=[values - low, high - values], color=COLOURS["series"][1])
    axes.set_xlabel(label)


def label_of(setting: str) -> str:
    """Display name of a setting, with Greek letters.

    Args:
        setting: as in `Cell.setting`.
    """
    for name, sign in (("sigma", "σ"), ("epsilon", "ε"), ("delta", "δ"), ("noised", "n(x), genuine noise")):
        setting = setting.replace(name, sign)
    return setting
