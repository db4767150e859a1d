"""What a guarantee costs noise-image in accuracy, `variants.json`."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from semveil.experiments.kit.experiment import experiment
from semveil.experiments.kit.tables import markdown
from semveil.experiments.noise_image.bench import load, shown_by
from semveil.experiments.noise_image.paper import PAPER
from semveil.experiments.noise_image.presets import NOISE_IMAGE_PRESETS
from semveil.experiments.noise_image.shown import bars, score_of
from semveil.experiments.noise_image.variants import variants


def drawing(result: dict[str, Any], folder: Path) -> Figure:
    found = result["variants"]
    figure = Figure(figsize=(8, 0.4 * len(found) + 1.2))
    axes = figure.subplots()
    places = np.arange(len(found))[::-1]
    scores = [case["accuracy"] for case in found.values()]
    bars(axes, places, [(s["value"], s["low"], s["high"]) for s in scores], "accuracy of the service model")
    axes.plot([case["chance"] for case in found.values()], places, "|", color="black", ms=14, label="chance")
    axes.set_yticks(places, list(found))
    axes.legend()
    figure.suptitle("What a guarantee costs in accuracy")
    return figure


def table(result: dict[str, Any]) -> str:
    rows = []
    for name, case in result["variants"].items():
        claim = case["guarantee"]
        epsilon = "none" if claim["epsilon"] is None else f"{claim['epsilon']:.4g} at δ {claim['delta']:g}"
        covers = claim["covers"].split(", in the weights")[0]
        noise = f"{case['sigma']:.4g}" if "sigma" in case else ""
        rows.append([name, covers, f"{epsilon} ({claim['basis']})", noise, score_of(case["accuracy"]), f"{case['chance']:.3f}"])
    head = ["variant", "covers", "ε (basis)", "noise per value", "accuracy", "chance"]
    return f"{result['config']['pictures']}.\n\n{markdown(head, rows)}"


VARIANTS = experiment(
    "noise-image/variants",
    revision=2,
    presets=NOISE_IMAGE_PRESETS,
    load=load,
    measure=shown_by("variants", {"variants": variants}),
    figures={"variants": drawing},
    table=table,
    paper=PAPER,
)
