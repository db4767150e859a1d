# SPDX-License-Identifier: Apache-2.0
"""Mismatch between training and test channels of a pair: `mismatch.json`.

Pairs are trained for one channel and one SNR, or an SNR range, and tested on others.
"""

from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.channels import parse_link
from semveil.core.rng import streams
from semveil.experiments.dp_semcom import link_bench
from semveil.experiments.dp_semcom.security import Bench
from semveil.experiments.kit.experiment import Jobs
from semveil.experiments.kit.plots import COLOURS
from semveil.experiments.kit.statistics import value
from semveil.link.eves import hear
from semveil.methods.dp_semcom import DPSemCom, pair_settings
from semveil.training.protector import train_pair

CHANNELS = (link_bench.AWGN, link_bench.FADING)


def _jobs(bench: Bench) -> Jobs:
    """Return the measurements: every training, tested over both channels."""
    return {
        f"{channel} | {snrs[0]:g}..{snrs[1]:g}": partial(_cell, bench, channel, snrs)
        for channel in CHANNELS
        for snrs in bench.preset.trained_db
    }


def _cell(bench: Bench, channel: str, snrs_db: tuple[float, float]) -> dict[str, Any]:
    """Train a pair over one channel, and measure Bob at every SNR of both channels."""
    chosen, run, (low, high) = bench.preset, streams(bench.preset.seed), snrs_db
    settings = pair_settings(
        bench.model, snr_db=low, snr_high_db=high if high > low else None, channel=channel
    )
    latents = bench.model.public_latents(chosen.trained_latents, rng=run["latents"])
    pair = train_pair(latents, settings, rng=run["train"], epochs=chosen.epochs)
    method = DPSemCom(bench.model, protection="nn", pair=pair)
    sent = method.send_codes(bench.codes)
    tested = []
    for other in CHANNELS:
        link = parse_link(other)
        for snr in chosen.snrs_db:
            heard, _ = hear(method, sent, snr, run[f"bob {other} {snr:g}"], link)
            error = (method.receive_codes(heard) - bench.codes).square().mean((1, 2))
            shown = link_bench.measured(bench, method.receive(heard))
            tested.append(
                {"channel": other, "snr_db": snr, "latent_mse": [round(float(e), 6) for e in error], **shown}
            )
    return {"channel": channel, "snrs_db": list(snrs_db), "bob": tested}


def _drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw Bob's quality over the test SNR, a line for each training.

    Columns are training channels, rows are test channels.
    """
    cells = list(result["cells"].values())
    (trained,), metric = link_bench.values_of(cells, "channel"), link_bench.shown_metric(cells)
    figure = Figure(figsize=(4.2 * len(trained) + 1, 7.4))
    panels = figure.subplots(len(trained), len(trained), sharey=True, sharex=True, squeeze=False)
    for row, tested in zip(panels, trained, strict=True):
        for axes, channel in zip(row, trained, strict=True):
            colours = iter(COLOURS["series"])
            for cell in (cell for cell in cells if cell["channel"] == channel):
                own = [party for party in cell["bob"] if party["channel"] == tested]
                low, high = cell["snrs_db"]
                label = f"trained at {low:g} dB" if low == high else f"trained at {low:g} to {high:g} dB"
                values = [value(party, metric) for party in own]
                axes.plot([party["snr_db"] for party in own], values, "o-", color=next(colours), label=label)
            axes.set_title(f"trained over {channel}\ntested over {tested}", fontsize=8)
    for axes in panels[-1]:
        axes.set_xlabel("test SNR, dB")
    for row in panels:
        row[0].set_ylabel(link_bench.LABEL[metric])
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle(f"{len(result['photos'])} photos, pairs of nominal epsilon 10")
    return figure


MISMATCH = link_bench.over_channels("mismatch", _jobs, _drawing, stage="train and transmit")
