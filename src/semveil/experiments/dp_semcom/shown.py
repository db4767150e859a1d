# SPDX-License-Identifier: Apache-2.0
"""What the figures and tables of Figs. 3 to 6 share."""

import textwrap
from typing import Any

from matplotlib.axes import Axes

from semveil.experiments.kit.plots import line

X_LABEL = "nominal $\\epsilon$ (a setting, not a guarantee)"
LABELS = {"bob": "Bob", "eve": "Eve", "direct": "Direct transmission without protection", "inverted": "Inversion, no channel"}
MARKERS = {"bob": "o", "eve": "s"}


def epsilon_axis(axes: Axes, result: dict[str, Any]) -> None:
    axes.set(xscale="log", xlabel=X_LABEL)
    epsilons = sorted({point["nominal_epsilon"] for point in result["points"]})
    axes.set_xticks(epsilons, [f"{e:g}" for e in epsilons], rotation=50, fontsize=9)
    axes.xaxis.minorticks_off()


def line_of(axes: Axes, points: list[dict[str, Any]], party: str, metric: str, **style: Any) -> None:
    line(axes, [p["nominal_epsilon"] for p in points], [p[party] for p in points], metric, **style)


def say_what_lacks(axes: Axes, result: dict[str, Any], metric: str) -> None:
    if result["direct"][metric] is None:
        words = textwrap.fill(f"not measured: {result['direct'][f'{metric}_reason']}", 48)
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", fontsize=9)


def title_of(result: dict[str, Any], what: str) -> str:
    config = result["config"]
    return f"{what}: {config['photos']['count']} photos, {config['snr_db']:g} dB, {config['model']['name']}"


def about(result: dict[str, Any]) -> str:
    config, verifier = result["config"], result["config"]["verifier"]
    seeds = f"{len(result['seeds'])} channel seeds" if len(result["seeds"]) > 1 else f"channel seed {result['seeds'][0]}"
    return (
        f"{config['photos']['description']}; {config['snr_db']:g} dB; {seeds}; model {config['model']['name']} "
        f"(`{config['model']['digest'][:12]}`); recogniser {verifier['name']}, threshold {verifier['threshold']:.4g} "
        f"({verifier['threshold_from']}). Mean over photos with a 95 % bootstrap interval; an interval of zero width at 0 or 1 "
        "means that all photos agree."
    )
