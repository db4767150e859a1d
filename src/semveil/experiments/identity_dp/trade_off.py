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
from semveil.experiments.identity_dp.bench import CHUNK, PERTURBATIONS, IdentityBench, load, photos_for
from semveil.experiments.identity_dp.paper import result_of_paper
from semveil.experiments.identity_dp.presets import LITERAL, OURS, PUBLISHED
from semveil.experiments.identity_dp.rows import claim, looks, other_people, rebuilt
from semveil.experiments.identity_dp.shown import (
    DETECTION_AIM,
    PSR_AIM,
    READINGS,
    SAID_BY,
    SSIM_AIM,
    about,
    column,
    distance_judge,
    distances_in,
    guaranteed,
    judges,
    others,
    photos_and_model,
)
from semveil.experiments.kit.claims import Claim
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


def run(bench: IdentityBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure every metric over epsilons and perturbations, for each photo and draw.

    Args:
        bench: loaded inputs of the run.
        folder: directory of the result file and its images.
        progress: progress callback.
        keep: stores partial results.
    """
    photos = bench.photos.images
    settings = [(how, epsilon) for how in PERTURBATIONS for epsilon in bench.preset.epsilons]
    jobs = {
        f"from {start}": partial(_drawn, bench, settings, start) for start in range(0, len(photos), CHUNK)
    }
    parts_of_settings = zip(*each(jobs, keep, progress, "measure"), strict=True)
    return {
        "source": {"face_detected": looks(bench, photos, photos)["face_detected"]},
        "reconstructed": {"images": looks(bench, photos, rebuilt(bench, photos))},
        "other_people": other_people(bench),
        "points": [
            {
                "perturbation": how,
                **claim(bench.method(epsilon, how)),
                "cosine_kept": _cosine_kept(bench, how, epsilon),
                "images": {name: over_draws(_side_by_side(parts, name)) for name in parts[0]},
            }
            for (how, epsilon), parts in zip(settings, parts_of_settings, strict=True)
        ],
    }


def _side_by_side(parts: Sequence[dict[str, list[list[float]]]], name: str) -> list[list[float]]:
    """Concatenate a metric (draws, photos) over parts of the photos; some may lack it."""
    rows = [part[name] for part in parts if name in part]
    return [[value for row in draw for value in row] for draw in zip(*rows, strict=True)]


def _drawn(
    bench: IdentityBench, settings: Sequence[tuple[str, float]], start: int
) -> list[dict[str, list[list[float]]]]:
    """Metrics of one part of the photos, per setting and draw."""
    part = bench.photos.images[start : start + CHUNK]
    identities, attributes = bench.model.identify(part), bench.model.attributes(part)
    looked = max(0, bench.preset.detected - start)
    found: list[dict[str, list[list[float]]]] = []
    for how, epsilon in settings:
        method = bench.method(epsilon, how)
        rows: dict[str, list[list[float]]] = {}
        for number in range(bench.preset.draws):
            rng = streams(bench.preset.seed)[f"dp {number} {start}"]  # the same draws at every setting
            images = bench.model.fuse(method.perturb(identities, rng=rng), attributes).clamp(-1, 1)
            # Face detection is the slowest metric: first draw only.
            for name, values in looks(bench, part, images, detected=0 if number else looked).items():
                if values:
                    rows.setdefault(name, []).append(values)
        found.append(rows)
    return found


def _cosine_kept(bench: IdentityBench, how: str, epsilon: float) -> float | None:
    law = bench.method(epsilon, how).law
    return None if law is None else round(float(law.cosine_kept()), 6)


def protection(result: dict[str, Any], folder: Path) -> Figure:
    """Draw identity distance and PSR over nominal epsilon, with the paper's values (Fig. 4).

    Args:
        result: content of `trade-off.json`.
        folder: directory of the result file and its images.
    """
    figure = Figure(figsize=(11.4, 5.4))
    left, right = figure.subplots(1, 2)
    judge = distance_judge(result)
    _over_epsilons(left, result, f"identity_distance {judge}")
    others = result["other_people"][f"identity_distance {judge}"]
    if others is not None:
        left.axhline(others, color=COLOURS["direct"], ls=":", label="different people (mean)")
    left.set(ylabel=f"identity distance ({judge})", ylim=(0, None))
    _over_epsilons(right, result, "psr")
    reported = {float(epsilon): rate for epsilon, rate in result["paper"]["psr"].items()}
    theirs = [row for row in result["paper"]["table1"] if row["method"] == "identity-dp"]
    reported |= {float(row["setting"].removeprefix("epsilon ")): row["psr"] for row in theirs}
    right.plot(
        list(reported),
        list(reported.values()),
        "*",
        ls="",
        color="#777777",
        ms=10,
        label="as reported by the paper",
    )
    right.set(ylabel="protection success rate (PSR)", ylim=(-0.03, 1.03))
    return _finished(figure, [left, right], result, "Identity protection")


def utility(result: dict[str, Any], folder: Path) -> Figure:
    """Draw PSNR, SSIM and detection rate over nominal epsilon (Fig. 5).

    Args:
        result: content of `trade-off.json`.
        folder: directory of the result file and its images.
    """
    figure = Figure(figsize=(14.4, 5.0))
    panels = figure.subplots(1, 3)
    for axes, metric, label in zip(
        panels,
        ("psnr", "ssim", "face_detected"),
        ("PSNR (dB)", "SSIM", "face detection rate (dlib)"),
        strict=True,
    ):
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
    level(
        axes, result["reconstructed"]["images"], metric, color=COLOURS["inverted"], ls=":", label="no noise"
    )
    axes.set(xscale="log", xlabel="nominal $\\epsilon$ of the identity vector; attributes in the clear")


def _finished(figure: Figure, panels: Sequence[Axes], result: dict[str, Any], what: str) -> Figure:
    legend(figure, panels)
    figure.suptitle(f"{what}: {photos_and_model(result)}\n{judges(result)}")
    return figure


def table(result: dict[str, Any]) -> list[str]:
    """All metrics for every perturbation and budget, the true epsilons, and the claims.

    Args:
        result: content of `trade-off.json`.
    """
    names = distances_in(result["reconstructed"]["images"])
    metrics = [*names, "psr", "psnr", "ssim", "face_detected"]
    head = ["mechanism", "nominal ε", "true ε (basis)", "expected cosine", *map(column, metrics)]
    rows = [["none", "", "", "1", *means(result["reconstructed"]["images"], metrics)]]
    for point in result["points"]:
        kept = point["cosine_kept"]
        what = [point["perturbation"], f"{point['nominal_epsilon']:g}", guaranteed(point["of_a_release"])]
        rows.append([*what, "" if kept is None else f"{kept:.4f}", *means(point["images"], metrics)])
    observed = result["config"]["observed_sensitivity"]
    d = result["config"]["model"]["dimension"]
    return [
        about(result),
        f"`as published` uses {observed:.2f}, the largest L1 distance between these photos' identity "
        f"vectors, as the sensitivity; {2 * d**0.5:.2f} is the bound for any two. The true ε is that of a "
        f"release with the same noise. Identity distance between different people: {others(result)}. ε "
        "covers the identity vector; the attributes are in the clear.",
        markdown(head, rows),
        claims_table(judge(result), said_by=SAID_BY),
    ]


def judge(result: dict[str, Any]) -> Iterator[Claim]:
    """Check the claims of [IDP] V-D (Figs. 4 and 5) for each measured reading of its noise.

    Args:
        result: content of `trade-off.json`.
    """
    points = {(p["perturbation"], p["nominal_epsilon"]): p["images"] for p in result["points"]}
    epsilons = sorted({epsilon for _, epsilon in points})
    ends = f"from nominal epsilon {epsilons[0]:g} to {epsilons[-1]:g}"
    source = value(result["source"], "face_detected")
    for law, words in READINGS.items():
        if (law, epsilons[0]) not in points:  # older results have one reading
            continue
        least, most = points[law, epsilons[0]], points[law, epsilons[-1]]
        fall = paired(least, most, "psr")
        text = "A smaller budget protects better: PSR falls as it grows"
        yield Claim(text, f"by {fall} {ends}; {words}", fall.low > 0)
        rise = paired(most, least, "ssim")
        text = "Visual similarity improves as the budget grows"
        yield Claim(text, f"SSIM rises by {rise} {ends}; {words}", rise.low > 0)
        rates = [
            m.value / source
            for (how, _), p in points.items()
            if how == law and (m := mean(p, "face_detected"))
        ]
        yield Claim(
            "The face detection rate always remains high",
            f"{min(rates):.3f} to {max(rates):.3f} relative to the photos, all budgets (target: "
            f"{DETECTION_AIM:g}); {words}",
            min(rates) >= DETECTION_AIM,
        )
        drop = paired(least, most, "face_detected")
        text = "It decreases slightly as the budget grows"
        yield Claim(text, f"by {drop} {ends}; {words}", None if drop.low <= 0 <= drop.high else drop.low > 0)
        small = [epsilon for epsilon in epsilons if epsilon < 10]
        rates = [value(points[law, epsilon], "psr") for epsilon in small]
        likeness = [value(points[law, epsilon], "ssim") for epsilon in small]
        yield Claim(
            "Any budget below 10 anonymises successfully and preserves visual similarity",
            f"PSR {min(rates):.3f} to {max(rates):.3f}, SSIM {min(likeness):.3f} to {max(likeness):.3f} at "
            f"epsilon {small[0]:g} to {small[-1]:g} (targets: PSR {PSR_AIM:g}, SSIM {SSIM_AIM:g}); {words}",
            min(rates) >= PSR_AIM and min(likeness) >= SSIM_AIM,
        )


TRADE_OFF = result_of_paper(
    "identity-dp/trade-off",
    load=load(photos_for(lambda preset: preset.photos)),
    measure=whole(run),
    figures={"fig4": protection, "fig5": utility},
    table=table,
    claims=judge,
)
