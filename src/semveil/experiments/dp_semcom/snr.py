# SPDX-License-Identifier: Apache-2.0
"""Bob's SNR against Eve's, for each channel and kind of channel state information: `snr.json`."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from semveil.experiments.dp_semcom import link_bench
from semveil.experiments.dp_semcom.security import Bench
from semveil.experiments.kit.experiment import Jobs
from semveil.experiments.kit.plots import COLOURS
from semveil.experiments.kit.statistics import value
from semveil.experiments.kit.tables import HEADS, markdown

REJECTED = "fppsr"
DARK = 0.15  # gap whose cell is too dark for black numbers


def _jobs(bench: Bench) -> Jobs:
    """Return the measurements: each protection over each channel of `csi`, at all SNRs of Bob and Eve."""
    snrs, attacks = bench.preset.snrs_db, link_bench.FAST
    at = partial(link_bench.run_cell, bench, bob_snrs=snrs, eve_snrs=snrs, attacks=attacks)
    return {
        f"{protection} | {channel}": partial(at, protection, channel)
        for channel in bench.preset.csi
        for protection in bench.preset.protections
    }


def _drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw quality and FPPSR of Bob and the strongest Eve over SNR, and a heat map of their gap."""
    cells, metric, protections, channels = link_bench.read_cells(result)
    snrs = result["config"]["preset"]["snrs_db"]
    figure = Figure(figsize=(3.2 * len(protections) + 1, 3 * (2.4 * len(channels)) + 0.6))
    panels = figure.subplots(3 * len(channels), len(protections), squeeze=False)
    for cell in cells:
        row, column = channels.index(cell["channel"]), protections.index(cell["protection"])
        curve, rejected, square = (panels[3 * row + place, column] for place in range(3))
        for axes, drawn in ((curve, metric), (rejected, REJECTED)):
            values = [value(party, drawn) for party in cell["bob"]]
            axes.plot(snrs, values, "o-", color=COLOURS["bob"], label="Bob")
            values = [link_bench.of_strongest(cell, drawn, snr) for snr in snrs]
            axes.plot(snrs, values, "s-", color=COLOURS["eve"], label="strongest Eve")
            axes.set_ylabel(HEADS[drawn])
        rejected.set_ylim(-0.05, 1.05)
        curve.set_title(f"{cell['protection']}\n{cell['channel']}", fontsize=8)
        gaps = np.array([[link_bench.gap(cell, metric, bob, eve) for bob in snrs] for eve in snrs])
        square.imshow(gaps, origin="lower", cmap="RdBu", vmin=-0.25, vmax=0.25, aspect="auto")
        for (i, j), difference in np.ndenumerate(gaps):
            ink = "white" if abs(difference) > DARK else "black"
            square.text(j, i, f"{difference:.2f}", ha="center", va="center", fontsize=6, color=ink)
        for set_ticks in (square.set_xticks, square.set_yticks):
            set_ticks(range(len(snrs)), [f"{snr:g}" for snr in snrs], fontsize=7)
        square.set_xlabel("Bob's SNR in dB", fontsize=8)
        square.set_ylabel("Eve's SNR", fontsize=8)
        square.grid(False)
    panels[0, 0].legend()
    figure.suptitle(
        f"{link_bench.LABEL[metric]} and {link_bench.LABEL[REJECTED]}, {len(result['photos'])} photos; "
        f"strongest Eve of {', '.join(link_bench.attacks_in(cells))}; "
        "heat maps: Eve minus Bob (blue: Bob is better)"
    )
    return figure


def _table(result: dict[str, Any]) -> list[str]:
    """Lead of Bob over the strongest Eve by channel and SNRs, then FPPSR of both, for each protection."""
    cells, metric, protections, channels = link_bench.read_cells(result)
    snrs = result["config"]["preset"]["snrs_db"]
    at = {(cell["protection"], cell["channel"]): cell for cell in cells}
    low, middle, high = snrs[0], snrs[len(snrs) // 2], snrs[-1]
    pairs = dict.fromkeys([(middle, middle), (middle, high), (low, high), (high, low)])
    rows = []
    for channel in channels:
        for bob, eve in pairs:
            leads = (link_bench.gap(at[name, channel], metric, bob, eve) for name in protections)
            rows.append([channel, f"{bob:g}, {eve:g}", *(f"{lead:+.3f}" for lead in leads)])
    told = (
        f"{len(result['photos'])} photos: {HEADS[metric]} to the photo of the strongest Eve minus that of "
        "Bob; a protection works if this is large even where Eve's SNR is better. The strongest Eve is "
        f"chosen from {', '.join(link_bench.attacks_in(cells))}: no other was tried."
    )
    rejected = [
        [
            channel,
            f"{snr:g}",
            *(
                f"{value(at[protection, channel]['bob'][place], REJECTED):.2f}, "
                f"{link_bench.of_strongest(at[protection, channel], REJECTED, snr):.2f}"
                for protection in protections
            ),
        ]
        for channel in channels
        for place, snr in enumerate(snrs)
    ]
    return [
        told,
        markdown(["channel", "SNR of Bob, Eve in dB", *protections], rows),
        "Fraction of photos whose person the recogniser rejects (FPPSR): in Bob's pictures, and in those of "
        "the Eve who is rejected least, at the same SNR.",
        markdown(["channel", "SNR in dB", *protections], rejected),
    ]


SNR = link_bench.over_channels("snr", _jobs, _drawing, revision=2, table=_table)
