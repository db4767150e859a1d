# SPDX-License-Identifier: Apache-2.0
"""Figs. 3 and 4 of [DPSC]: quality and identity over nominal epsilon, `curves.json`."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semveil.attacks.intervals import Score
from semveil.core.progress import Progress
from semveil.experiments.dp_semcom.measures import measured_point, per_seed, result_of_paper
from semveil.experiments.dp_semcom.setup import Setup, prepare_run
from semveil.experiments.dp_semcom.shown import (
    LABELS,
    MARKERS,
    about,
    epsilon_axis,
    fitted_scale,
    line_of,
    say_what_lacks,
    title_of,
)
from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.plots import COLOURS, above, cautions, doubt, legend, level
from semveil.experiments.kit.statistics import mean, paired
from semveil.experiments.kit.tables import claims_table, markdown, means

NEAR_LPIPS, NEAR_FPPSR = 0.01, 0.05  # tolerances for the paper's "reaches" and "very close"


def _run(setup: Setup, out: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure Bob, Eve and the direct link over all epsilons, per photo and channel seed."""
    first, seeds = next(iter(setup.methods.values())), setup.preset.seeds
    jobs = {name: partial(measured_point, setup, method, seeds) for name, method in setup.methods.items()}
    return {
        **per_seed(setup, first, ["inverted"], seeds[:1]),
        **per_seed(setup, first, ["direct"], seeds),
        "points": each(jobs, keep, progress, "measure"),
    }


def _quality(result: dict[str, Any], folder: Path) -> Figure:
    """Draw LPIPS of Bob and of Eve over nominal epsilon (Fig. 3)."""
    figure = Figure(figsize=(7.2, 4.8))
    axes = figure.subplots()
    _curves(axes, result, "lpips", baselines=("direct", "inverted"))
    axes.set(ylabel="LPIPS (AlexNet) to the source", ylim=(0, None), title=title_of(result, "Image quality"))
    legend(figure, [axes])
    return figure


def _identity(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the fraction rejected by the recogniser over nominal epsilon (Fig. 4).

    The reference is the source photo in one panel, its inversion in the other.
    """
    figure = Figure(figsize=(9.6, 5.2))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, metric, words, baselines in (
        (panels[0], "fppsr", "against the source photo", ("direct", "inverted")),
        (panels[1], "fppsr_to_inversion", "against its inversion", ("direct",)),
    ):
        _curves(axes, result, metric, baselines=baselines)
        axes.set(ylim=(-0.03, 1.03), title=f"FPPSR {words}")
    panels[0].axhspan(0.9, 1.0, color=COLOURS["paper"], alpha=0.25, lw=0, label="Eve, paper (text): .9 to 1")
    panels[0].set_ylabel("fraction rejected by the recogniser (FPPSR)")
    legend(figure, panels)
    verifier = result["config"]["verifier"]
    note = f"{verifier['name']}, threshold {verifier['threshold']:.4g}"
    above(figure, title_of(result, f"Identity ({note})"), result["inverted"])
    return figure


def _curves(axes: Axes, result: dict[str, Any], metric: str, *, baselines: tuple[str, ...]) -> None:
    points = result["points"]
    say_what_lacks(axes, result, metric)
    for party in ("bob", "eve"):
        line_of(axes, points, party, metric, label=LABELS[party], color=COLOURS[party], marker=MARKERS[party])
    for party, style in zip(baselines, ("--", ":"), strict=False):
        level(axes, result[party], metric, color=COLOURS[party], ls=style, label=LABELS[party])
    epsilon_axis(axes, result)


def _table(result: dict[str, Any]) -> list[str]:
    """Return every party's metrics and the fake noise for each nominal epsilon, and the claims."""
    metrics = ("lpips", "lpips_squeeze", "fppsr", "fppsr_to_inversion")
    rows = [
        ["Inversion, no channel", "", *means(result["inverted"], metrics[:3]), "", ""],
        ["Direct, unprotected", "", *means(result["direct"], metrics), ""],
    ]
    head = [
        "", "basis", "LPIPS", "LPIPS-Squeeze", "FPPSR to source", "FPPSR to inversion",
        "fake noise / nominal",
    ]  # fmt: skip
    for party in ("bob", "eve"):
        for p in result["points"]:
            who = f"{party.capitalize()}, nominal ε {p['nominal_epsilon']:g}"
            rows.append([who, p["guarantee"]["basis"], *means(p[party], metrics), f"{fitted_scale(p):.3f}"])
    return [about(result), markdown(head, rows), *cautions(result["inverted"]), claims_table(_judge(result))]


def _difference(a: dict[str, Any], b: dict[str, Any], metric: str) -> Score | None:
    """Mean over photos of a - b, paired by photo and seed; None if either was not measured."""
    return None if a.get(metric) is None or b.get(metric) is None else paired(a, b, metric)


def _judge(result: dict[str, Any]) -> list[Claim]:
    """Check every claim of [DPSC] Section 4.2 that has a number or a direction."""
    return [*_lpips_claims(result), *_fppsr_claims(result), *_others(result)]


def _lpips_claims(result: dict[str, Any]) -> Iterator[Claim]:
    points, direct = result["points"], result["direct"]
    unmeasured = direct["lpips"] is None
    high = [p for p in points if p["nominal_epsilon"] >= 5]
    gaps = [_difference(p["bob"], direct, "lpips") for p in high]
    text = "Bob's LPIPS reaches that of direct transmission for nominal epsilon >= 5"
    if unmeasured or not gaps:
        yield Claim(text, "LPIPS not measured", None)
    else:
        worst = max((g for g in gaps if g), key=lambda g: g.value)
        ours = f"largest mean difference {worst} (tolerance: {NEAR_LPIPS})"
        yield Claim(text, ours, worst.high <= NEAR_LPIPS)

    text = "Eve's LPIPS is about .1 to .2 above Bob's"
    if unmeasured:
        yield Claim(text, "LPIPS not measured", None)
    else:
        gap = [g.value for p in points if (g := _difference(p["eve"], p["bob"], "lpips"))]
        yield Claim(text, f"{_span(gap)} above", min(gap) >= 0.1 and max(gap) <= 0.2)

    for party, name in (("bob", "Bob"), ("eve", "Eve")):
        text = f"{name}'s LPIPS falls as nominal epsilon grows"
        if unmeasured or len(points) < 2:
            yield Claim(text, "LPIPS not measured at several epsilons", None)
        else:
            fall = _difference(points[0][party], points[-1][party], "lpips")
            assert fall is not None
            first, last = (f"{p['nominal_epsilon']:g}" for p in (points[0], points[-1]))
            yield Claim(text, f"by {fall} from nominal epsilon {first} to {last}", fall.low > 0)


def _fppsr_claims(result: dict[str, Any]) -> Iterator[Claim]:
    points, direct, caution = result["points"], result["direct"], doubt(result["inverted"])
    texts = ("Eve's FPPSR is close to .9 to 1", "Bob's FPPSR is very close to that of direct transmission")
    if direct["fppsr"] is None:
        yield from (Claim(text, "recogniser not available", None) for text in texts)
        return
    rates = [m.value for p in points if (m := mean(p["eve"], "fppsr"))]
    suffix = f"; {caution}" if caution else ""
    yield Claim(texts[0], f"{_span(rates)}{suffix}", None if caution else min(rates) >= 0.9)
    gaps = [g for p in points if (g := _difference(p["bob"], direct, "fppsr"))]
    worst = max(gaps, key=lambda g: g.value)
    ours = f"largest mean difference {worst} (tolerance: {NEAR_FPPSR}){suffix}"
    yield Claim(texts[1], ours, None if caution else worst.high <= NEAR_FPPSR)


def _others(result: dict[str, Any]) -> Iterator[Claim]:
    points = result["points"]
    clear = [p for p in points if p["nominal_epsilon"] >= 15]
    if clear:
        rates = [m.value for p in clear if (m := mean(p["eve"], "face_detected"))]
        text = "Eve generates clear face images at nominal epsilon >= 15"
        reference = mean(result["direct"], "face_detected")
        assert reference is not None
        ours = f"face detection rate (dlib) {_span(rates)}; direct transmission {reference.value:.3f}"
        yield Claim(text, ours, min(rates) >= 0.9 * reference.value)
    ratios = [fitted_scale(p) for p in points if p["noise_calibration"]]
    if ratios:
        text = "In general epsilon' > epsilon: the fake noise is smaller than the noise that it imitates"
        ours = f"its fitted scale is {_span(ratios)} times the nominal one (neither is a guarantee)"
        yield Claim(text, ours, max(ratios) < 1)


def _span(numbers: Sequence[float]) -> str:
    low, high = f"{min(numbers):.3f}", f"{max(numbers):.3f}"
    return low if low == high else f"{low} to {high}"


CURVES = result_of_paper(
    "dp-semcom/curves", revision=2, load=partial(prepare_run, "curves"), measure=whole(_run),
    figures={"fig3": _quality, "fig4": _identity}, table=_table, claims=_judge,
)  # fmt: skip
