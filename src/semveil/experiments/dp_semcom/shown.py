# SPDX-License-Identifier: Apache-2.0
"""Helpers shared by Figs. 3 to 6 and their tables."""

import textwrap
from typing import Any

from matplotlib.axes import Axes

from semveil.experiments.kit.plots import line

X_LABEL = "nominal $\\epsilon$ (a setting, not a guarantee)"
LABELS = {
    "bob": "Bob",
    "eve": "Eve",
    "direct": "Direct transmission, unprotected",
    "inverted": "Inversion, no channel",
}
MARKERS = {"bob": "o", "eve": "s"}


def epsilon_axis(axes: Axes, result: dict[str, Any]) -> None:
    """Make the x axis logarithmic in nominal epsilon, with a tick for each measured value.

    Args:
        axes: axes to change.
        result: content of a result file with `points`, one for each epsilon.
    """
    axes.set(xscale="log", xlabel=X_LABEL)
    epsilons = sorted({point["nominal_epsilon"] for point in result["points"]})
    axes.set_xticks(epsilons, [f"{e:g}" for e in epsilons], rotation=50, fontsize=9)
    axes.xaxis.minorticks_off()


def line_of(axes: Axes, points: list[dict[str, Any]], party: str, metric: str, **style: Any) -> None:
    """Draw a party's mean over photos with its 95 % band, over nominal epsilon.

    Args:
        axes: target of the drawing.
        points: points of the result.
        party: `bob` or `eve`.
        metric: metric to average.
        **style: as for `line`.
    """
    line(axes, [p["nominal_epsilon"] for p in points], [p[party] for p in points], metric, **style)


def fitted_scale(point: dict[str, Any]) -> float:
    """Fitted scale of the fake noise, as a multiple of the nominal one.

    Args:
        point: point of a result, whose fake noise was fitted.
    """
    return float(point["noise_calibration"]["fit"]["scale"] / point["nominal_scale"])


def say_what_lacks(axes: Axes, result: dict[str, Any], metric: str) -> None:
    """Write into a panel why its metric was not measured; nothing if it was.

    Args:
        axes: target of the text.
        result: content of a result file; direct transmission has the metric, or None and a reason.
        metric: metric of the panel.
    """
    if result["direct"][metric] is None:
        words = textwrap.fill(f"not measured: {result['direct'][f'{metric}_reason']}", 48)
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", fontsize=9)


def title_of(result: dict[str, Any], what: str) -> str:
    """Return a figure's title: content, number of photos, Bob's SNR and model.

    Args:
        result: content of a result file.
        what: content of the figure, in words.
    """
    config = result["config"]
    return f"{what}: {config['photos']['count']} photos, {config['snr_db']:g} dB, {config['model']['name']}"


def about(result: dict[str, Any]) -> str:
    """Return the paragraph above a table: photos, SNR, channel seeds, model and recogniser.

    Args:
        result: content of a result file.
    """
    config, verifier = result["config"], result["config"]["verifier"]
    several = len(result["seeds"]) > 1
    seeds = f"{len(result['seeds'])} channel seeds" if several else f"channel seed {result['seeds'][0]}"
    return (
        f"{config['photos']['description']}; {config['snr_db']:g} dB; {seeds}; model "
        f"{config['model']['name']} (`{config['model']['digest'][:12]}`); recogniser {verifier['name']}, "
        f"threshold {verifier['threshold']:.4g} ({verifier['threshold_from']}). Mean over photos with a 95 "
        "% bootstrap interval; an interval of zero width at 0 or 1 means that all photos have the same "
        "value."
    )
