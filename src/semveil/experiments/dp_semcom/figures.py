"""Draw dp-semcom's figures from their JSON alone, in colours that colour-blind people tell apart."""

import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semveil.core.registry import Registry
from semveil.core.results import read_result
from semveil.experiments.kit.picture_grid import draw_pictures
from semveil.experiments.kit.statistics import mean_of_photos
from semveil.experiments.kit.style import COLOURS, finish, styled

ACCEPTED_INVERSIONS = 0.8  # below this share the recogniser cannot judge what the channel does
X_LABEL = "nominal $\\epsilon$ (a setting, not a guarantee)"
LABELS = {"bob": "Bob", "eve": "Eve", "direct": "Direct transmission without protection", "inverted": "Inversion, no channel"}
MARKERS = {"bob": "o", "eve": "s"}


def draw(path: Path, figure: str) -> Path:
    """Draw one figure of a result file.

    Args:
        path: the JSON of a run; fig5 and fig6 also read the images that it names.
        figure: such as `dp-semcom/fig3`.

    Returns:
        The PNG, beside the JSON.
    """
    name = figure.rsplit("/", 1)[-1]
    picture = styled(lambda: DRAWINGS[figure](read_result(path), path.parent))
    return finish(picture, path.with_name(f"{name}.png"))


def inconclusive(result: dict[str, Any]) -> str | None:
    """Why Fig. 4 says nothing, or None where it does: the recogniser must accept 80 % of the inversions."""
    rate = mean_of_photos(_numbers(result["inverted"]["fppsr"]))
    if rate is None:
        return "INCONCLUSIVE: the recogniser could not be run"
    if 1 - rate.value >= ACCEPTED_INVERSIONS:
        return None
    return f"INCONCLUSIVE: the recogniser accepts {1 - rate.value:.0%} of the inversions themselves (80 % needed)"


def _fig3(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure(figsize=(7.2, 4.8))
    axes = figure.subplots()
    _curves(axes, result, "lpips", baselines=("direct", "inverted"))
    axes.set(ylabel="LPIPS (AlexNet) to the source", ylim=(0, None), title=_title(result, "Image quality"))
    _legend(figure, [axes])
    return figure


def _fig4(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure(figsize=(9.6, 5.2))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, metric, words in zip(
        panels, ("fppsr", "fppsr_to_inversion"), ("against the source photo", "against its inversion"), strict=True
    ):
        _curves(axes, result, metric, baselines=("direct", "inverted") if metric == "fppsr" else ("direct",))
        axes.set(ylim=(-0.03, 1.03), title=f"FPPSR {words}")
    panels[0].axhspan(0.9, 1.0, color=COLOURS["paper"], alpha=0.25, lw=0, label="Eve, the paper's text: .9 to 1")
    panels[0].set_ylabel("share judged another person")
    _legend(figure, panels)
    verdict = inconclusive(result)
    verifier = result["config"]["verifier"]
    note = f"{verifier['name']}, threshold {verifier['threshold']:.4g}"
    title = _title(result, f"Identity ({note})")
    if verdict:
        figure.suptitle(f"{title}\n{verdict}", color="#B00020")
    else:
        figure.suptitle(title)
    return figure


def _noise(result: dict[str, Any], folder: Path) -> Figure:
    """Every way to train the pair: size of its fake noise, its shape, and what Bob and Eve see."""
    figure = Figure(figsize=(9.6, 6.8))
    panels = figure.subplots(2, 2)
    fits: dict[str, Callable[[dict[str, Any]], float]] = {
        "fake noise / noise asked for (scale)": lambda p: p["noise_calibration"]["fit"]["scale"] / p["nominal_scale"],
        "excess kurtosis of the fake noise": lambda p: p["noise_calibration"]["fit"]["excess_kurtosis"],
    }
    groups: dict[str, list[dict[str, Any]]] = {}
    for point in result["points"]:
        label = f"{point['noise']} noise, {point['start']} start" if point["noise"] else "genuine Laplace noise"
        groups.setdefault(label, []).append(point)
    looks: dict[str, dict[str, Any]] = {
        label: {
            "color": colour,
            "marker": "o" if i % 2 else "s",
            "ls": "--" if "fresh" in label else "-",
            "markerfacecolor": "none",
        }
        for i, (label, colour) in enumerate(zip(groups, COLOURS["series"], strict=False))
    }
    for axes, (title, value) in zip(panels[0], fits.items(), strict=True):
        for label, points in groups.items():
            if points[0]["noise_calibration"]:
                x, y = [p["nominal_epsilon"] for p in points], [value(p) for p in points]
                axes.plot(x, y, label=label, **looks[label])
        axes.set(title=title)
    panels[0, 0].axhline(1, color="#777777", ls=":")
    panels[0, 0].set_yscale("log")
    panels[0, 1].axhline(3, color="#777777", ls=":", label="Laplace: 3 (Gaussian: 0)")
    for axes, party in zip(panels[1], ("bob", "eve"), strict=True):
        for label, points in groups.items():
            _line(axes, points, party, "lpips", label=label, **looks[label])
        _say_what_lacks(axes, result, "lpips")
        axes.set(title=f"LPIPS of {LABELS[party]} to the source", ylim=(0, None))
    for axes in panels.flat:
        _epsilon_axis(axes, result)
    _legend(figure, panels.flat)
    figure.suptitle(_title(result, "How the pair is trained"))
    return figure


def _curves(axes: Axes, result: dict[str, Any], metric: str, *, baselines: tuple[str, ...]) -> None:
    points = result["points"]
    _say_what_lacks(axes, result, metric)
    for party in ("bob", "eve"):
        _line(axes, points, party, metric, label=LABELS[party], color=COLOURS[party], marker=MARKERS[party])
    for party, style in zip(baselines, ("--", ":"), strict=False):
        mean = mean_of_photos(_numbers(result[party][metric]))
        if mean:
            axes.axhline(mean.value, color=COLOURS[party], ls=style, label=LABELS[party])
    _epsilon_axis(axes, result)


def _epsilon_axis(axes: Axes, result: dict[str, Any]) -> None:
    axes.set(xscale="log", xlabel=X_LABEL)
    epsilons = sorted({point["nominal_epsilon"] for point in result["points"]})
    axes.set_xticks(epsilons, [f"{e:g}" for e in epsilons], rotation=50, fontsize=9)
    axes.xaxis.minorticks_off()


def _line(axes: Axes, points: list[dict[str, Any]], party: str, metric: str, **style: Any) -> None:
    means = [(p["nominal_epsilon"], mean_of_photos(_numbers(p[party][metric]))) for p in points]
    known = [(x, mean) for x, mean in means if mean]
    if known:
        axes.plot([x for x, _ in known], [m.value for _, m in known], **style)
        axes.fill_between(
            [x for x, _ in known], [m.low for _, m in known], [m.high for _, m in known], color=style["color"], alpha=0.14, lw=0
        )


def _say_what_lacks(axes: Axes, result: dict[str, Any], metric: str) -> None:
    if result["direct"][metric] is None:
        words = textwrap.fill(f"not measured: {result['direct'][f'{metric}_reason']}", 48)
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", fontsize=9)


def _legend(figure: Figure, panels: Iterable[Axes]) -> None:
    """One legend below all panels, each label once."""
    named = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if named:
        figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=3)


def _numbers(rows: list[list[float | None]] | None) -> list[list[float]]:
    return [[float("nan") if v is None else v for v in row] for row in rows or [[None]]]


def _title(result: dict[str, Any], what: str) -> str:
    config = result["config"]
    return f"{what}: {config['photos']['count']} photos, {config['snr_db']:g} dB, {config['model']['name']}"


def _pictures(party: str) -> Callable[[dict[str, Any], Path], Figure]:
    def picture(result: dict[str, Any], folder: Path) -> Figure:
        rows: dict[str, list[tuple[Path, str]]] = {}
        for record in result["images"]:
            row = rows.setdefault(record["source"], [(folder / record["files"]["source"], "source")])
            row.append((folder / record["files"][party], f"nominal $\\epsilon$ = {record['nominal_epsilon']:g}"))
        return draw_pictures(list(rows.values()), title=_title(result, f"What {LABELS[party]} sees"))

    return picture


DRAWINGS: Registry[Callable[[dict[str, Any], Path], Figure]] = Registry("figure")
DRAWINGS.add("dp-semcom/fig3", _fig3)
DRAWINGS.add("dp-semcom/fig4", _fig4)
DRAWINGS.add("dp-semcom/fig5", _pictures("bob"))
DRAWINGS.add("dp-semcom/fig6", _pictures("eve"))
DRAWINGS.add("dp-semcom/noise", _noise)
