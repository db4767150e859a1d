# SPDX-License-Identifier: Apache-2.0
"""A result of one's own: how much the example's noise moves a number, with a figure and a table."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from semveil.experiments.kit.experiment import Run, cells, experiment, presets
from semveil.experiments.kit.tables import markdown
from semveil_example.logistic import Logistic


@dataclass(frozen=True)
class Size:
    """Attributes: name: as the user says it; scales: of the noise; draws: of each."""

    name: str
    scales: tuple[float, ...]
    draws: int = 1000


@dataclass(frozen=True)
class Inputs:
    """Attributes: config: all that the numbers follow from; head: what else the file says."""

    config: dict[str, Any]
    head: dict[str, Any] = field(default_factory=dict)


def load(run: Run) -> Inputs:
    return Inputs({"scales": list(run.preset.scales), "draws": run.preset.draws})


def moved(scale: float, draws: int) -> float:
    noise = Logistic(scale)(torch.zeros(1, draws), rng=torch.Generator().manual_seed(0))
    return round(float(noise.abs().mean()), 4)


def drawing(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure()
    figure.subplots().plot([float(scale) for scale in result["cells"]], list(result["cells"].values()), "o-")
    return figure


MOVED = experiment(
    "example/moved",
    revision=1,
    presets=presets(Size("smoke", (1.0, 2.0))),
    load=load,
    measure=cells(
        "cells",
        lambda inputs: {
            f"{scale:g}": lambda scale=scale: moved(scale, inputs.config["draws"])
            for scale in inputs.config["scales"]
        },
        stage="draw",
    ),
    figures={"moved": drawing},
    table=lambda result: markdown(
        ["scale", "mean size"], [[scale, f"{size:.2f}"] for scale, size in result["cells"].items()]
    ),
)
