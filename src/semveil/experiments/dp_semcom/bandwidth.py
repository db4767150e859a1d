# SPDX-License-Identifier: Apache-2.0
"""Quality over channel uses, analogue and digital, side information included: `bandwidth.json`.

The analogue message is repeated and combined. The digital baseline encrypts an image file of a size that fits
the same number of uses: at capacity, an upper bound, and with 5G's LDPC codes and QAM. semveil's own latents
are sent in the same ways.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.experiments.dp_semcom.digital import (
    ANALOGUE,
    LENGTHS,
    TOLD,
    WORSE_DB,
    analogue,
    digital,
    kinds,
    lengths,
    load_digital,
    quality,
    ways,
)
from semveil.experiments.dp_semcom.link_bench import LABEL, look, over_channels, shown_metric
from semveil.experiments.dp_semcom.security import Bench
from semveil.experiments.kit.experiment import Jobs
from semveil.experiments.kit.statistics import value
from semveil.experiments.kit.tables import HEADS, markdown


def _jobs(bench: Bench) -> Jobs:
    """Return the measurements: the analogue message with each repetition, and every digital message."""
    jobs: dict[str, Callable[[], Any]] = {
        f"{ANALOGUE} x {n}": partial(analogue, bench, n) for n in bench.preset.repetitions
    }
    for kind in kinds():
        for way in ways(bench.preset.ways)[0]:
            jobs |= {
                f"{kind}, {way} x {n}": partial(digital, bench, kind, way, n)
                for n in bench.preset.digital_uses
            }
    return jobs


def _drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw Bob's quality over the bandwidth ratio, a line for each kind of message."""
    points = list(result["points"].values())
    metric, snr = shown_metric(points), result["config"]["preset"]["snr_db"]
    figure = Figure(figsize=(7.6, 5.6))
    axes = figure.subplots()
    for kind, way in dict.fromkeys((point["kind"], point["way"]) for point in points):
        own = [point for point in points if (point["kind"], point["way"]) == (kind, way)]
        values = [value(point["bob"][0], metric) for point in own]
        axes.plot([point["ratio"] for point in own], values, **look(kind, way))
    axes.set_xscale("log")
    axes.set_xlabel("channel bandwidth ratio (complex channel uses per source value)")
    axes.set_ylabel(LABEL[metric])
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    axes.set_title(f"{len(result['photos'])} photos, AWGN at {snr:g} dB (design SNR of the digital messages)")
    return figure


def _table(result: dict[str, Any]) -> list[str]:
    """Lengths of all messages, and Bob's quality and losses at their SNR and 1 dB below."""
    points, preset = list(result["points"].values()), result["config"]["preset"]
    metric, snrs = shown_metric(points), (preset["snr_db"], preset["snr_db"] - WORSE_DB)
    told = (
        f"{len(result['photos'])} photos over AWGN, messages designed for {snrs[0]:g} dB: {HEADS[metric]} to "
        f"the photo by the channel's SNR in dB and, in brackets, the share of lost messages. {TOLD}"
    )
    rows = []
    for point in points:
        bob = {party["snr_db"]: party for party in point["bob"]}
        rows.append([*lengths(point), *(quality(bob.get(snr, {}), metric) for snr in snrs)])
    return [told, markdown([*LENGTHS, *(f"{snr:g}" for snr in snrs)], rows)]


BANDWIDTH = over_channels(
    "bandwidth",
    _jobs,
    _drawing,
    revision=3,
    load=load_digital,
    place="points",
    stage="transmit",
    table=_table,
)
