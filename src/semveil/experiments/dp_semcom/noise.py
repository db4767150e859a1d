# SPDX-License-Identifier: Apache-2.0
"""Training variants of the pair, which [DPSC] leaves open, compared with genuine noise: `noise.json`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.core.progress import Progress
from semveil.core.results import rounded
from semveil.core.rng import streams
from semveil.experiments.dp_semcom import shown
from semveil.experiments.dp_semcom.measures import CHUNK, measured_point, per_seed, result_of_paper
from semveil.experiments.dp_semcom.power_blocks import blocks_link
from semveil.experiments.dp_semcom.setup import Setup, prepare_run
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.plots import COLOURS, legend
from semveil.experiments.kit.tables import markdown, means
from semveil.link.measure import compare
from semveil.methods.dp_semcom import DPSemCom


def _run(setup: Setup, out: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure Bob and Eve for every training variant of the pair, and for genuine noise.

    Bob cannot remove genuine noise.
    """
    jobs = {name: partial(_noise_point, setup, method) for name, method in setup.methods.items()}
    last = list(setup.methods.values())[-1]
    points = each(jobs, keep, progress, "measure")
    return {**per_seed(setup, last, ["direct"], setup.preset.seeds[:1]), "points": points}


def _noise_point(setup: Setup, method: DPSemCom) -> dict[str, Any]:
    """Bob's and Eve's metrics for one method; for genuine noise, also Bob's with separate gains."""
    point = measured_point(setup, method, setup.preset.seeds[:1])
    return point if method.pair is not None else {**point, "bob_power_blocks": _power_blocks(setup, method)}


def _power_blocks(setup: Setup, method: DPSemCom) -> dict[str, Any]:
    """Bob's metrics under genuine noise with separate gains of private and common codes.

    Returns:
        Metric -> (1, photos) values.
    """
    run, columns = streams(setup.preset.seeds[0]), []
    for first in range(0, len(setup.codes), CHUNK):
        rows = slice(first, first + CHUNK)
        images, _ = blocks_link(
            method, setup.codes[rows], snr_db=setup.preset.snr_db, noise=run["dp"], channel=run["bob"]
        )
        columns.append(compare(setup.photos.images[rows], images.clamp(-1, 1), setup.verifier))
    found = dict(columns[0])
    for name in (name for name, values in found.items() if isinstance(values, list)):
        found[name] = [rounded([value for part in columns for value in part[name]])]
    return found


def _drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the fake noise's scale and kurtosis, and Bob's and Eve's LPIPS, for every training variant."""
    figure = Figure(figsize=(9.6, 6.8))
    panels = figure.subplots(2, 2)
    fits: dict[str, Callable[[dict[str, Any]], float]] = {
        "fake / nominal noise scale": shown.fitted_scale,
        "excess kurtosis of the fake noise": lambda p: p["noise_calibration"]["fit"]["excess_kurtosis"],
    }
    groups: dict[str, list[dict[str, Any]]] = {}
    for point in result["points"]:
        groups.setdefault(_noise_of(point), []).append(point)
    looks: dict[str, dict[str, Any]] = {}
    for label, colour, marker in zip(groups, COLOURS["series"], "sosos", strict=False):
        style = "--" if "fresh" in label else "-"
        looks[label] = {"color": colour, "marker": marker, "ls": style, "markerfacecolor": "none"}
    for axes, (title, value) in zip(panels[0], fits.items(), strict=True):
        for label, points in groups.items():
            if points[0]["noise_calibration"]:
                x, y = [p["nominal_epsilon"] for p in points], [value(p) for p in points]
                axes.plot(x, y, label=label, **looks[label])
        axes.set(title=title)
    panels[0, 0].axhline(1, color="#777777", ls=":")
    panels[0, 0].set_yscale("log")
    panels[0, 1].axhline(3, color="#777777", ls=":", label="Laplace: 3 (Gaussian: 0)")
    for axes, party in zip(panels[1], ("bob", "eve"), strict=True):
        for label, points in groups.items():
            shown.line_of(axes, points, party, "lpips", label=label, **looks[label])
        shown.say_what_lacks(axes, result, "lpips")
        axes.set(title=f"LPIPS of {shown.LABELS[party]} to the source", ylim=(0, None))
    for axes in panels.flat:
        shown.epsilon_axis(axes, result)
    legend(figure, panels.flat)
    figure.suptitle(shown.title_of(result, "Training variants of the pair"))
    return figure


def _noise_of(point: dict[str, Any]) -> str:
    return f"{point['noise']} noise, {point['start']} start" if point["noise"] else "genuine Laplace noise"


def _table(result: dict[str, Any]) -> list[str]:
    """Return scale, shape and guarantee of the noise, and metrics, for every training variant."""
    head = [
        "nominal ε", "pair", "fake / nominal scale", "ε' (fitted, no guarantee)", "excess kurtosis",
        "KS distance", "‖W−I‖/‖I‖", "Bob LPIPS", "Eve LPIPS", "Eve FPPSR",
    ]  # fmt: skip
    rows = []
    for p in result["points"]:
        pair = _noise_of(p)
        bob, eve = means(p["bob"], ("lpips",)), means(p["eve"], ("lpips", "fppsr"))
        if p["noise_calibration"]:
            fit, epsilon = p["noise_calibration"]["fit"], p["noise_calibration"]["epsilon_prime"]
            fitted = [
                f"{shown.fitted_scale(p):.3f}", f"{epsilon:.4g}", f"{fit['excess_kurtosis']:.2f}",
                f"{fit['ks_distance']:.3f}", f"{p['distance_from_identity']:.3f}",
            ]  # fmt: skip
        else:
            guarantee = p["guarantee"]
            fitted = [
                "1", f"true ε {guarantee['epsilon']:.4g} (basis: {guarantee['basis']}), private codes only",
                "3", "0", "",
            ]  # fmt: skip
        rows.append([f"{p['nominal_epsilon']:g}", pair, *fitted, *bob, *eve])
        if "bob_power_blocks" in p:
            cells = means(p["bob_power_blocks"], ("lpips",))
            rows.append([f"{p['nominal_epsilon']:g}", f"{pair}, per-block gain", *fitted, *cells, "", ""])
    return [shown.about(result), markdown(head, rows)]


NOISE = result_of_paper(
    "dp-semcom/noise", revision=2, load=partial(prepare_run, "noise"), measure=whole(_run),
    figures={"noise": _drawing}, table=_table,
)  # fmt: skip
