"""Draw noise-image's tables and figures from their JSON alone, and the pictures that it names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from semveil.core.registry import Registry
from semveil.core.results import read_result
from semveil.experiments.kit.statistics import mean_of_photos
from semveil.experiments.kit.style import COLOURS, finish, styled
from semveil.experiments.noise_image.tables import attack_rows, cells_by_setting, mean_accuracy

CELL = 1.0  # inches, of one picture
LETTER = 0.09  # of one letter of a row's name


def draw(path: Path, figure: str) -> Path:
    """Draw a table or figure of a result file; the PNG lies beside it."""
    name = figure.rpartition("/")[2]
    return finish(styled(lambda: DRAWINGS[name](read_result(path), path.parent)), path.with_name(f"{name}.png"))


def _table3(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure(figsize=(8.5, 4.6))
    ours, theirs = figure.subplots(1, 2)
    for number, (setting, cells) in enumerate(cells_by_setting(result).items()):
        colour, dash = COLOURS["series"][number % 5], ("-", "--", ":")[number // 5]
        means = {sigma: mean_accuracy(of) for sigma, of in cells.items()}
        bars = np.array([[m.value - m.low, m.high - m.value] for m in means.values()]).T
        shifted = [sigma + 0.03 * (number - 3) for sigma in means]
        ours.errorbar(
            shifted, [m.value for m in means.values()], bars, color=colour, ls=dash, marker="o", label=_label(setting)
        )
        if setting in result["paper"]["table3"]:
            theirs.plot([3, 4, 5], result["paper"]["table3"][setting], color=colour, ls=dash, marker="o")
    chance = result["explainer"]["chance"]
    ours.axhline(chance, color="grey", lw=1, ls=":")
    ours.annotate("chance", (3, chance), xytext=(0, 3), textcoords="offset points", fontsize=9, color="grey")
    for axes, title in ((ours, "here"), (theirs, "the paper (Table 3)")):
        axes.set(title=title, xlabel="σ", ylabel="accuracy of the service model", xticks=[3, 4, 5])
    theirs.axhline(result["paper"]["explainer"], color="grey", lw=1)
    figure.legend(*ours.get_legend_handles_labels(), loc="outside lower center", ncols=3, handlelength=4)
    explainer = result["explainer"]["accuracy"]["value"]
    figure.suptitle(f"Classes from converted pictures; the explainer has {explainer:.3f} on clean ones (paper: .720)")
    return figure


def _table4(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure(figsize=(6, 4.2))
    axes = figure.subplots()
    shown = {setting: of for setting, of in cells_by_setting(result).items() if setting in result["paper"]["table4"]}
    for number, (setting, cells) in enumerate(shown.items()):
        found = {sigma: mean_of_photos([cell["ssim"] for cell in of]) for sigma, of in cells.items()}
        means = {sigma: mean for sigma, mean in found.items() if mean}
        bars = np.array([[m.value - m.low, m.high - m.value] for m in means.values()]).T
        colour = COLOURS["series"][number % 5]
        shifted = [sigma + 0.03 * (number - 3) for sigma in means]
        axes.errorbar(shifted, [m.value for m in means.values()], bars, color=colour, marker="o", label=_label(setting))
        axes.plot([3, 4, 5], result["paper"]["table4"][setting], color=colour, ls=":", marker="x")
    axes.set(xlabel="σ", ylabel="SSIM to the picture", xticks=[3, 4, 5], title="Table 4 (dotted: the paper, 224 px)")
    axes.legend()
    return figure


def _strips(name: str, title: str) -> Callable[[dict[str, Any], Path], Figure]:
    """Rows of pictures."""

    def drawing(result: dict[str, Any], folder: Path) -> Figure:
        shown = result["pictures"][name]
        rows = shown["rows"]
        named = LETTER * max(len(row["shows"]) for row in rows)
        figure = Figure(figsize=(CELL * len(shown["pictures"]) + named + 1, CELL * len(rows) + 0.5))
        for axes, row in zip(np.atleast_1d(figure.subplots(len(rows), 1)), rows, strict=True):
            with Image.open(folder / row["file"]) as image:
                axes.imshow(np.asarray(image), interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
            axes.set_ylabel(row["shows"], rotation=0, ha="right", va="center")
        figure.suptitle(title)
        return figure

    return drawing


def _attack(result: dict[str, Any], folder: Path) -> Figure:
    rows = attack_rows(result)
    figure = Figure(figsize=(9, 0.45 * len(rows) + 1.4))
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(rows))[::-1]
    for axes, column, label in (
        (left, "ssim", "SSIM of what is rebuilt"),
        (right, "classified", "classified right when rebuilt"),
    ):
        found = [row[column] for row in rows]
        _bars(axes, places, found, label)
    left.set_yticks(places, [_label(row["name"]) for row in rows])
    right.axvline(result["attack"]["source"]["classified"]["value"], color="grey", lw=1)
    right.axvline(result["explainer"]["chance"], color="grey", lw=1, ls=":")
    figure.suptitle("What an inverter rebuilds (lines at the right: the pictures themselves; chance)")
    return figure


def _variants(result: dict[str, Any], folder: Path) -> Figure:
    found = result["variants"]
    figure = Figure(figsize=(8, 0.4 * len(found) + 1.2))
    axes = figure.subplots()
    places = np.arange(len(found))[::-1]
    scores = [case["accuracy"] for case in found.values()]
    _bars(axes, places, [(s["value"], s["low"], s["high"]) for s in scores], "accuracy of the service model")
    axes.plot([case["chance"] for case in found.values()], places, "|", color="black", ms=14, label="chance")
    axes.set_yticks(places, list(found))
    axes.legend()
    figure.suptitle("What a guarantee costs in accuracy")
    return figure


def _bars(axes: Axes, places: "np.ndarray[Any, Any]", found: list[tuple[float, float, float]], label: str) -> None:
    values, low, high = np.array(found).T
    axes.barh(places, values, xerr=[values - low, high - values], color=COLOURS["series"][1])
    axes.set_xlabel(label)


def _label(setting: str) -> str:
    for name, sign in (("sigma", "σ"), ("epsilon", "ε"), ("delta", "δ"), ("noised", "n(x), true noise")):
        setting = setting.replace(name, sign)
    return setting


DRAWINGS: Registry[Callable[[dict[str, Any], Path], Figure]] = Registry("figure")
for _name, _drawing in (
    ("table3", _table3),
    ("table4", _table4),
    ("fig3", _strips("fig3", "True noise n(x) and converted pictures g(x), ε = 0.1, δ = 0.9")),
    ("fig4", _strips("fig4", "Explanations, σ = 3, ε = 0.1, δ = 1e-5")),
    ("fig5", _strips("fig5", "Explanations h∘f∘g(x) under a strong and a weak N")),
    ("attack", _attack),
    ("variants", _variants),
):
    DRAWINGS.add(_name, _drawing)
