# SPDX-License-Identifier: Apache-2.0
"""Tables 3 and 4 of [NI]: accuracy on converted pictures and their SSIM, `cells.json`.

Each run adds the missing cells to the file.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semveil.attacks.intervals import Score
from semveil.core.results import rounded
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.plots import COLOURS
from semveil.experiments.kit.statistics import mean_of_photos, shown_score
from semveil.experiments.kit.tables import claims_table, markdown
from semveil.experiments.noise_image import cell_claims as claims
from semveil.experiments.noise_image.bench import DELTA, DETERMINISTIC, NoiseImageBench, label_of, shown_by
from semveil.experiments.noise_image.hits import accuracy, packed, right
from semveil.experiments.noise_image.paper import result_of_paper
from semveil.experiments.noise_image.picture_sets import as_sent, scaled
from semveil.experiments.noise_image.presets import AS_PUBLISHED, SIGMAS, Cell, table3_cells, table4_cells
from semveil.mechanisms import Gaussian
from semveil.metrics import ssim
from semveil.privacy.guarantee import Guarantee, Norm, Sensitivity


def _measured_cells(cells: Callable[[Any], list[Cell]], bench: NoiseImageBench, keep: Keep) -> None:
    """Measure a table's missing cells."""
    jobs = {cell.name: partial(measure_cell, bench, cell) for cell in cells(bench.preset)}
    each(jobs, keep, bench.progress, "cells")


def measure_cell(bench: NoiseImageBench, cell: Cell) -> dict[str, Any]:
    """Train the networks of a cell and measure accuracy and SSIM of the transmitted pictures.

    Args:
        bench: provides pictures, explainer and stored networks.
        cell: its setting and seed.

    Returns:
        JSON-ready.
    """
    start = time.process_time()
    protect = bench.conversion(cell)
    sent, shown = (as_sent(protect, part.pixels) for part in (bench.train, bench.test))
    hits = right(bench.service(cell, protect, sent), shown, bench.test.labels)
    seconds = time.process_time() - start
    compared = slice(bench.preset.compared)
    likeness = ssim(scaled(shown[compared]), bench.test.rows(compared).images)
    return {
        **asdict(cell),
        "guarantee": cell_guarantee(cell, bench.test.pixels.shape[1:].numel()).as_dict(),
        "accuracy": accuracy(hits),
        "right": packed(hits),
        "explainer_accuracy": accuracy(right(bench.explainer, shown, bench.test.labels)),
        "standard_deviation": round(float(scaled(shown).std()), 4),
        "ssim": rounded(likeness.tolist()),
        "cpu_seconds": round(seconds, 1),
    }


def cell_guarantee(cell: Cell, values: int) -> Guarantee:
    """Guarantee for a picture transmitted under a cell's setting.

    Args:
        cell: its setting.
        values: number of values in a picture, 3 H W.
    """
    if cell.kind != "noised":
        return Guarantee.none("the picture", reason=DETERMINISTIC)
    sensitivity = Sensitivity(2 * values**0.5, Norm.L2, values, source="pixel values in [-1, 1]")
    return Gaussian(cell.sigma, DELTA).guarantee(sensitivity, covers="the picture")


def _table_3(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the service model's accuracy over sigma, ours and the paper's."""
    figure = Figure(figsize=(8.5, 4.6))
    ours, theirs = figure.subplots(1, 2)
    paper, explainer = result["paper"], result["explainer"]
    for number, (setting, cells) in enumerate(claims.cells_by_setting(result).items()):
        look = {"color": COLOURS["series"][number % 5], "ls": ("-", "--", ":")[number // 5]}
        means = {sigma: claims.mean_accuracy(of) for sigma, of in cells.items()}
        _over_sigmas(ours, means, number, **look, label=label_of(setting))
        if setting in paper["table3"]:
            theirs.plot(SIGMAS, paper["table3"][setting], **look, marker="o")
    chance = explainer["chance"]
    ours.axhline(chance, color="grey", lw=1, ls=":")
    ours.annotate("chance", (3, chance), xytext=(0, 3), textcoords="offset points", fontsize=9, color="grey")
    for axes, title in ((ours, "ours"), (theirs, "the paper (Table 3)")):
        axes.set(title=title, xlabel="σ", ylabel="accuracy of the service model", xticks=[3, 4, 5])
    theirs.axhline(paper["explainer"], color="grey", lw=1)
    figure.legend(*ours.get_legend_handles_labels(), loc="outside lower center", ncols=3, handlelength=4)
    original = f"explainer on original ones: {explainer['accuracy']['value']:.3f}; paper: .720"
    figure.suptitle(f"Accuracy on converted pictures ({original})")
    return figure


def _table_4(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the SSIM of transmitted pictures over sigma, with the paper's values."""
    figure = Figure(figsize=(6, 4.2))
    axes, paper = figure.subplots(), result["paper"]["table4"]
    shown = {setting: of for setting, of in claims.cells_by_setting(result).items() if setting in paper}
    for number, (setting, cells) in enumerate(shown.items()):
        found = {sigma: mean_of_photos([cell["ssim"] for cell in of]) for sigma, of in cells.items()}
        colour = COLOURS["series"][number % 5]
        means = {sigma: mean for sigma, mean in found.items() if mean}
        _over_sigmas(axes, means, number, color=colour, label=label_of(setting))
        axes.plot(SIGMAS, paper[setting], color=colour, ls=":", marker="x")
    axes.set(title="Table 4 (dotted: the paper, 224 px)", xticks=[3, 4, 5])
    axes.set(xlabel="σ", ylabel="SSIM to the original")
    axes.legend()
    return figure


def _over_sigmas(axes: Axes, means: dict[float, Score], number: int, **look: Any) -> None:
    """Draw means with intervals, with a small horizontal offset per setting."""
    bars = np.array([[mean.value - mean.low, mean.high - mean.value] for mean in means.values()]).T
    at, values = [s + 0.03 * (number - 3) for s in means], [mean.value for mean in means.values()]
    axes.errorbar(at, values, bars, marker="o", **look)


def _table(result: dict[str, Any]) -> list[str]:
    """Tables 3 and 4 as measured here, with the paper's values in italics, and the claims."""
    paper, explainer = result["paper"], result["explainer"]
    about = (
        f"{result['config']['pictures']}. Explainer's accuracy on unconverted pictures: "
        f"{shown_score(explainer['accuracy'])} (paper: {paper['explainer']:.3f}); chance "
        f"{explainer['chance']:.3f}. Mean over seeds with a 95 % bootstrap interval over test pictures; in "
        "brackets the accuracy per seed if there are several; in italics the paper's value."
    )
    rows, likeness = [], []
    for setting, of in claims.cells_by_setting(result).items():
        name, printed = claims.named(setting), setting.removesuffix(AS_PUBLISHED)
        rows.append([name, *_beside(paper["table3"].get(printed), of, _accuracy, "{:.3f}".format)])
        likeness.append([name, *_beside(paper["table4"].get(printed), of, _likeness, _hundredfold)])
    head = ["", *(f"σ = {sigma:g}" for sigma in SIGMAS)]
    return [
        about,
        "**Table 3**, accuracy of the service model",
        markdown(head, rows),
        "**Table 4**, SSIM to the original, times 100",
        markdown(head, likeness),
        claims_table(claims.cell_claims(result)),
        claims_table(claims.noise_claims(result), said_by="Comparison with genuine noise"),
    ]


def _beside(
    theirs: list[float] | None,
    of: dict[float, Any],
    ours: Callable[[list[Any]], str],
    form: Callable[[float], str],
) -> list[str]:
    """Measured values over sigmas, followed by the paper's in italics."""
    cells = [ours(of[sigma]) if sigma in of else "" for sigma in SIGMAS]
    return cells if theirs is None else [f"{a} *{form(b)}*" for a, b in zip(cells, theirs, strict=True)]


def _hundredfold(value: float) -> str:
    return f"{100 * value:.2f}"


def _likeness(cells: list[dict[str, Any]]) -> str:
    mean = mean_of_photos([cell["ssim"] for cell in cells])
    return "{} [{}, {}]".format(*map(_hundredfold, (mean.value, mean.low, mean.high))) if mean else ""


def _accuracy(cells: list[dict[str, Any]]) -> str:
    mean = str(claims.mean_accuracy(cells))
    seeds = ", ".join(f"{cell['accuracy']['value']:.3f}" for cell in cells)
    return mean if len(cells) < 2 else f"{mean} ({seeds})"


CELLS = result_of_paper(
    "noise-image/cells",
    revision=2,
    measure=shown_by(
        "cells",
        {
            "table3": partial(_measured_cells, table3_cells),
            "table4": partial(_measured_cells, lambda preset: table4_cells()),
        },
    ),
    figures={"table3": _table_3, "table4": _table_4},
    table=_table,
    claims=claims.cell_claims,
)
