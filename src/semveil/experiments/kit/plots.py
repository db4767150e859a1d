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

# Okabe and Ito's palette.
COLOURS: Final[dict[str, Any]] = {
    "bob": "#0072B2",
    "eve": "#D55E00",
    "direct": "#222222",
    "inverted": "#009E73",
    "paper": "#E69F00",
    "series": ("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#222222"),
}
_LOOK: Final[Any] = {
    "font.size": 11,
    "axes.titlesize": 11.5,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.fontsize": 9.5,
    "legend.framealpha": 0.9,
    "figure.titlesize": 12.5,
    "figure.constrained_layout.use": True,
}
ACCEPTED_INVERSIONS = 0.8  # below this share the recogniser cannot judge what the noise does


def styled(draw: Callable[[], Figure]) -> Figure:
    """Call what draws with the house style, which leaves matplotlib's own settings as they were."""
    with matplotlib.rc_context(_LOOK):
        return draw()


def finish(figure: Figure, path: Path, *, dpi: int = 150) -> Path:
    """Write a PNG that carries no software, time or path, whole or not at all.

    Args:
        figure: drawn, as `styled` gives it.
        path: of the PNG; a file there is replaced.
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
    """A mean over photos with its 95 % band.

    Args:
        axes: drawn on.
        x: one for each of `columns`.
        columns: metric -> values of photos, as for `mean`; where one lacks the metric, the line goes on
            without it.
        metric: that is averaged.
        **style: of the line, for `Axes.plot`; `color` is needed, which the band takes too.
    """
    means = [(at, m) for at, m in ((at, mean(c, metric)) for at, c in zip(x, columns, strict=True)) if m]
    if means:
        axes.plot([at for at, _ in means], [m.value for _, m in means], **style)
        band = {"color": style["color"], "alpha": 0.14, "lw": 0}
        axes.fill_between(
            [at for at, _ in means], [m.low for _, m in means], [m.high for _, m in means], **band
        )


def level(axes: Axes, columns: dict[str, Any], metric: str, **style: Any) -> None:
    """A horizontal line at a mean over photos; nothing where it was not measured.

    Args:
        axes: drawn on.
        columns: metric -> values of photos, as for `mean`.
        metric: that is averaged.
        **style: of the line, for `Axes.axhline`.
    """
    if found := mean(columns, metric):
        axes.axhline(found.value, **style)


def bar(axes: Axes, at: int, columns: Mapping[str, Any], metric: str, colour: str) -> None:
    """A mean over photos with its 95 % interval, or a single number of a set, as a bar; nothing where it was not measured.

    Args:
        axes: drawn on.
        at: where the bar stands on the x axis.
        columns: metric -> values of photos, as for `mean`, or a number.
        metric: that is shown.
        colour: of the bar; its interval is dark.
    """
    if isinstance(columns.get(metric), float | int):
        axes.bar(at, columns[metric], color=colour)
    elif found := mean(columns, metric):
        axes.bar(at, found.value, color=colour)
        axes.errorbar(
            at, found.value, [[found.value - found.low], [found.high - found.value]], color="#222222"
        )


def heat_table(
    axes: Axes,
    values: NDArray[np.float64],
    columns: Sequence[str],
    rows: Sequence[str],
    *,
    colours: NDArray[np.float64] | None = None,
    top: float = 1.0,
) -> None:
    """A table of numbers from 0 on, each on its colour; NaN stays empty.

    Args:
        axes: to draw in.
        values: (rows, columns).
        columns: their names.
        rows: their names.
        colours: what is coloured in place of the values.
        top: value of the brightest colour.
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
    """What is shown, of how many photos, by which model.

    Args:
        result: of an experiment whose config tells `photos` and `model`.
        what: is shown, in words.
    """
    return f"{what}: {result['config']['photos']['count']} photos, {result['config']['model']['name']}"


def recogniser(result: dict[str, Any]) -> str:
    """Who judges identity; only ArcFace is the paper's."""
    verifier = result["config"]["verifier"]
    stands_in = "" if verifier["name"].startswith("arcface") else " in place of ArcFace"
    return f"{verifier['name']}{stands_in}, threshold {verifier['threshold']:.4g}"


def doubt(inverted: dict[str, Any]) -> str | None:
    """Why identity says little, or None: the recogniser must accept 80 % of what the networks make without noise.

    Args:
        inverted: metric -> values of the photos' inversions without noise, of which `fppsr` decides.
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
    """The doubt as a paragraph of its own, or none.

    Args:
        inverted: as for `doubt`.
    """
    caution = doubt(inverted)
    return [f"**{caution}**"] if caution else []


def above(figure: Figure, words: str, inverted: dict[str, Any]) -> None:
    """The figure's title, in red with the reason where the recogniser is in doubt about the inversions.

    Args:
        figure: that gets the title.
        words: of the title.
        inverted: as for `doubt`.
    """
    caution = doubt(inverted)
    figure.suptitle(f"{words}\n{caution}", color="#B00020") if caution else figure.suptitle(words)


def legend(figure: Figure, panels: Iterable[Axes], columns: int = 3) -> None:
    """One legend below all panels, each label once.

    Args:
        figure: that gets the legend.
        panels: whose labels it has.
        columns: of the legend.
    """
    named = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if named:
        figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=columns)


def number(value: float) -> str:
    """An epsilon for a caption.

    Args:
        value: from 100 on it is rounded to whole numbers.

    Example:
        >>> number(17629.07), number(0.5)
        ('17,629', '0.5')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"
