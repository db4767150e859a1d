# SPDX-License-Identifier: Apache-2.0
"""Bob and the attacks of `EVES` over several channels at one SNR: `channels.json`.

Secrecy is the gap between Bob and the strongest Eve.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.experiments.dp_semcom import link_bench
from semveil.experiments.dp_semcom.security import EVES, Bench
from semveil.experiments.kit.experiment import Jobs
from semveil.experiments.kit.plots import COLOURS
from semveil.experiments.kit.statistics import value
from semveil.experiments.kit.tables import HEADS, markdown


def _jobs(bench: Bench) -> Jobs:
    """Return the measurements: all attacks on the channels `fully`, `FAST` on the others."""
    chosen, snrs = bench.preset, (bench.preset.snr_db,)
    at = partial(link_bench.run_cell, bench, bob_snrs=snrs, eve_snrs=snrs)
    attacks: dict[str, tuple[str, ...]] = dict.fromkeys((*chosen.fully, *chosen.others), link_bench.FAST)
    attacks |= dict.fromkeys(chosen.fully, EVES)
    return {
        f"{protection} | {channel}": partial(at, protection, channel, attacks=names)
        for channel, names in attacks.items()
        for protection in chosen.protections
    }


def _drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw Bob and the strongest Eve on each channel: a row for each metric, a column for each protection."""
    cells, best, protections, channels = link_bench.read_cells(result)
    metrics = [metric for metric in (best, "fppsr") if cells[0]["bob"][0].get(metric)]
    chosen = result["config"]["preset"]
    snr = chosen["snr_db"]
    figure = Figure(figsize=(2.8 * len(protections) + 3.5, (0.5 * len(channels) + 1.2) * len(metrics) + 0.6))
    panels = figure.subplots(len(metrics), len(protections), sharey=True, sharex="row", squeeze=False)
    for row, metric in zip(panels, metrics, strict=True):
        for axes, protection in zip(row, protections, strict=True):
            own = [cell for cell in cells if cell["protection"] == protection]
            places = [channels.index(cell["channel"]) for cell in own]
            bobs = [value(cell["bob"][0], metric) for cell in own]
            axes.plot(bobs, places, "o", color=COLOURS["bob"], label="Bob")
            values = [link_bench.of_strongest(cell, metric, snr) for cell in own]
            axes.plot(values, places, "s", color=COLOURS["eve"], label="strongest Eve")
            names = [channel.replace(":", "\n") for channel in channels]
            axes.set_yticks(range(len(channels)), names, fontsize=8)
            axes.set_xlabel(link_bench.LABEL[metric])
            axes.set_title(protection)
    panels[0, 0].legend()
    figure.suptitle(
        f"{len(result['photos'])} photos, Bob and Eve at {snr:g} dB; strongest Eve "
        f"{_tried(cells, chosen['fully'])}",
        fontsize=9,
    )
    return figure


def _table(result: dict[str, Any]) -> list[str]:
    """Bob and the strongest Eve by channel and protection, then every attack where all were tried."""
    cells, metric, protections, channels = link_bench.read_cells(result)
    chosen, snr = result["config"]["preset"], result["config"]["preset"]["snr_db"]
    at = {(cell["protection"], cell["channel"]): cell for cell in cells}
    both = (metric, "fppsr")
    told = (
        f"{len(result['photos'])} photos, Bob and Eve at {snr:g} dB: {HEADS[metric]} to the photo and, in "
        "brackets, the fraction of photos whose person the recogniser rejects (FPPSR). The strongest Eve is "
        "chosen by each of them separately, "
        f"{_tried(cells, chosen['fully'])}."
    )
    parties = [
        [channel, party, *(link_bench.cell_of(columns, metric) for columns in row)]
        for channel in channels
        for party, row in (
            ("Bob", [at[protection, channel]["bob"][0] for protection in protections]),
            ("strongest Eve", [_strongest(at[protection, channel], both, snr) for protection in protections]),
        )
    ]
    texts = [told, markdown(["channel", "party", *protections], parties)]
    for channel in chosen["fully"]:
        by_attack = [{eve["attack"]: eve for eve in at[name, channel]["eves"]} for name in protections]
        names = dict.fromkeys(attack for eves in by_attack for attack in eves)
        rows = [
            [_named(name), *(link_bench.cell_of(eves.get(name, {}), metric) for eves in by_attack)]
            for name in names
        ]
        texts += [f"Every attack that was tried over `{channel}`:", markdown(["attack", *protections], rows)]
    return texts


def _tried(cells: Sequence[dict[str, Any]], fully: Sequence[str]) -> str:
    """Which attacks the strongest Eve is chosen from, by channel."""
    most = link_bench.attacks_in(cell for cell in cells if cell["channel"] in fully)
    few = link_bench.attacks_in(cell for cell in cells if cell["channel"] not in fully)
    where = " and ".join(channel.partition(":")[0] for channel in fully)
    others = f", of {', '.join(few)} alone on the other channels" if few else ""
    return f"of {len(most)} attacks on {where}{others}"


def _strongest(cell: dict[str, Any], metrics: tuple[str, str], snr_db: float) -> dict[str, Any]:
    """Metric -> values of the attack that is strongest by it."""
    return {metric: (link_bench.strongest(cell, metric, snr_db) or {}).get(metric) for metric in metrics}


def _named(attack: str) -> str:
    return f"{attack} (control)" if attack == link_bench.CONTROL else attack


CHANNELS = link_bench.over_channels("channels", _jobs, _drawing, revision=2, table=_table)
