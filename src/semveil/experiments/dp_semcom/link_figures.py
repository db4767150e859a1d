"""Draw `channels.json`, `snr.json`, `bandwidth.json`, `cliff.json` and `mismatch.json`."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from semveil.core.results import read_result
from semveil.experiments.dp_semcom.link_bench import mean, shown_metric, strongest
from semveil.experiments.kit.style import COLOURS, finish, styled

LABEL = {"lpips": "LPIPS to the photo", "ssim": "SSIM to the photo", "fppsr": "share taken for another person"}


def draw_channels(path: Path) -> Path:
    """Bob and the strongest Eve for each channel, a panel for each protection; `channels.png` beside the JSON."""
    return finish(styled(lambda: _channels(read_result(path))), path.with_suffix(".png"))


def draw_snr(path: Path) -> Path:
    """Bob over his SNR and the strongest Eve over hers, and their gap over both; `snr.png` beside the JSON."""
    return finish(styled(lambda: _snr(read_result(path))), path.with_suffix(".png"))


def draw_bandwidth(path: Path) -> Path:
    """Quality over the bandwidth ratio; `bandwidth.png` beside the JSON."""
    return finish(styled(lambda: _bandwidth(read_result(path))), path.with_suffix(".png"))


def draw_cliff(path: Path) -> Path:
    """Quality over SNR of messages made for one; `cliff.png` beside the JSON."""
    return finish(styled(lambda: _cliff(read_result(path))), path.with_suffix(".png"))


def draw_mismatch(path: Path) -> Path:
    """Quality over the SNR of the test for each training; `mismatch.png` beside the JSON."""
    return finish(styled(lambda: _mismatch(read_result(path))), path.with_suffix(".png"))


def gap(cell: dict[str, Any], metric: str, bob_snr: float, eve_snr: float) -> float:
    """How much farther from the photos the strongest Eve is than Bob; negative where she is nearer."""
    bob = next(party for party in cell["bob"] if party["snr_db"] == bob_snr)
    eve = strongest(cell, metric, eve_snr)
    difference = (mean(eve, metric) if eve else np.nan) - mean(bob, metric)
    return -difference if metric == "ssim" else difference


def _channels(result: dict[str, Any]) -> Figure:
    cells = list(result["cells"].values())
    metrics = [metric for metric in (shown_metric(cells), "fppsr") if cells[0]["bob"][0].get(metric)]
    protections, channels = (list(dict.fromkeys(cell[name] for cell in cells)) for name in ("protection", "channel"))
    snr = result["config"]["preset"]["snr_db"]
    figure = Figure(figsize=(2.8 * len(protections) + 3.5, (0.5 * len(channels) + 1.2) * len(metrics) + 0.6))
    panels = figure.subplots(len(metrics), len(protections), sharey=True, sharex="row", squeeze=False)
    for row, metric in zip(panels, metrics, strict=True):
        for axes, protection in zip(row, protections, strict=True):
            own = [cell for cell in cells if cell["protection"] == protection]
            places = [channels.index(cell["channel"]) for cell in own]
            axes.plot([mean(cell["bob"][0], metric) for cell in own], places, "o", color=COLOURS["bob"], label="Bob")
            eves = [strongest(cell, metric, snr) for cell in own]
            values = [mean(eve, metric) if eve else np.nan for eve in eves]
            axes.plot(values, places, "s", color=COLOURS["eve"], label="strongest Eve")
            axes.set_yticks(range(len(channels)), [channel.replace(":", "\n") for channel in channels], fontsize=8)
            axes.set_xlabel(LABEL[metric])
            axes.set_title(protection)
    panels[0, 0].legend()
    figure.suptitle(f"{len(result['photos'])} photos, Bob and Eve at {snr:g} dB")
    return figure


def _snr(result: dict[str, Any]) -> Figure:
    cells, snrs = list(result["cells"].values()), result["config"]["preset"]["snrs_db"]
    metric = shown_metric(cells)
    protections, channels = (list(dict.fromkeys(cell[name] for cell in cells)) for name in ("protection", "channel"))
    figure = Figure(figsize=(3.2 * len(protections) + 1, 2 * (2.6 * len(channels)) + 0.6))
    panels = figure.subplots(2 * len(channels), len(protections), squeeze=False)
    for cell in cells:
        row, column = channels.index(cell["channel"]), protections.index(cell["protection"])
        curve, square = panels[2 * row, column], panels[2 * row + 1, column]
        curve.plot(snrs, [mean(party, metric) for party in cell["bob"]], "o-", color=COLOURS["bob"], label="Bob")
        eves = [strongest(cell, metric, snr) for snr in snrs]
        values = [mean(eve, metric) if eve else np.nan for eve in eves]
        curve.plot(snrs, values, "s-", color=COLOURS["eve"], label="strongest Eve")
        curve.set_title(f"{cell['protection']}\n{cell['channel']}", fontsize=8)
        curve.set_ylabel(metric.upper())
        table = np.array([[gap(cell, metric, bob, eve) for bob in snrs] for eve in snrs])
        square.imshow(table, origin="lower", cmap="RdBu", vmin=-0.25, vmax=0.25, aspect="auto")
        for (i, j), value in np.ndenumerate(table):
            square.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=6)
        square.set_xticks(range(len(snrs)), [f"{snr:g}" for snr in snrs], fontsize=7)
        square.set_yticks(range(len(snrs)), [f"{snr:g}" for snr in snrs], fontsize=7)
        square.set_xlabel("Bob's SNR in dB", fontsize=8)
        square.set_ylabel("Eve's SNR", fontsize=8)
        square.grid(False)
    panels[0, 0].legend()
    figure.suptitle(
        f"{LABEL[metric]}, {len(result['photos'])} photos; squares: strongest Eve's less Bob's (blue: Bob sees more)"
    )
    return figure


def _bandwidth(result: dict[str, Any]) -> Figure:
    points = list(result["points"].values())
    metric, snr = shown_metric(points), result["config"]["preset"]["snr_db"]
    figure = Figure(figsize=(7.6, 5.6))
    axes = figure.subplots()
    for kind, way in dict.fromkeys((point["kind"], point["way"]) for point in points):
        own = [point for point in points if (point["kind"], point["way"]) == (kind, way)]
        axes.plot([point["ratio"] for point in own], [mean(point["bob"][0], metric) for point in own], **_look(kind, way))
    axes.set_xscale("log")
    axes.set_xlabel("complex channel uses per real value of the picture (CBR)")
    axes.set_ylabel(LABEL[metric])
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    axes.set_title(f"{len(result['photos'])} photos, AWGN of {snr:g} dB, for which the digital messages are made")
    return figure


def _cliff(result: dict[str, Any]) -> Figure:
    cells, preset = list(result["cells"].values()), result["config"]["preset"]
    channels, metric = list(dict.fromkeys(cell["channel"] for cell in cells)), shown_metric(cells)
    figure = Figure(figsize=(11, 5.6))
    panels = figure.subplots(1, len(channels), sharey=True, squeeze=False)[0]
    for cell in cells:
        axes = panels[channels.index(cell["channel"])]
        values = [mean(party, metric) for party in cell["bob"]]
        axes.plot([party["snr_db"] for party in cell["bob"]], values, **_look(cell["kind"], cell["way"]))
    for axes, channel in zip(panels, channels, strict=True):
        axes.axvline(preset["made_for_db"], color="#777777", ls=":", lw=1)
        axes.set_xlabel("SNR that the message meets, dB")
        axes.set_title(channel, fontsize=9)
    panels[0].set_ylabel(LABEL[metric])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle(f"{len(result['photos'])} photos, made for {preset['made_for_db']:g} dB, the same channel uses")
    return figure


def _mismatch(result: dict[str, Any]) -> Figure:
    cells = list(result["cells"].values())
    trained, metric = list(dict.fromkeys(cell["channel"] for cell in cells)), shown_metric(cells)
    figure = Figure(figsize=(4.2 * len(trained) + 1, 7.4))
    panels = figure.subplots(len(trained), len(trained), sharey=True, sharex=True, squeeze=False)
    for row, tested in zip(panels, trained, strict=True):
        for axes, channel in zip(row, trained, strict=True):
            colours = iter(COLOURS["series"])
            for cell in (cell for cell in cells if cell["channel"] == channel):
                own = [party for party in cell["bob"] if party["channel"] == tested]
                low, high = cell["snrs_db"]
                label = f"trained at {low:g} dB" if low == high else f"trained at {low:g} to {high:g} dB"
                values = [mean(party, metric) for party in own]
                axes.plot([party["snr_db"] for party in own], values, "o-", color=next(colours), label=label)
            axes.set_title(f"trained over {channel}\ntested over {tested}", fontsize=8)
    for axes in panels[-1]:
        axes.set_xlabel("SNR of the test, dB")
    for row in panels:
        row[0].set_ylabel(LABEL[metric])
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle(f"{len(result['photos'])} photos, pairs of nominal epsilon 10")
    return figure


def _look(kind: str, way: str) -> dict[str, Any]:
    """Colour by what is sent, line by how it is carried."""
    kinds = ("rotation", "latents", "jpeg", "jpeg2000", "avif")
    name = {"rotation": "semveil, analogue under rotation", "latents": "semveil's latents"}.get(kind, kind)
    label = f"{name}, {'at capacity' if way == 'bound' else '5G LDPC, QAM'}" if way else name
    return {
        "color": COLOURS["series"][kinds.index(kind)],
        "ls": "-" if way in ("", "5g") else "--",
        "marker": "o",
        "label": label,
    }
