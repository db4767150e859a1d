# SPDX-License-Identifier: Apache-2.0
"""Accuracy cost of a guarantee for noise-image, `variants.json`.

Local privacy at the output protects the client's transmitted picture. DP-SGD protects the training pictures
of the networks, but not the client's. The two guarantees are independent.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from semveil.attacks.intervals import Score, rate
from semveil.core.rng import streams
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.statistics import score_as_json, shown_score
from semveil.experiments.kit.tables import markdown
from semveil.experiments.noise_image.bench import (
    DELTA,
    NoiseImageBench,
    bars,
    conversion_settings,
    shown_by,
    training,
)
from semveil.experiments.noise_image.hits import right
from semveil.experiments.noise_image.paper import result_of_paper
from semveil.experiments.noise_image.picture_sets import Pictures, Protect, as_sent
from semveil.experiments.noise_image.presets import MAIN, Cell
from semveil.generators.conversion import ConversionGenerator
from semveil.methods.noise_image import OutputNoise
from semveil.privacy.guarantee import Guarantee
from semveil.recognition.vgg16_classifier import VGG16Classifier
from semveil.recognition.vgg16_config import VGG16Config
from semveil.training.classifier import train_classifier
from semveil.training.dp_sgd import DPSGD, Phase, noise_for, training_guarantee
from semveil.training.noise_image import convert, train_conversion
from semveil.training.private_noise_image import private_classifier, private_conversion

CELL = Cell(3.0, "published", *MAIN)


NOT_PRIVATE = "the networks were trained on these pictures without noise"


Trained = tuple[VGG16Classifier, Protect, Guarantee]


def variants(bench: NoiseImageBench, keep: Keep) -> None:
    """Measure every variant.

    Args:
        bench: loaded inputs of the run.
        keep: stores partial results.
    """
    local = [(base, epsilon) for base in ("g(x)", "x") for epsilon in bench.preset.epsilons]
    runs = {
        f"local, {base}, epsilon {epsilon:g}": partial(_local, bench, base, epsilon)
        for base, epsilon in local
    }
    runs |= {f"training, {name}": partial(_training, bench, name) for name in TRAINED}
    each(runs, keep, bench.progress, "variants")


def local_release(
    images: Tensor, epsilon: float, *, rng: torch.Generator
) -> tuple[Tensor, OutputNoise, Guarantee]:
    """Add noise to values clamped to [-1, 1], as `semveil protect --method noise-image --epsilon` does.

    Args:
        images: any images; the guarantee holds for each separately.
        epsilon: at delta 1e-5, for any two pictures.
        rng: simulates the noise.

    Returns:
        Noisy images, the noise mechanism, and the guarantee.
    """
    noise = OutputNoise.calibrate(images[0].numel(), epsilon, DELTA)
    return noise(images, rng=rng), noise, noise.mechanism.guarantee(noise.sensitivity, covers="the picture")


def _local(bench: NoiseImageBench, base: str, epsilon: float) -> dict[str, Any]:
    """Train a service model on pictures released once each, with independent noise."""
    protect = bench.conversion(CELL) if base == "g(x)" else lambda images: images
    rng = streams(0)["dp"]
    train, test = (
        as_sent(lambda images: local_release(protect(images), epsilon, rng=rng)[0], part.pixels)
        for part in (bench.train, bench.test)
    )
    network = bench.classifier(train, 0, f"train f: {base}, epsilon {epsilon:g}")
    hits = right(network, test, bench.test.labels)
    _, noise, guarantee = local_release(bench.test.rows(slice(1)).images, epsilon, rng=rng)
    return {
        "guarantee": guarantee.as_dict(),
        "sigma": round(noise.mechanism.sigma / float(noise.box.upper), 4),
        "chance": 1 / len(bench.classes),
        "accuracy": score_as_json(rate(hits.numpy())),
    }


def _training(bench: NoiseImageBench, name: str) -> dict[str, Any]:
    """Measure a variant of private training.

    The first half of the classes is public, the second half private; the service model classifies the private
    ones.
    """
    half = len(bench.classes) // 2
    public = bench.train.rows(bench.train.labels < half)
    private, test = (_shifted(part.rows(part.labels >= half), half) for part in (bench.train, bench.test))
    classes = len(bench.classes) - half
    network, protect, guarantee = TRAINED[name](bench, public, private, classes)
    hits = right(network, as_sent(protect, test.pixels), test.labels)
    return {
        "guarantee": guarantee.as_dict(),
        "private_pictures": len(private.labels),
        "chance": 1 / classes,
        "accuracy": score_as_json(rate(hits.numpy())),
    }


def _without(bench: NoiseImageBench, public: Pictures, private: Pictures, classes: int) -> Trained:
    return _plain(bench, _conversion(bench, private, classes, "private"), private, classes)


def _public_conversion(bench: NoiseImageBench, public: Pictures, private: Pictures, classes: int) -> Trained:
    return _plain(bench, _conversion(bench, public, classes, "public"), private, classes)


def _plain(bench: NoiseImageBench, protect: Protect, private: Pictures, classes: int) -> Trained:
    """Train the service model on the private pictures, without noise."""
    config = bench.sizes(bench.preset.service_width, classes)
    settings = training(bench.preset, 2 * bench.preset.service_epochs)  # half the pictures, as many steps
    sent, mirrored = (as_sent(protect, pixels) for pixels in (private.pixels, private.pixels.flip(-1)))
    network = train_classifier(
        sent, private.labels, config, settings, rng=streams(0)["service"], mirrored=mirrored
    )
    claim = Guarantee.none(f"each of the {len(private.labels)} training pictures", reason=NOT_PRIVATE)
    return network, protect, claim


def _private_service(bench: NoiseImageBench, public: Pictures, private: Pictures, classes: int) -> Trained:
    """Train explainer, g and D on public pictures, and the service model on private ones by DP-SGD."""
    protect = _conversion(bench, public, classes, "public")
    phase = _phase(bench, "the service model")
    settings = _settings(bench, [phase])
    config = _private_sizes(bench, classes)
    sent = as_sent(protect, private.pixels)
    network = private_classifier(sent, private.labels, config, phase, settings, rng=streams(0)["service"])
    claim = training_guarantee([phase], settings.noise, DELTA, pictures=len(private.labels))
    return network, protect, claim


def _private_all(bench: NoiseImageBench, public: Pictures, private: Pictures, classes: int) -> Trained:
    """Train explainer, g, D and service model on private pictures by DP-SGD, under one accountant."""
    phases = [
        _phase(bench, name)
        for name in ("the explainer", "the conversion", "its discriminator", "the service model")
    ]
    settings = _settings(bench, phases)
    config = _private_sizes(bench, classes)
    run = streams(0)
    explainer = private_classifier(
        private.pixels, private.labels, config, phases[0], settings, rng=run["explainer"]
    )
    conversion = conversion_settings(bench.preset, CELL)
    generator = private_conversion(
        private.pixels, explainer, conversion, (phases[1], phases[2]), settings, rng=run["train"]
    )
    sent = as_sent(lambda images: convert(generator, images), private.pixels)
    network = private_classifier(sent, private.labels, config, phases[3], settings, rng=run["service"])
    claim = training_guarantee(phases, settings.noise, DELTA, pictures=len(private.labels))
    return network, lambda images: convert(generator, images), claim


TRAINED: dict[str, Callable[[NoiseImageBench, Pictures, Pictures, int], Trained]] = {
    "no noise": _without,
    "explainer, g and D public": _public_conversion,
    "explainer, g and D public, service DP-SGD": _private_service,
    "all DP-SGD": _private_all,
}


def _conversion(bench: NoiseImageBench, pictures: Pictures, classes: int, which: str) -> Protect:
    """Train an explainer and g on these pictures without DP-SGD, and store them next to the results."""
    run = streams(0)
    config = bench.sizes(bench.preset.explainer_width, classes)
    settings = training(bench.preset, bench.preset.explainer_epochs)
    explainer = bench.kept(
        f"explainer of {which} classes",
        VGG16Classifier(config, rng=torch.Generator()),
        lambda: train_classifier(pictures.pixels, pictures.labels, config, settings, rng=run["explainer"]),
    )
    conversion = conversion_settings(bench.preset, CELL)
    generator = bench.kept(
        f"g of {which} classes",
        ConversionGenerator(conversion.generator, rng=torch.Generator()),
        lambda: train_conversion(pictures.pixels, explainer, conversion, rng=run["train"])[0],
    )
    return lambda images: convert(generator, images)


def _private_sizes(bench: NoiseImageBench, classes: int) -> VGG16Config:
    """Layer sizes for DP-SGD, narrow in every preset: it stores a gradient for each picture of a batch."""
    return replace(VGG16Config.small(classes=classes, width=bench.preset.private_width), batch_norm=False)


def _phase(bench: NoiseImageBench, name: str) -> Phase:
    return Phase(name, bench.preset.private_rate, bench.preset.private_steps)


def _settings(bench: NoiseImageBench, phases: list[Phase]) -> DPSGD:
    return DPSGD(noise=noise_for(phases, bench.preset.private_epsilon, DELTA))


def _shifted(pictures: Pictures, by: int) -> Pictures:
    return Pictures(pictures.pixels, pictures.labels - by)


def drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the service model's accuracy for each variant, with the chance level.

    Args:
        result: content of `variants.json`.
        folder: directory of the result file and its images.
    """
    found = result["variants"]
    figure = Figure(figsize=(8, 0.4 * len(found) + 1.2))
    axes = figure.subplots()
    places = np.arange(len(found))[::-1]
    bars(
        axes, places, [Score(**case["accuracy"]) for case in found.values()], "accuracy of the service model"
    )
    axes.plot([case["chance"] for case in found.values()], places, "|", color="black", ms=14, label="chance")
    axes.set_yticks(places, list(found))
    axes.legend()
    figure.suptitle("Accuracy cost of a guarantee")
    return figure


def table(result: dict[str, Any]) -> list[str]:
    """Guarantee, noise and accuracy of every variant.

    Args:
        result: content of `variants.json`.
    """
    rows = []
    for name, case in result["variants"].items():
        claim = case["guarantee"]
        epsilon = "none" if claim["epsilon"] is None else f"{claim['epsilon']:.4g} at δ {claim['delta']:g}"
        covers = claim["covers"].split(", in the weights")[0]
        noise = f"{case['sigma']:.4g}" if "sigma" in case else ""
        rows.append(
            [
                name,
                covers,
                f"{epsilon} ({claim['basis']})",
                noise,
                shown_score(case["accuracy"]),
                f"{case['chance']:.3f}",
            ]
        )
    head = ["variant", "covers", "ε (basis)", "relative noise std", "accuracy", "chance"]
    return [f"{result['config']['pictures']}.", markdown(head, rows)]


VARIANTS = result_of_paper(
    "noise-image/variants",
    revision=2,
    measure=shown_by("variants", {"variants": variants}),
    figures={"variants": drawing},
    table=table,
)
