# SPDX-License-Identifier: Apache-2.0
"""Tables 3 and 4 of [NI]: accuracy on converted pictures and their SSIM, `cells.json`.

Each run adds the missing cells to the file.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semveil.attacks.intervals import Score, rate
from semveil.core.results import rounded
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.plots import COLOURS
from semveil.experiments.kit.statistics import mean_of_photos, score_as_json, shown_score
from semveil.experiments.kit.tables import claims_table, markdown
from semveil.experiments.noise_image.bench import (
    DELTA,
    DETERMINISTIC,
    Body,
    NoiseImageBench,
    label_of,
    shown_by,
)
from semveil.experiments.noise_image.cell_claims import (
    cell_claims,
    cells_by_setting,
    mean_accuracy,
    named,
    noise_claims,
)
from semveil.experiments.noise_image.hits import packed, right
from semveil.experiments.noise_image.paper import result_of_paper
from semveil.experiments.noise_image.picture_sets import as_sent
from semveil.experiments.noise_image.presets import AS_PUBLISHED, SIGMAS, Cell, table3_cells, table4_cells
from semveil.mechanisms import Gaussian
from semveil.metrics import ssim
from semveil.privacy.guarantee import Guarantee, Norm, Sensitivity


def measured_cells(cells: Callable[[Any], list[Cell]]) -> Body:
    """Return the measurement of a table's missing cells.

    Args:
        cells: maps the preset to the cells of the table.
    """

    def run(bench: NoiseImageBench, keep: Keep) -> None:
        jobs = {cell.name: partial(measure_cell, bench, cell) for cell in cells(bench.preset)}
        each(jobs, keep, bench.progress, "cells")

    return run


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
    likeness = ssim(shown[compared].float() / 127.5 - 1, bench.test.rows(compared).images)
    return {
        **{
            name: getattr(cell, name) for name in ("sigma", "kind", "epsilon", "delta", "seed", "calibration")
        },
        "guarantee": cell_guarantee(cell, bench.test.pixels.shape[1:].numel()).as_dict(),
        "accuracy": score_as_json(rate(hits.numpy())),
        "right": packed(hits),
        "explainer_accuracy": score_as_json(rate(right(bench.explainer, shown, bench.test.labels).numpy())),
        "standard_deviation": round(float((shown.float() / 127.5 - 1).std()), 4),
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


def table_3(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the service model's accuracy over sigma, ours and the paper's.

    Args:
        result: content of `cells.json`.
        folder: directory of the result file and its images.
    """
    figure = Figure(figsize=(8.5, 4.6))
    ours, theirs = figure.subplots(1, 2)
    for number, (setting, cells) in enumerate(cells_by_setting(result).items()):
        colour, dash = COLOURS["series"][number % 5], ("-", "--", ":")[number // 5]
        means = {sigma: mean_accuracy(of) for sigma, of in cells.items()}
        _over_sigmas(ours, means, number, color=colour, ls=dash, label=label_of(setting))
        if setting in result["paper"]["table3"]:
            theirs.plot([3, 4, 5], result["paper"]["table3"][setting], color=colour, ls=dash, marker="o")
    chance = result["explainer"]["chance"]
    ours.axhline(chance, color="grey", lw=1, ls=":")
    ours.annotate("chance", (3, chance), xytext=(0, 3), textcoords="offset points", fontsize=9, color="grey")
    for axes, title in ((ours, "ours"), (theirs, "the paper (Table 3)")):
        axes.set(title=title, xlabel="σ", ylabel="accuracy of the service model", xticks=[3, 4, 5])
    theirs.axhline(result["paper"]["explainer"], color="grey", lw=1)
    figure.legend(*ours.get_legend_handles_labels(), loc="outside lower center", ncols=3, handlelength=4)
    explainer = result["explainer"]["accuracy"]["value"]
    figure.suptitle(
        f"Accuracy on converted pictures (explainer on original ones: {explainer:.3f}; paper: .720)"
    )
    return figure


def table_4(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the SSIM of transmitted pictures over sigma, with the paper's values.

    Args:
        result: content of `cells.json`.
        folder: directory of the result file and its images.
    """
    figure = Figure(figsize=(6, 4.2))
    axes = figure.subplots()
    shown = {
        setting: of
        for setting, of in cells_by_setting(result).items()
        if setting in result["paper"]["table4"]
    }
    for number, (setting, cells) in enumerate(shown.items()):
        found = {sigma: mean_of_photos([cell["ssim"] for cell in of]) for sigma, of in cells.items()}
        colour = COLOURS["series"][number % 5]
        _over_sigmas(
            axes,
            {s: mean for s, mean in found.items() if mean},
            number,
            color=colour,
            label=label_of(setting),
        )
        axes.plot([3, 4, 5], result["paper"]["table4"][setting], color=colour, ls=":", marker="x")
    axes.set(
        xlabel="σ",
        ylabel="SSIM to the original",
        xticks=[3, 4, 5],
        title="Table 4 (dotted: the paper, 224 px)",
    )
    axes.legend()
    return figure


def _over_sigmas(axes: Axes, means: dict[float, Score], number: int, **look: Any) -> None:
    """Draw means with intervals, with a small horizontal offset per setting."""
    bars = np.array([[mean.value - mean.low, mean.high - mean.value] for mean in means.values()]).T
    axes.errorbar(
        [s + 0.03 * (number - 3) for s in means], [m.value for m in means.values()], bars, marker="o", **look
    )


def table(result: dict[str, Any]) -> list[str]:
    """Tables 3 and 4 as measured here, with the paper's values in italics, and the claims.

    Args:
        result: content of `cells.json`.
    """
    paper, cells = result["paper"], cells_by_setting(result)
    explainer = result["explainer"]
    about = (
        f"{result['config']['pictures']}. Explainer's accuracy on unconverted pictures: "
        f"{shown_score(explainer['accuracy'])} (paper: {paper['explainer']:.3f}); chance "
        f"{explainer['chance']:.3f}. Mean over seeds with a 95 % bootstrap interval over test pictures; in "
        "brackets the accuracy per seed if there are several; in italics the paper's value."
    )
    rows, likeness = [], []
    for setting, of in cells.items():
        printed = setting.removesuffix(AS_PUBLISHED)
        rows.append([named(setting), *_beside(paper["table3"].get(printed), of, _accuracy, "{:.3f}")])
        likeness.append(
            [named(setting), *_beside(paper["table4"].get(printed), of, _likeness, "{:.2f}", times=100)]
        )
    head = ["", *(f"σ = {sigma:g}" for sigma in SIGMAS)]
    return [
        about,
        "**Table 3**, accuracy of the service model",
        markdown(head, rows),
        "**Table 4**, SSIM to the original, times 100",
        markdown(head, likeness),
        claims_table(cell_claims(result)),
        claims_table(noise_claims(result), said_by="Comparison with genuine noise"),
    ]


def _beside(
    theirs: list[float] | None,
    of: dict[float, Any],
    shown: Callable[[list[Any]], str],
    form: str,
    *,
    times: int = 1,
) -> list[str]:
    """Measured values over sigmas, followed by the paper's in italics."""
    ours = [shown(of[sigma]) if sigma in of else "" for sigma in SIGMAS]
    if theirs is None:
        return ours
    return [f"{text} *{form.format(times * value)}*" for text, value in zip(ours, theirs, strict=True)]


def _likeness(cells: list[dict[str, Any]]) -> str:
    mean = mean_of_photos([cell["ssim"] for cell in cells])
    return f"{100 * mean.value:.2f} [{100 * mean.low:.2f}, {100 * mean.high:.2f}]" if mean else ""


def _accuracy(cells: list[dict[str, Any]]) -> str:
    mean = str(mean_accuracy(cells))
    seeds = ", ".join(f"{cell['accuracy']['value']:.3f}" for cell in cells)
    return mean if len(cells) < 2 else f"{mean} ({seeds})"


CELLS = result_of_paper(
    "noise-image/cells",
    revision=2,
    measure=shown_by(
        "cells",
        {"table3": measured_cells(table3_cells), "table4": measured_cells(lambda preset: table4_cells())},
    ),
    figures={"table3": table_3, "table4": table_4},
    table=table,
    claims=cell_claims,
)
