# SPDX-License-Identifier: Apache-2.0
"""Accuracy cost of a guarantee for noise-image, `variants.json`.

Local privacy at the output protects the client's transmitted picture. DP-SGD protects the training pictures
of the networks, but not the client's. The two guarantees are independent.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from semveil.attacks.intervals import Score
from semveil.core.rng import streams
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.statistics import shown_score
from semveil.experiments.kit.tables import markdown
from semveil.experiments.noise_image.bench import DELTA, NoiseImageBench, bars, conversion_settings, shown_by
from semveil.experiments.noise_image.hits import accuracy, right
from semveil.experiments.noise_image.paper import result_of_paper
from semveil.experiments.noise_image.picture_sets import Pictures, Protect, as_sent
from semveil.experiments.noise_image.presets import MAIN, Cell
from semveil.methods.noise_image import OutputNoise
from semveil.privacy.guarantee import Guarantee
from semveil.recognition.vgg16_classifier import VGG16Classifier
from semveil.recognition.vgg16_config import VGG16Config
from semveil.training.dp_sgd import DPSGD, Phase, noise_for, training_guarantee
from semveil.training.noise_image import convert
from semveil.training.private_noise_image import private_classifier, private_conversion

CELL = Cell(3.0, "published", *MAIN)
NOT_PRIVATE = "the networks were trained on these pictures without noise"
Trained = tuple[VGG16Classifier, Protect, Guarantee]


def _variants(bench: NoiseImageBench, keep: Keep) -> None:
    """Measure every variant."""
    runs = {
        f"local, {base}, epsilon {epsilon:g}": partial(_local, bench, base, epsilon)
        for base in ("g(x)", "x")
        for epsilon in bench.preset.epsilons
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

    def release(images: Tensor) -> Tensor:
        return local_release(protect(images), epsilon, rng=rng)[0]

    train, test = (as_sent(release, part.pixels) for part in (bench.train, bench.test))
    given = Pictures(train, bench.train.labels)
    network = bench.learn(given, "service", f"train f: {base}, epsilon {epsilon:g}")
    _, noise, guarantee = local_release(bench.test.rows(slice(1)).images, epsilon, rng=rng)
    return {
        "guarantee": guarantee.as_dict(),
        "sigma": round(noise.mechanism.sigma / float(noise.box.upper), 4),
        "chance": 1 / len(bench.classes),
        "accuracy": accuracy(right(network, test, bench.test.labels)),
    }


@dataclass(frozen=True, eq=False)
class Half:
    """The first half of the classes, which is public, and the second, which is private.

    Attributes:
        bench: loaded inputs of the run.
        public: training pictures of the public classes.
        private: training pictures of the private classes, numbered from 0.
        classes: number of private classes.
    """

    bench: NoiseImageBench
    public: Pictures
    private: Pictures
    classes: int

    def conversion(self, which: str) -> Protect:
        """Train an explainer and g on these pictures without DP-SGD, and store them next to the results.

        Args:
            which: `public` or `private`.
        """
        bench, pictures = self.bench, self.public if which == "public" else self.private
        config = bench.preset.classifier("explainer", self.classes)
        name = f"explainer of {which} classes"
        explainer = bench.kept(
            name,
            VGG16Classifier(config, rng=torch.Generator()),
            partial(bench.learn, pictures, "explainer", f"train the {name}", classes=self.classes),
        )
        return bench.converter(f"g of {which} classes", pictures.pixels, explainer, CELL)

    def phases(self, *names: str) -> tuple[list[Phase], DPSGD, Guarantee]:
        """Training by DP-SGD: its phases under one accountant, its settings, and the guarantee.

        Args:
            *names: trained networks.
        """
        preset = self.bench.preset
        phases = [Phase(name, preset.private_rate, preset.private_steps) for name in names]
        settings = DPSGD(noise=noise_for(phases, preset.private_epsilon, DELTA))
        claim = training_guarantee(phases, settings.noise, DELTA, pictures=len(self.private.labels))
        return phases, settings, claim

    @property
    def private_sizes(self) -> VGG16Config:
        """Layer sizes for DP-SGD, narrow in every preset, as it stores a gradient for each picture."""
        small = VGG16Config.small(classes=self.classes, width=self.bench.preset.private_width)
        return replace(small, batch_norm=False)


def _training(bench: NoiseImageBench, name: str) -> dict[str, Any]:
    """Measure a variant of private training."""
    half = len(bench.classes) // 2
    public = bench.train.rows(bench.train.labels < half)
    private, test = (part.rows(part.labels >= half) for part in (bench.train, bench.test))
    classes = len(bench.classes) - half
    of = Half(bench, public, Pictures(private.pixels, private.labels - half), classes)
    network, protect, guarantee = TRAINED[name](of)
    return {
        "guarantee": guarantee.as_dict(),
        "private_pictures": len(private.labels),
        "chance": 1 / classes,
        "accuracy": accuracy(right(network, as_sent(protect, test.pixels), test.labels - half)),
    }


def _plain(which: str, of: Half) -> Trained:
    """Train explainer, g and D on one half, and the service model on private pictures, without noise."""
    private, protect = of.private, of.conversion(which)
    sent, mirrored = (as_sent(protect, pixels) for pixels in (private.pixels, private.pixels.flip(-1)))
    network = of.bench.learn(
        Pictures(sent, private.labels),
        "service",
        "train f on private classes",
        classes=of.classes,
        times=2,  # half the pictures, as many steps
        mirrored=mirrored,
    )
    claim = Guarantee.none(f"each of the {len(private.labels)} training pictures", reason=NOT_PRIVATE)
    return network, protect, claim


def _private_service(of: Half) -> Trained:
    """Train explainer, g and D on public pictures, and the service model on private ones by DP-SGD."""
    protect, private, rng = of.conversion("public"), of.private, streams(0)["service"]
    (phase,), settings, claim = of.phases("the service model")
    sent = as_sent(protect, private.pixels)
    network = private_classifier(sent, private.labels, of.private_sizes, phase, settings, rng=rng)
    return network, protect, claim


def _private_all(of: Half) -> Trained:
    """Train explainer, g, D and service model on private pictures by DP-SGD, under one accountant."""
    names = "the explainer", "the conversion", "its discriminator", "the service model"
    phases, settings, claim = of.phases(*names)
    pixels, labels, config, run = of.private.pixels, of.private.labels, of.private_sizes, streams(0)
    explainer = private_classifier(pixels, labels, config, phases[0], settings, rng=run["explainer"])
    conversion, of_g_and_d = conversion_settings(of.bench.preset, CELL), (phases[1], phases[2])
    generator = private_conversion(pixels, explainer, conversion, of_g_and_d, settings, rng=run["train"])
    protect = partial(convert, generator)
    sent = as_sent(protect, pixels)
    network = private_classifier(sent, labels, config, phases[3], settings, rng=run["service"])
    return network, protect, claim


TRAINED: dict[str, Callable[[Half], Trained]] = {
    "no noise": partial(_plain, "private"),
    "explainer, g and D public": partial(_plain, "public"),
    "explainer, g and D public, service DP-SGD": _private_service,
    "all DP-SGD": _private_all,
}


def _drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the service model's accuracy for each variant, with the chance level."""
    found = result["variants"]
    figure = Figure(figsize=(8, 0.4 * len(found) + 1.2))
    axes = figure.subplots()
    places = np.arange(len(found))[::-1]
    scores = [Score(**case["accuracy"]) for case in found.values()]
    bars(axes, places, scores, "accuracy of the service model")
    axes.plot([case["chance"] for case in found.values()], places, "|", color="black", ms=14, label="chance")
    axes.set_yticks(places, list(found))
    axes.legend()
    figure.suptitle("Accuracy cost of a guarantee")
    return figure


def _table(result: dict[str, Any]) -> list[str]:
    """Guarantee, noise and accuracy of every variant."""
    rows = []
    for name, case in result["variants"].items():
        claim = case["guarantee"]
        epsilon = "none" if claim["epsilon"] is None else f"{claim['epsilon']:.4g} at δ {claim['delta']:g}"
        covers = claim["covers"].split(", in the weights")[0]
        noise = f"{case['sigma']:.4g}" if "sigma" in case else ""
        what = [name, covers, f"{epsilon} ({claim['basis']})", noise]
        rows.append([*what, shown_score(case["accuracy"]), f"{case['chance']:.3f}"])
    head = ["variant", "covers", "ε (basis)", "relative noise std", "accuracy", "chance"]
    return [f"{result['config']['pictures']}.", markdown(head, rows)]


VARIANTS = result_of_paper(
    "noise-image/variants",
    revision=2,
    measure=shown_by("variants", {"variants": _variants}),
    figures={"variants": _drawing},
    table=_table,
)
