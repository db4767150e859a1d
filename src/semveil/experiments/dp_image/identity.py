# SPDX-License-Identifier: Apache-2.0
"""Figs. 9 and 10 of [DPI]: identity over noise scale, `identity.json`."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.experiments.dp_image.paper import result_of_paper
from semveil.experiments.dp_image.pictures import STYLE_LABELS
from semveil.experiments.kit import plots
from semveil.experiments.kit.claims import Claim, side
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.latent_bench import LatentBench, load
from semveil.experiments.kit.latent_measures import identity, over_draws
from semveil.experiments.kit.latent_tables import about, guaranteed, in_doubt
from semveil.experiments.kit.statistics import mean, paired
from semveil.experiments.kit.tables import claims_table, heads, markdown, means
from semveil.methods.dp_image import SENSITIVITIES, STYLES, DPImage
from semveil.metrics import face_detected

WITHOUT_NOISE = {"color": plots.COLOURS["inverted"], "ls": ":", "label": "no noise (inversion)"}
SCALE_LABEL = "noise scale $\\Delta f/\\epsilon$ (latent units)"


def _run(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure similarity and FPPSR over scales, with noise on all codes and on the identity codes."""
    source = bench.photos.images
    inverted = bench.model.synthesize(bench.latents).clamp(-1, 1)
    jobs = {
        f"{styles} {scale:g}": partial(_point, bench, inverted, styles, scale)
        for styles in STYLES
        for scale in bench.preset.scales
    }
    points = each(jobs, keep, progress, "measure")
    embedded = bench.verifier.embed(source)
    others = bench.verifier.similarities(embedded, embedded)[~torch.eye(len(source), dtype=torch.bool)]
    return {
        "inverted": {
            **{name: over_draws([values]) for name, values in identity(bench, source, inverted).items()},
            "face_detected": face_detected(inverted[: bench.preset.detected]).float().tolist(),
        },
        "other_people": {"identity_similarity": round(float(others.mean()), 4) if len(others) else None},
        "points": points,
    }


def _point(bench: LatentBench, inverted: Tensor, styles: str, scale: float) -> dict[str, Any]:
    """Measure one noise scale, on all codes or on the identity codes."""
    method = DPImage(bench.model, scale=scale, styles=styles)
    columns: dict[str, list[list[float]]] = {}
    found: Tensor | None = None
    for draw_number in range(bench.preset.draws):
        rng = streams(bench.preset.seed)[f"dp {draw_number}"]  # the same draws at every scale
        images = method.protect_latents(bench.latents, rng=rng).images.clamp(-1, 1)
        for suffix, reference in (("", bench.photos.images), ("_to_inversion", inverted)):
            for name, values in identity(bench, reference, images).items():
                columns.setdefault(name + suffix, []).append(values)
        found = face_detected(images[: bench.preset.detected]) if found is None else found
    assert found is not None
    return {
        "styles": styles,
        "scale": scale,
        "guarantee": method.guarantee(simulated=True).as_dict(),
        "of_a_release": _readings(bench, scale, styles),
        "photos": {
            **{name: over_draws(rows) for name, rows in columns.items()},
            "face_detected": found.float().tolist(),
        },
    }


def _readings(bench: LatentBench, scale: float, styles: str) -> dict[str, Any]:
    """Guarantee of a release with this noise, by kind of sensitivity."""
    found = {}
    for kind in SENSITIVITIES:
        try:
            method = DPImage(bench.model, scale=scale, styles=styles, sensitivity=kind)
            found[kind] = method.guarantee().as_dict()
        except ValueError as error:  # distances were not measured for this model
            found[kind] = {"epsilon": None, "basis": "none", "reason": str(error)}
    return found


def _similarity_drawn(result: dict[str, Any], folder: Path) -> Figure:
    """Draw identity similarity over scales (Fig. 9), for noise on all codes and on the identity codes."""
    figure = Figure(figsize=(7.6, 5.2))
    axes = figure.subplots()
    _over_scales(axes, result, "identity_similarity")
    plots.level(axes, result["inverted"], "identity_similarity", **WITHOUT_NOISE)
    threshold = result["config"]["verifier"]["threshold"]
    axes.axhline(threshold, color=plots.COLOURS["direct"], ls="--", label="verification threshold")
    others = result["other_people"]["identity_similarity"]
    if others is not None:
        axes.axhline(others, color=plots.COLOURS["direct"], ls=":", label="different people (mean)")
    axes.set(ylabel="identity similarity to the photo")
    _epsilon_above(axes, result)
    plots.legend(figure, [axes], 2)
    figure.suptitle(f"{plots.title(result, 'Identity similarity')}\n{plots.recogniser(result)}")
    return figure


def _shares_drawn(result: dict[str, Any], folder: Path) -> Figure:
    """Draw FPPSR and face detection rate over scales (Fig. 10)."""
    figure = Figure(figsize=(11.4, 5.2))
    left, right = figure.subplots(1, 2)
    _over_scales(left, result, "fppsr")
    plots.level(left, result["inverted"], "fppsr", **WITHOUT_NOISE)
    left.set(ylabel="fraction rejected by the recogniser (FPPSR)", ylim=(-0.03, 1.03))
    _over_scales(right, result, "face_detected")
    right.set(ylabel="face detection rate (dlib)", ylim=(-0.03, 1.03))
    for axes in (left, right):
        _epsilon_above(axes, result)
    plots.legend(figure, [left])
    plots.above(figure, f"{plots.title(result, 'FPPSR')}\n{plots.recogniser(result)}", result["inverted"])
    return figure


def _over_scales(axes: Axes, result: dict[str, Any], metric: str) -> None:
    for styles, colour, marker in (
        ("all", plots.COLOURS["eve"], "s"),
        ("identity", plots.COLOURS["bob"], "o"),
    ):
        points = [point for point in result["points"] if point["styles"] == styles]
        columns = [point["photos"] for point in points]
        scales = [point["scale"] for point in points]
        plots.line(axes, scales, columns, metric, label=STYLE_LABELS[styles], color=colour, marker=marker)
    axes.set(xlabel=SCALE_LABEL)


def _epsilon_above(axes: Axes, result: dict[str, Any]) -> None:
    """Label the upper axis with epsilon by the clip box, for noise on all codes."""
    points = [point for point in result["points"] if point["styles"] == "all"][1::2]
    upper, epsilons = axes.secondary_xaxis("top"), [plots.number(p["guarantee"]["epsilon"]) for p in points]
    upper.set_xticks([p["scale"] for p in points], epsilons, fontsize=9)
    basis = points[0]["guarantee"]["basis"] if points else ""
    upper.set_xlabel(f"$\\epsilon$ of noise on all codes (basis: {basis})", fontsize=9.5)


def _table(result: dict[str, Any]) -> Iterator[str]:
    """Epsilons and metrics at every scale, and the paper's claims."""
    epsilons = ["ε by the clip box", "ε as published (observed)", "privacy loss per unit of L1"]
    metrics = ("identity_similarity", "fppsr", "fppsr_to_inversion", "face_detected")
    head = ["noisy codes", "scale", *epsilons, *heads(metrics)]
    similarity, rate, face = means(result["inverted"], ("identity_similarity", "fppsr", "face_detected"))
    rows = [["no noise (inversion)", "", "", "", "", similarity, rate, "", face]]
    for point in result["points"]:
        release = point["of_a_release"]
        per_unit = release["metric"]["metric"]["rate"]
        claims = [*(guaranteed(release[kind]) for kind in ("box", "observed")), f"{per_unit:.3g}"]
        codes = "all codes" if point["styles"] == "all" else "identity codes"
        rows.append([codes, f"{point['scale']:g}", *claims, *means(point["photos"], metrics)])
    yield from (about(result), *plots.cautions(result["inverted"]))
    yield (
        f"Mean over {result['config']['preset']['draws']} draws per photo. Mean similarity between "
        f"different people: {result['other_people']['identity_similarity']}. The epsilons are those of a "
        "release; the noise of these runs is simulated."
    )
    yield from (markdown(head, rows), claims_table(_judge(result)))


def _judge(result: dict[str, Any]) -> Iterator[Claim]:
    """Check the claims of [DPI] 4.2.2 and 5.2 (Figs. 9 to 11)."""
    points = {(p["styles"], p["scale"]): p for p in result["points"]}
    scales = sorted({scale for _, scale in points})
    first, last = points["all", scales[0]], points["all", scales[-1]]
    fall = paired(first["photos"], last["photos"], "identity_similarity")
    yield Claim(
        "Similarity to the photo falls as the noise grows",
        f"by {fall} from scale {scales[0]:g} to {scales[-1]:g}",
        fall.low > 0,
    )
    for text, scale, changed in (
        ("At scale 0.2 most identities are unchanged", 0.2, False),
        ("At scale 1 the majority of identities has changed", 1.0, True),
    ):
        point = points.get(("all", scale))
        if point is None:
            yield Claim(text, "not measured at this scale", None)
            continue
        rates = [mean(point["photos"], metric) for metric in ("fppsr", "fppsr_to_inversion")]
        holds = [side(rate, 0.5) for rate in rates]
        guarantee = point["guarantee"]
        yield Claim(
            text,
            f"FPPSR {rates[0]} against the photo, {rates[1]} against its inversion; epsilon "
            f"{guarantee['epsilon']:,.0f} (basis: {guarantee['basis']}){in_doubt(result['inverted'])}",
            (holds[0] is changed) if holds[0] is holds[1] and holds[0] is not None else None,
        )
    gaps = {
        s: paired(points["identity", s]["photos"], points["all", s]["photos"], "face_detected")
        for s in scales
    }
    scale, gap = max(gaps.items(), key=lambda item: item[1].value)
    yield Claim(
        "Noise on the identity codes alone gives more realistic faces than noise on all",
        f"face detection rate (dlib) higher by {gap} at scale {scale:g}, where the difference is largest",
        side(gap, 0),
    )


IDENTITY = result_of_paper(
    "dp-image/identity", revision=2, load=load(lambda preset: preset.photos), measure=whole(_run),
    figures={"fig9": _similarity_drawn, "fig10": _shares_drawn}, table=_table, claims=_judge,
)  # fmt: skip
