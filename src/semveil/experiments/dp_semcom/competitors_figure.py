# SPDX-License-Identifier: Apache-2.0
"""Figure and Markdown table of `competitors.json`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from semveil.experiments.dp_semcom.link_bench import CONTROL, mean, shown_metric
from semveil.experiments.dp_semcom.link_shown import LABEL
from semveil.experiments.kit.tables import markdown


def competitors_tables(result: Mapping[str, Any]) -> str:
    """A table for each of Eve's channels."""
    cells = list(result["cells"].values())
    metric, config = _metric(cells), result["config"]
    parts = [
        f"{config['photos']}; Bob at {cells[0]['snr_db']:g} dB; model {config['model']['name']} "
        f"(`{config['model']['digest'][:12]}`). {LABEL[metric]}, means over photos. `nn-encrypted` is after the abstract of "
        "arXiv 2504.18581, `learned` of 2510.23274, `glass-box` and `generative-prior` of 2503.23103: no reproductions. "
        f"`{CONTROL}` has Bob's network or key: the control."
    ]
    for ear in dict.fromkeys(cell["ear"] for cell in cells):
        own = [cell for cell in cells if cell["ear"] == ear]
        attacks = _attacks(own)
        rows = [
            [
                cell["protection"], cell["guarantee"]["basis"], f"{mean(cell['bob'], metric):.3f}",
                *(_text(cell, attack, metric) for attack in attacks),
            ]
            for cell in own
        ]  # fmt: skip
        parts += [f"Eve's channel: {ear}.", markdown(["protection", "basis", "Bob", *attacks], rows)]
    return "\n\n".join(parts)


def drawing(result: Mapping[str, Any], folder: Path) -> Figure:
    """A panel for each of Eve's channels: protections down, Bob and the Eves across."""
    cells = list(result["cells"].values())
    metric = _metric(cells)
    ears = list(dict.fromkeys(cell["ear"] for cell in cells))
    names = list(dict.fromkeys(cell["protection"] for cell in cells))
    attacks = _attacks(cells)
    figure = Figure(figsize=(3 + 0.8 * (len(attacks) + 1), 1.4 + len(ears) * (1.3 + 0.34 * len(names))))
    for axes, ear in zip(np.atleast_1d(figure.subplots(len(ears), 1)), ears, strict=True):
        own = {cell["protection"]: cell for cell in cells if cell["ear"] == ear}
        table = np.array(
            [[mean(own[n]["bob"], metric), *(_value(own[n], attack, metric) for attack in attacks)] for n in names]
        )
        colours = -table if metric == "ssim" else table
        axes.imshow(colours, cmap="cividis", aspect="auto")
        middle = (np.nanmin(colours) + np.nanmax(colours)) / 2
        for (row, column), value in np.ndenumerate(table):
            if np.isfinite(value):
                ink = "black" if colours[row, column] > middle else "white"
                axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=ink)
        axes.set_xticks(range(len(attacks) + 1), ["Bob", *attacks], rotation=30, ha="right", fontsize=8)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.axvline(0.5, color="white", lw=3)
        axes.grid(False)
        axes.set_title(f"Eve's channel: {ear}")
    figure.suptitle(f"{LABEL[metric]} (dark: rebuilt), {len(result['photos'])} photos")
    return figure


def _metric(cells: Sequence[Mapping[str, Any]]) -> str:
    return shown_metric([{"bob": [cell["bob"]]} for cell in cells])


def _attacks(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(eve["attack"] for cell in cells for eve in cell["eves"]))


def _value(cell: Mapping[str, Any], attack: str, metric: str) -> float:
    eve = next((eve for eve in cell["eves"] if eve["attack"] == attack), None)
    return mean(eve, metric) if eve else float("nan")


def _text(cell: Mapping[str, Any], attack: str, metric: str) -> str:
    value = _value(cell, attack, metric)
    return f"{value:.3f}" if np.isfinite(value) else ""
