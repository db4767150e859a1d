# SPDX-License-Identifier: Apache-2.0
"""Cliff effect: quality over Bob's SNR for messages designed for one SNR: `cliff.json`.

Digital messages take as many channel uses as the repeated symbols of the analogue message, whose side
information comes in addition.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.channels import parse_link
from semveil.experiments.dp_semcom.digital import (
    ANALOGUE,
    LENGTHS,
    TOLD,
    kinds,
    lengths,
    load_digital,
    over_snr,
    quality,
    ways,
)
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
from semveil.experiments.kit.tables import HEADS, markdown


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
    figure.suptitle(
        f"{len(result['photos'])} photos, designed for {preset['made_for_db']:g} dB; "
        f"{_uses(cells, channels)}; side information without errors",
        fontsize=9,
    )
    return figure


def _uses(cells: Sequence[dict[str, Any]], channels: Sequence[str]) -> str:
    """Channel uses per source value of analogue and digital messages, by channel."""
    ratios = {(cell["channel"], cell["kind"] == ANALOGUE): cell["ratio"] for cell in cells}
    return "uses per value " + " | ".join(
        f"analogue {ratios[channel, True]:.4f}, digital {ratios[channel, False]:.4f}" for channel in channels
    )


def _table(result: dict[str, Any]) -> list[str]:
    """Lengths of all messages, and Bob's quality and losses over SNR, by channel."""
    cells, preset = list(result["cells"].values()), result["config"]["preset"]
    (channels,), metric = values_of(cells, "channel"), shown_metric(cells)
    told = (
        f"{len(result['photos'])} photos, messages designed for {preset['made_for_db']:g} dB: "
        f"{HEADS[metric]} to the photo by the channel's SNR in dB and, in brackets, the share of lost "
        f"messages. {TOLD}"
    )
    texts = [told]
    for channel in channels:
        own = [cell for cell in cells if cell["channel"] == channel]
        snrs = [f"{party['snr_db']:g}" for party in own[0]["bob"]]
        rows = [[*lengths(cell), *(quality(party, metric) for party in cell["bob"])] for cell in own]
        texts += [f"Over `{channel}`:", markdown([*LENGTHS, *snrs], rows)]
    return texts


CLIFF = over_channels("cliff", _jobs, _drawing, revision=2, load=load_digital, stage="transmit", table=_table)
