"""Draw `security.json`: every protection against every adversary, as one picture of numbers."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from semveil.core.results import read_result
from semveil.experiments.kit.statistics import mean_of_photos
from semveil.experiments.kit.style import finish, styled

PANELS = {
    "lpips": "LPIPS to the source (dark: the photo is rebuilt)",
    "fppsr": "share judged another person (dark: recognised)",
    "face_detected": "share in which dlib finds a face",
}


def draw_security(path: Path) -> Path:
    """Draw the result file's numbers for an Eve whose channel is as good as Bob's.

    Args:
        path: `security.json`.

    Returns:
        `security.png` beside it.
    """
    return finish(styled(lambda: _figure(read_result(path))), path.with_suffix(".png"))


def attack_names(result: dict[str, Any]) -> list[str]:
    """Adversaries in the order in which they were run, over all protections."""
    return list(dict.fromkeys(eve["attack"] for case in result["cases"].values() for eve in case["eves"]))


def _figure(result: dict[str, Any]) -> Figure:
    cases, attacks = result["cases"], attack_names(result)
    panels = [name for name in PANELS if result["unprotected"]["direct"].get(name) is not None]
    figure = Figure(figsize=(2.2 + 0.95 * (len(attacks) + 1), 1.2 + len(panels) * (0.9 + 0.34 * len(cases))))
    for axes, metric in zip(np.atleast_1d(figure.subplots(len(panels), 1)), panels, strict=True):
        table = _table(result, metric, attacks)
        scale = np.nanmax(table) if metric == "lpips" else 1.0
        colours = table if metric != "face_detected" else 1 - table
        axes.imshow(colours, cmap="cividis", vmin=0, vmax=scale, aspect="auto")
        for (row, column), value in np.ndenumerate(table):
            if np.isfinite(value):
                light = colours[row, column] > 0.55 * scale
                text = f"{value:.2f}".removeprefix("0") if value < 1 else "1"
                axes.text(column, row, text, ha="center", va="center", fontsize=9, color="black" if light else "white")
        axes.set_xticks(range(len(attacks) + 1), ["Bob", *attacks], rotation=30, ha="right")
        axes.set_yticks(range(len(cases)), list(cases))
        axes.axvline(0.5, color="white", lw=3)
        axes.grid(False)
        direct = mean_of_photos(result["unprotected"]["direct"][metric])
        axes.set_title(f"{PANELS[metric]}; direct transmission {direct.value:.2f}" if direct else PANELS[metric])
    snr_db = result["config"]["preset"]["snr_db"]
    figure.suptitle(f"What Bob and every Eve make of {len(result['photos'])} photos at {snr_db:g} dB")
    return figure


def _table(result: dict[str, Any], metric: str, attacks: list[str]) -> NDArray[np.float64]:
    """(cases, 1 + attacks): Bob's mean, then each Eve's at the first SNR; NaN where she does not apply."""
    snr_db = result["config"]["preset"]["eve_snr_db"][0]
    rows = []
    for case in result["cases"].values():
        eves = {eve["attack"]: eve for eve in case["eves"] if eve["snr_db"] == snr_db}
        means = [mean_of_photos(party[metric]) if party else None for party in (case["bob"], *(eves.get(a) for a in attacks))]
        rows.append([mean.value if mean else np.nan for mean in means])
    return np.array(rows)
