# SPDX-License-Identifier: Apache-2.0
"""Figs. 4 and 5 of [IDP]: protection and quality over epsilon, `trade-off.json`."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.experiments.identity_dp import rows, shown
from semveil.experiments.identity_dp.bench import CHUNK, PERTURBATIONS, IdentityBench, load, photos_for
from semveil.experiments.identity_dp.paper import result_of_paper
from semveil.experiments.identity_dp.presets import LITERAL, OURS, PUBLISHED
from semveil.experiments.kit.claims import Claim, side
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.latent_measures import over_draws
from semveil.experiments.kit.plots import COLOURS, legend, level, line
from semveil.experiments.kit.statistics import mean, paired, value
from semveil.experiments.kit.tables import claims_table, markdown, means

LOOKS = {
    PUBLISHED: {"color": COLOURS["eve"], "marker": "s"},
    LITERAL: {"color": COLOURS["eve"], "marker": "x", "ls": ":"},
    OURS: {"color": COLOURS["bob"], "marker": "o"},
    "privunit": {"color": COLOURS["paper"], "marker": "^"},
}
Draws = dict[str, list[list[float]]]
"""Metric -> values (draws, photos)."""


def _run(bench: IdentityBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure every metric over epsilons and perturbations, for each photo and draw."""
    photos = bench.photos.images
    settings = [(how, epsilon) for how in PERTURBATIONS for epsilon in bench.preset.epsilons]
    jobs = {f"from {at}": partial(_drawn, bench, settings, at) for at in range(0, len(photos), CHUNK)}
    parts_of_settings = zip(*each(jobs, keep, progress, "measure"), strict=True)
    points = []
    for (how, epsilon), parts in zip(settings, parts_of_settings, strict=True):
        method = bench.method(epsilon, how)
        kept = None if method.law is None else round(float(method.law.cosine_kept()), 6)
        images = {name: over_draws(_side_by_side(parts, name)) for name in parts[0]}
        points.append({"perturbation": how, **rows.claim(method), "cosine_kept": kept, "images": images})
    return {
        "source": rows.found_in_photos(bench),
        "reconstructed": {"images": rows.looks(bench, photos, rows.rebuilt(bench, photos))},
        "other_people": rows.other_people(bench),
        "points": points,
    }


def _side_by_side(parts: Sequence[Draws], name: str) -> list[list[float]]:
    """Concatenate a metric (draws, photos) over parts of the photos; some may lack it."""
    draws = zip(*(part[name] for part in parts if name in part), strict=True)
    return [[value for values in draw for value in values] for draw in draws]


def _drawn(bench: IdentityBench, settings: Sequence[tuple[str, float]], start: int) -> list[Draws]:
    """Metrics of one part of the photos, per setting and draw."""
    part = bench.photos.images[start : start + CHUNK]
    identities, attributes = bench.model.identify(part), bench.model.attributes(part)
    looked = max(0, bench.preset.detected - start)
    found: list[Draws] = []
    for how, epsilon in settings:
        method = bench.method(epsilon, how)
        draws: Draws = {}
        for number in range(bench.preset.draws):
            rng = streams(bench.preset.seed)[f"dp {number} {start}"]  # the same draws at every setting
            images = bench.model.fuse(method.perturb(identities, rng=rng), attributes).clamp(-1, 1)
            # Face detection is the slowest metric: first draw only.
            for name, values in rows.looks(bench, part, images, detected=0 if number else looked).items():
                if values:
                    draws.setdefault(name, []).append(values)
        found.append(draws)
    return found


def _protection(result: dict[str, Any], folder: Path) -> Figure:
    """Draw identity distance and PSR over nominal epsilon, with the paper's values (Fig. 4)."""
    figure = Figure(figsize=(11.4, 5.4))
    left, right = figure.subplots(1, 2)
    judge = shown.distance_judge(result)
    _over_epsilons(left, result, f"identity_distance {judge}")
    others = result["other_people"][f"identity_distance {judge}"]
    if others is not None:
        left.axhline(others, color=COLOURS["direct"], ls=":", label="different people (mean)")
    left.set(ylabel=f"identity distance ({judge})", ylim=(0, None))
    _over_epsilons(right, result, "psr")
    reported = {float(epsilon): rate for epsilon, rate in result["paper"]["psr"].items()}
    theirs = [row for row in result["paper"]["table1"] if row["method"] == "identity-dp"]
    reported |= {float(row["setting"].removeprefix("epsilon ")): row["psr"] for row in theirs}
    look = {"ls": "", "color": "#777777", "ms": 10, "label": "as reported by the paper"}
    right.plot(list(reported), list(reported.values()), "*", **look)
    right.set(ylabel="protection success rate (PSR)", ylim=(-0.03, 1.03))
    return _finished(figure, [left, right], result, "Identity protection")


def _utility(result: dict[str, Any], folder: Path) -> Figure:
    """Draw PSNR, SSIM and detection rate over nominal epsilon (Fig. 5)."""
    figure = Figure(figsize=(14.4, 5.0))
    panels = figure.subplots(1, 3)
    labels = {"psnr": "PSNR (dB)", "ssim": "SSIM", "face_detected": "face detection rate (dlib)"}
    for axes, (metric, label) in zip(panels, labels.items(), strict=True):
        _over_epsilons(axes, result, metric)
        axes.set(ylabel=label)
    level(panels[2], result["source"], "face_detected", color=COLOURS["direct"], ls=":", label="photos")
    panels[2].set(ylim=(0, 1.03))
    return _finished(figure, panels, result, "Image utility")


def _over_epsilons(axes: Axes, result: dict[str, Any], metric: str) -> None:
    for how, look in LOOKS.items():
        points = [point for point in result["points"] if point["perturbation"] == how]
        if points:
            epsilons = [point["nominal_epsilon"] for point in points]
            line(axes, epsilons, [point["images"] for point in points], metric, label=how, **look)
    plain = result["reconstructed"]["images"]
    level(axes, plain, metric, color=COLOURS["inverted"], ls=":", label="no noise")
    axes.set(xscale="log", xlabel="nominal $\\epsilon$ of the identity vector; attributes in the clear")


def _finished(figure: Figure, panels: Sequence[Axes], result: dict[str, Any], what: str) -> Figure:
    legend(figure, panels)
    figure.suptitle(f"{what}: {shown.photos_and_model(result)}\n{shown.judges(result)}")
    return figure


def _table(result: dict[str, Any]) -> list[str]:
    """All metrics for every perturbation and budget, the true epsilons, and the claims."""
    plain, config = result["reconstructed"]["images"], result["config"]
    metrics = [*shown.distances_in(plain), "psr", "psnr", "ssim", "face_detected"]
    head = ["mechanism", "nominal ε", "true ε (basis)", "expected cosine", *map(shown.column, metrics)]
    cells = [["none", "", "", "1", *means(plain, metrics)]]
    for point in result["points"]:
        kept = "" if point["cosine_kept"] is None else f"{point['cosine_kept']:.4f}"
        true = shown.guaranteed(point["of_a_release"])
        what = [point["perturbation"], f"{point['nominal_epsilon']:g}", true, kept]
        cells.append([*what, *means(point["images"], metrics)])
    return [
        shown.about(result),
        f"`as published` uses {config['observed_sensitivity']:.2f}, the largest L1 distance between these "
        f"photos' identity vectors, as the sensitivity; {2 * config['model']['dimension'] ** 0.5:.2f} is the "
        f"bound for any two. The true ε is that of a release with the same noise. {shown.others(result)} ε "
        "covers the identity vector; the attributes are in the clear.",
        markdown(head, cells),
        claims_table(_claims(result), said_by=shown.SAID_BY),
    ]


def _claims(result: dict[str, Any]) -> Iterator[Claim]:
    """Check the claims of [IDP] V-D (Figs. 4 and 5) for each measured reading of its noise."""
    points = {(p["perturbation"], p["nominal_epsilon"]): p["images"] for p in result["points"]}
    epsilons = sorted({epsilon for _, epsilon in points})
    source = value(result["source"], "face_detected")
    for law, words in shown.READINGS.items():
        if (law, epsilons[0]) not in points:  # older results have one reading
            continue
        ends = f"from nominal epsilon {epsilons[0]:g} to {epsilons[-1]:g}; {words}"
        least, most = points[law, epsilons[0]], points[law, epsilons[-1]]
        fall = paired(least, most, "psr")
        text = "A smaller budget protects better: PSR falls as it grows"
        yield Claim(text, f"by {fall} {ends}", fall.low > 0)
        rise = paired(most, least, "ssim")
        text = "Visual similarity improves as the budget grows"
        yield Claim(text, f"SSIM rises by {rise} {ends}", rise.low > 0)
        found = [mean(images, "face_detected") for (how, _), images in points.items() if how == law]
        rates = [m.value / source for m in found if m]
        yield Claim(
            "The face detection rate always remains high",
            f"{min(rates):.3f} to {max(rates):.3f} relative to the photos, all budgets (target: "
            f"{shown.DETECTION_AIM:g}); {words}",
            min(rates) >= shown.DETECTION_AIM,
        )
        drop = paired(least, most, "face_detected")
        yield Claim("It decreases slightly as the budget grows", f"by {drop} {ends}", side(drop, 0))
        small = [epsilon for epsilon in epsilons if epsilon < 10]
        psr, ssim = ([value(points[law, e], metric) for e in small] for metric in ("psr", "ssim"))
        yield Claim(
            "Any budget below 10 anonymises successfully and preserves visual similarity",
            f"PSR {min(psr):.3f} to {max(psr):.3f}, SSIM {min(ssim):.3f} to {max(ssim):.3f} at "
            f"epsilon {small[0]:g} to {small[-1]:g} (targets: PSR {shown.PSR_AIM:g}, SSIM "
            f"{shown.SSIM_AIM:g}); {words}",
            min(psr) >= shown.PSR_AIM and min(ssim) >= shown.SSIM_AIM,
        )


TRADE_OFF = result_of_paper(
    "identity-dp/trade-off",
    load=load(photos_for(lambda preset: preset.photos)),
    measure=whole(_run),
    figures={"fig4": _protection, "fig5": _utility},
    table=_table,
    claims=_claims,
)
