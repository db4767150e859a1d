"""Drawings of dp-image's result files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from semveil.experiments.kit.axes import doubt, legend, line, mean, number, recogniser, title
from semveil.experiments.kit.picture_grid import draw_pictures, read_pixels
from semveil.experiments.kit.style import COLOURS

SCALE_LABEL = "scale of the noise $\\Delta f/\\epsilon$ (latent units)"
STYLE_LABELS = {"all": "noise on all codes", "identity": "noise on the identity codes"}
METRICS = {
    "l2": "l2 (levels)",
    "ald_inf": "ALD$_\\infty$",
    "ssim": "SSIM",
    "frechet": "Fréchet distance",
    "identity_similarity": "similarity",
    "face_detected": "face found",
}


def _fig4(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure(figsize=(7.2, 4.4))
    axes = figure.subplots()
    _bars(axes, result["values"], COLOURS["bob"])
    spread, box = result["values"], result["config"]["model"]["clip_box"]
    for i, bound in enumerate((box["lower"], box["upper"])):
        axes.axvline(bound, color=COLOURS["eve"], ls="--", label=None if i else "public clip box")
    axes.set(
        xlabel="value of a latent coordinate",
        ylabel="count",
        yscale="log",
        title=f"{title(result, 'Latent values')}\n{spread['min']:.2f} to {spread['max']:.2f}, standard deviation "
        f"{spread['std']:.2f}; the paper's W+ lies in [-20, 20]",
    )
    axes.legend()
    return figure


def _fig5(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure(figsize=(15.6, 4.6))
    parts: Any = figure.subfigures(1, 2, width_ratios=(3.6, 1))
    left, right = parts[0].subplots(1, 2, width_ratios=(1.25, 1))
    distances = result["distances"]
    _bars(left, distances, COLOURS["bob"])
    observed = result["sensitivities"]["observed"]["value"]
    if observed:
        left.axvline(observed, color=COLOURS["eve"], ls="--", label="largest distance of public training photos")
    for i, (name, value) in enumerate(result["outliers"].items()):
        left.axvline(value, color=COLOURS["paper"], lw=1, label=None if i else "pictures that are no faces: their largest")
        del name
    box = result["sensitivities"]["box"]["value"]
    left.set(
        xlabel="L1 distance of two photos' latents",
        ylabel="pairs",
        title=f"{distances['pairs']:,} pairs: mean {distances['mean']:,.0f}, largest {distances['max']:,.0f};\n"
        f"what clipping to public bounds allows: {box:,.0f}",
    )
    left.legend()
    _heat(parts[0], right, result["shown_distances"], "L1 distance", "{:.0f}")
    _example_pairs(parts[1], result["pictured_examples"], folder)
    figure.suptitle(title(result, "Distances between photos"))
    return figure


def _example_pairs(panel: SubFigure, examples: dict[str, Any], folder: Path) -> None:
    """A far and a near pair, one below the other."""
    for row, name in zip(panel.subplots(2, 2), ("far", "near"), strict=True):
        pair = examples[name]
        for axes, file in zip(row, pair["files"], strict=True):
            axes.imshow(read_pixels(folder / file), interpolation="bicubic")
            axes.set_axis_off()
        row[0].set_title(f"L1 {pair['distance']:,.0f}, similarity {pair['similarity']:.2f}", loc="left", fontsize=10)
    panel.suptitle(f"Farthest and nearest of\n{examples['faces']}", fontsize=10)


def _fig8(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure(figsize=(12.6, 4.6))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    _heat(figure, left, result["shown_similarities"], "similarity", "{:.2f}")
    upper = np.triu_indices(len(result["shown_distances"]), 1)
    distances, similarities = (np.array(result[f"shown_{name}"], float)[upper] for name in ("distances", "similarities"))
    right.plot(distances, similarities, "o", color=COLOURS["bob"], alpha=0.5, ls="")
    right.axhline(result["config"]["verifier"]["threshold"], color=COLOURS["eve"], ls="--", label="same person from here")
    found = result["rank_correlation"]
    right.set(
        xlabel="L1 distance of the latents",
        ylabel="similarity",
        title=f"pairs of different people; of all {found['pairs']:,}:\nrank correlation {found['spearman']:.2f} "
        f"[{found['low']:.2f}, {found['high']:.2f}]",
    )
    right.legend()
    figure.suptitle(f"{title(result, 'Similarity of the same pairs')}\n{recogniser(result)}")
    return figure


def _fig9(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure(figsize=(7.6, 5.2))
    axes = figure.subplots()
    _over_scales(axes, result, "identity_similarity")
    inverted = mean(result["inverted"], "identity_similarity")
    if inverted:
        axes.axhline(inverted.value, color=COLOURS["inverted"], ls=":", label="no noise: inverted and synthesised")
    axes.axhline(result["config"]["verifier"]["threshold"], color=COLOURS["direct"], ls="--", label="same person from here")
    others = result["other_people"]["identity_similarity"]
    if others is not None:
        axes.axhline(others, color=COLOURS["direct"], ls=":", label="other people")
    axes.set(ylabel="identity similarity to the photo")
    _epsilon_above(axes, result)
    legend(figure, [axes], 2)
    figure.suptitle(f"{title(result, 'Identity similarity')}\n{recogniser(result)}")
    return figure


def _fig10(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure(figsize=(11.4, 5.2))
    left, right = figure.subplots(1, 2)
    _over_scales(left, result, "fppsr")
    inverted = mean(result["inverted"], "fppsr")
    if inverted:
        left.axhline(inverted.value, color=COLOURS["inverted"], ls=":", label="no noise: inverted and synthesised")
    left.set(ylabel="share judged another person", ylim=(-0.03, 1.03))
    _over_scales(right, result, "face_detected")
    right.set(ylabel="share in which dlib finds a face", ylim=(-0.03, 1.03))
    for axes in (left, right):
        _epsilon_above(axes, result)
    legend(figure, [left])
    caution = doubt(result["inverted"])
    words = f"{title(result, 'FPPSR')}\n{recogniser(result)}"
    if caution:
        figure.suptitle(f"{words}\n{caution}", color="#B00020")
    else:
        figure.suptitle(words)
    return figure


def _faces(styles: str) -> Callable[[dict[str, Any], Path], Figure]:
    def picture(result: dict[str, Any], folder: Path) -> Figure:
        rows: dict[str, list[tuple[Path, str]]] = {}
        basis = ""
        for record in result["images"]:
            if record["shows"] in ("source", "reconstructed", styles):
                caption = record["shows"]
                if record["guarantee"]:
                    epsilon, basis = record["guarantee"]["epsilon"], record["guarantee"]["basis"]
                    caption = f"scale {record['scale']:g}\n$\\epsilon$ {number(epsilon)}"
                rows.setdefault(record["source"], []).append((folder / record["file"], caption))
        note = f"$\\epsilon$ by the clip box, basis: {basis}" + ("" if styles == "all" else "; the other codes are in clear")
        return draw_pictures(list(rows.values()), title=f"{STYLE_LABELS[styles].capitalize()}\n({note})")

    return picture


def _table1(result: dict[str, Any], folder: Path) -> Figure:
    """Bars of every metric over the methods, at nearly equal similarity."""
    methods = result["methods"]
    figure = Figure(figsize=(13.2, 7.0))
    for axes, (metric, label) in zip(figure.subplots(2, 3).flat, METRICS.items(), strict=True):
        for at, method in enumerate(methods):
            colour = COLOURS["eve"] if method["method"] == "dp-image" else COLOURS["bob"]
            value = method["images"].get(metric)
            if metric == "frechet":
                if value is not None:
                    axes.bar(at, value, color=colour)
                    label = f"Fréchet distance ({method['images']['frechet_metric']})"
                continue
            found = mean(method["images"], metric)
            if found:
                axes.bar(at, found.value, color=colour)
                axes.errorbar(at, found.value, [[found.value - found.low], [found.high - found.value]], color="#222222")
        if metric == "identity_similarity":
            axes.axhline(result["target_similarity"], color="#222222", ls=":", label="matched to")
            axes.legend()
        axes.set_xticks(range(len(methods)), [_row_name(method, methods) for method in methods], rotation=30, ha="right")
        axes.set(title=label)
    figure.suptitle(f"{title(result, 'At equal similarity')}\n{recogniser(result)}")
    return figure


def _row_name(row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """A method's name, with the amount where it is shown more than once."""
    several = sum(other["method"] == row["method"] for other in rows) > 1
    return f"{row['method']} {row['amount']:g}" if several else row["method"]


def _over_scales(axes: Axes, result: dict[str, Any], metric: str) -> None:
    for styles, colour, marker in (("all", COLOURS["eve"], "s"), ("identity", COLOURS["bob"], "o")):
        points = [point for point in result["points"] if point["styles"] == styles]
        columns = [point["photos"] for point in points]
        scales = [point["scale"] for point in points]
        line(axes, scales, columns, metric, label=STYLE_LABELS[styles], color=colour, marker=marker)
    axes.set(xlabel=SCALE_LABEL)


def _epsilon_above(axes: Axes, result: dict[str, Any]) -> None:
    """The epsilon that noise on all codes gives, by the clip box, on the upper axis."""
    points = [point for point in result["points"] if point["styles"] == "all"][1::2]
    upper = axes.secondary_xaxis("top")
    upper.set_xticks([p["scale"] for p in points], [number(p["guarantee"]["epsilon"]) for p in points], fontsize=9)
    basis = points[0]["guarantee"]["basis"] if points else ""
    upper.set_xlabel(f"$\\epsilon$ of noise on all codes (basis: {basis})", fontsize=9.5)


def _bars(axes: Axes, histogram: dict[str, Any], colour: str) -> None:
    axes.stairs(histogram["counts"], histogram["edges"], fill=True, color=colour, alpha=0.75)


def _heat(figure: Figure | SubFigure, axes: Axes, rows: list[list[float]], label: str, form: str) -> None:
    values = np.array(rows, float)
    np.fill_diagonal(values, np.nan)
    picture = axes.imshow(values, cmap="cividis")
    figure.colorbar(picture, ax=axes, label=label)
    axes.grid(False)
    axes.set(xlabel="photo", ylabel="photo", title=f"{len(values)} photos, {label} {form.format(np.nanmin(values))} to "
             f"{form.format(np.nanmax(values))}")  # fmt: skip
    ticks = range(0, len(values), 5)
    axes.set_xticks(ticks, [str(t + 1) for t in ticks])
    axes.set_yticks(ticks, [str(t + 1) for t in ticks])


DRAWINGS: dict[str, Callable[[dict[str, Any], Path], Figure]] = {
    "fig4": _fig4,
    "fig5": _fig5,
    "fig7": _faces("all"),
    "fig8": _fig8,
    "fig9": _fig9,
    "fig10": _fig10,
    "fig11": _faces("identity"),
    "table1": _table1,
}
