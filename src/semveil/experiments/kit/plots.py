# SPDX-License-Identifier: Apache-2.0
"""Common style of all figures: lines of means, titles with photos and recogniser, legends."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from semveil.core.files import write_whole
from semveil.experiments.kit.statistics import mean

# Palette of Okabe and Ito.
COLOURS: Final[dict[str, Any]] = {
    "bob": "#0072B2", "eve": "#D55E00", "direct": "#222222", "inverted": "#009E73", "paper": "#E69F00",
    "series": ("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#222222"),
}  # fmt: skip
_LOOK: Final[Any] = {
    "font.size": 11, "axes.titlesize": 11.5, "axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False,
    "axes.spines.right": False, "lines.linewidth": 1.8, "lines.markersize": 5, "legend.fontsize": 9.5,
    "legend.framealpha": 0.9, "figure.titlesize": 12.5, "figure.constrained_layout.use": True,
}  # fmt: skip
ACCEPTED_INVERSIONS = 0.8  # below this share the recogniser cannot measure the effect of the noise


def styled(draw: Callable[[], Figure]) -> Figure:
    """Call a drawing function with the house style, without changing matplotlib's global settings.

    Args:
        draw: draws and returns a figure.
    """
    with matplotlib.rc_context(_LOOK):
        return draw()


def finish(figure: Figure, path: Path, *, dpi: int = 150) -> Path:
    """Write a figure as PNG, atomically and without metadata (software, time or path).

    Args:
        figure: a figure drawn by `styled`.
        path: path of the PNG; an existing file is replaced.
        dpi: dots per inch.
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context(_LOOK):
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    write_whole(path, buffer.getvalue())
    return path


def line(
    axes: Axes, x: Sequence[float], columns: Sequence[dict[str, Any]], metric: str, **style: Any
) -> None:
    """Draw a line of means over photos with its 95 % band.

    Args:
        axes: target of the drawing.
        x: one position for each of `columns`.
        columns: metric -> values of photos, as for `mean`; points without the metric are skipped.
        metric: metric to average.
        **style: keywords of `Axes.plot`; `color` is required and used for the band too.
    """
    means = [(at, m) for at, m in ((at, mean(c, metric)) for at, c in zip(x, columns, strict=True)) if m]
    if means:
        axes.plot([at for at, _ in means], [m.value for _, m in means], **style)
        low, high = [m.low for _, m in means], [m.high for _, m in means]
        axes.fill_between([at for at, _ in means], low, high, color=style["color"], alpha=0.14, lw=0)


def level(axes: Axes, columns: dict[str, Any], metric: str, **style: Any) -> None:
    """Draw a horizontal line at a mean over photos; nothing if it was not measured.

    Args:
        axes: target of the drawing.
        columns: metric -> values of photos, as for `mean`.
        metric: metric to average.
        **style: keywords of `Axes.axhline`.
    """
    if found := mean(columns, metric):
        axes.axhline(found.value, **style)


def bar(axes: Axes, at: int, columns: Mapping[str, Any], metric: str, colour: str) -> None:
    """Draw a bar of a mean over photos with its 95 % interval, or of a single number.

    Nothing is drawn if the metric was not measured.

    Args:
        axes: target of the drawing.
        at: position on the x axis.
        columns: metric -> values of photos, as for `mean`, or a number.
        metric: metric to show.
        colour: colour of the bar.
    """
    if isinstance(columns.get(metric), float | int):
        axes.bar(at, columns[metric], color=colour)
    elif found := mean(columns, metric):
        axes.bar(at, found.value, color=colour)
        lengths = [[found.value - found.low], [found.high - found.value]]
        axes.errorbar(at, found.value, lengths, color="#222222")


def heat_table(
    axes: Axes,
    values: NDArray[np.float64],
    columns: Sequence[str],
    rows: Sequence[str],
    *,
    colours: NDArray[np.float64] | None = None,
    top: float = 1.0,
) -> None:
    """Draw a table of non-negative numbers on a colour map; NaN cells are empty.

    Args:
        axes: target of the drawing.
        values: (rows, columns).
        columns: names of the columns.
        rows: names of the rows.
        colours: (rows, columns), numbers to colour the cells by; None for the values.
        top: number with the brightest colour.
    """
    shown = values if colours is None else colours
    axes.imshow(shown, cmap="cividis", vmin=0, vmax=top, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = f"{value:.2f}".removeprefix("0") if value < 1 else "1"
            ink = "black" if shown[row, column] > 0.55 * top else "white"
            axes.text(column, row, text, ha="center", va="center", fontsize=9, color=ink)
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(False)


def title(result: dict[str, Any], what: str) -> str:
    """Return a figure's title: content, number of photos and model.

    Args:
        result: result of an experiment; its config has `photos` and `model`.
        what: content of the figure, in words.
    """
    return f"{what}: {result['config']['photos']['count']} photos, {result['config']['model']['name']}"


def recogniser(result: dict[str, Any]) -> str:
    """Return the recogniser's name and threshold, with a note unless it is the paper's ArcFace.

    Args:
        result: content of a result file; its config has `verifier`.
    """
    verifier = result["config"]["verifier"]
    stands_in = "" if verifier["name"].startswith("arcface") else " in place of ArcFace"
    return f"{verifier['name']}{stands_in}, threshold {verifier['threshold']:.4g}"


def doubt(inverted: dict[str, Any]) -> str | None:
    """Return a warning if identity is inconclusive, otherwise None.

    The recogniser must accept 80 % of the inversions without noise.

    Args:
        inverted: metric -> values of the photos' inversions without noise; `fppsr` is used.
    """
    rate = mean(inverted, "fppsr")
    if rate is None:
        return "INCONCLUSIVE: recogniser not available"
    if 1 - rate.value >= ACCEPTED_INVERSIONS:
        return None
    return (
        f"INCONCLUSIVE: the recogniser accepts only {1 - rate.value:.0%} of the noise-free inversions "
        "(80% required)"
    )


def cautions(inverted: dict[str, Any]) -> list[str]:
    """Return the warning of `doubt` as a list of one paragraph, or an empty list.

    Args:
        inverted: as for `doubt`.
    """
    caution = doubt(inverted)
    return [f"**{caution}**"] if caution else []


def above(figure: Figure, words: str, inverted: dict[str, Any]) -> None:
    """Set a figure's title, in red with the warning of `doubt` if there is one.

    Args:
        figure: figure that gets the title.
        words: text of the title.
        inverted: as for `doubt`.
    """
    caution = doubt(inverted)
    figure.suptitle(f"{words}\n{caution}", color="#B00020") if caution else figure.suptitle(words)


def legend(figure: Figure, panels: Iterable[Axes], columns: int = 3) -> None:
    """Add one legend below all panels, each label once.

    Args:
        figure: figure that gets the legend.
        panels: axes with the labelled lines.
        columns: number of columns of the legend.
    """
    named = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if named:
        figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=columns)


def number(value: float) -> str:
    """Format an epsilon for a caption.

    Args:
        value: the epsilon; from 100 on it is rounded to an integer.

    Example:
        >>> number(17629.07), number(0.5)
        ('17,629', '0.5')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"
