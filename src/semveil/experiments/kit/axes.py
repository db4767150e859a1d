"""What the drawings of dp-image and latent-dp share: means over photos as lines, titles that name photos and recogniser."""

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semveil.experiments.kit.statistics import Mean, mean_of_photos

ACCEPTED_INVERSIONS = 0.8  # below this share the recogniser cannot judge what the noise does


def mean(columns: dict[str, Any], metric: str) -> Mean | None:
    """Mean over photos of a metric with one value per photo; None where it was not measured."""
    found = columns.get(metric)
    return None if found is None else mean_of_photos(found)


def line(axes: Axes, x: Sequence[float], columns: Sequence[dict[str, Any]], metric: str, **style: Any) -> None:
    """A mean over photos with its 95 % band."""
    means = [(at, m) for at, m in ((at, mean(c, metric)) for at, c in zip(x, columns, strict=True)) if m]
    if means:
        axes.plot([at for at, _ in means], [m.value for _, m in means], **style)
        band = {"color": style["color"], "alpha": 0.14, "lw": 0}
        axes.fill_between([at for at, _ in means], [m.low for _, m in means], [m.high for _, m in means], **band)


def title(result: dict[str, Any], what: str) -> str:
    """What is shown, of how many photos, by which model."""
    return f"{what}: {result['config']['photos']['count']} photos, {result['config']['model']['name']}"


def recogniser(result: dict[str, Any]) -> str:
    """Who judges identity; only ArcFace is the paper's."""
    verifier = result["config"]["verifier"]
    stands_in = "" if verifier["name"].startswith("arcface") else ", stands in for ArcFace"
    return f"{verifier['name']}{stands_in}; same person from {verifier['threshold']:.4g}"


def doubt(inverted: dict[str, Any]) -> str | None:
    """Why identity says little, or None: the recogniser must accept 80 % of what the networks make without noise."""
    rate = mean(inverted, "fppsr")
    if rate is None:
        return "INCONCLUSIVE: the recogniser could not be run"
    if 1 - rate.value >= ACCEPTED_INVERSIONS:
        return None
    return f"INCONCLUSIVE: the recogniser accepts {1 - rate.value:.0%} of the inversions themselves (80 % needed)"


def legend(figure: Figure, panels: Iterable[Axes], columns: int = 3) -> None:
    """One legend below all panels, each label once."""
    named = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if named:
        figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=columns)


def number(value: float) -> str:
    """An epsilon for a caption.

    Example:
        >>> number(17629.07), number(0.5)
        ('17,629', '0.5')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"
