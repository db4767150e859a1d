# SPDX-License-Identifier: Apache-2.0
"""Cliff effect: quality over Bob's SNR for messages designed for one SNR: `cliff.json`.

All messages take the same number of channel uses.
"""

from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.channels import parse_link
from semveil.experiments.dp_semcom.digital import ANALOGUE, kinds, load_digital, over_snr, ways
from semveil.experiments.dp_semcom.link_bench import (
    AWGN,
    FADING,
    LABEL,
    look,
    over_channels,
    shown_metric,
    values_of,
)
from semveil.experiments.dp_semcom.security import Bench
from semveil.experiments.kit.experiment import Jobs
from semveil.experiments.kit.statistics import value


def _jobs(bench: Bench) -> Jobs:
    """Return the measurements: each kind of message over each channel, at all of Bob's SNRs."""
    links, carried = {channel: parse_link(channel) for channel in (AWGN, FADING)}, ways(bench.preset.ways)[0]
    cells = [(channel, kind, way) for channel in links for kind in kinds() for way in carried]
    cells += [(channel, ANALOGUE, "") for channel in links]
    return {
        f"{kind} {way} | {channel}".replace("  ", " "): partial(
            over_snr, bench, channel, links[channel], kind, way
        )
        for channel, kind, way in cells
    }


def _drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw Bob's quality over the channel SNR, a panel for each channel."""
    cells, preset = list(result["cells"].values()), result["config"]["preset"]
    (channels,), metric = values_of(cells, "channel"), shown_metric(cells)
    figure = Figure(figsize=(11, 5.6))
    panels = figure.subplots(1, len(channels), sharey=True, squeeze=False)[0]
    for cell in cells:
        axes = panels[channels.index(cell["channel"])]
        values = [value(party, metric) for party in cell["bob"]]
        axes.plot([party["snr_db"] for party in cell["bob"]], values, **look(cell["kind"], cell["way"]))
    for axes, channel in zip(panels, channels, strict=True):
        axes.axvline(preset["made_for_db"], color="#777777", ls=":", lw=1)
        axes.set_xlabel("channel SNR, dB")
        axes.set_title(channel, fontsize=9)
    panels[0].set_ylabel(LABEL[metric])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    made_for = f"designed for {preset['made_for_db']:g} dB"
    figure.suptitle(f"{len(result['photos'])} photos, {made_for}, equal channel uses")
    return figure


CLIFF = over_channels("cliff", _jobs, _drawing, load=load_digital, stage="transmit")
