# SPDX-License-Identifier: Apache-2.0
"""Fig. 8 of [LDP]: quality and identity over epsilon for several clip bounds, `trade-off.json`."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.experiments.kit.claims import Claim, agreed, side
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.latent_bench import LatentBench, load
from semveil.experiments.kit.latent_measures import looks, looks_and_distances, over_draws
from semveil.experiments.kit.latent_tables import about, guaranteed, in_doubt
from semveil.experiments.kit.plots import COLOURS, cautions, legend, level, line, title
from semveil.experiments.kit.statistics import mean, paired
from semveil.experiments.kit.tables import claims_table, heads, markdown, means
from semveil.experiments.latent_dp.common import FACES, bounds, method_of, result_of_paper
from semveil.methods.latent_dp import LatentDP

MARKERS = ("o", "s", "^", "D", "v")
PANELS = {
    "ssim": "SSIM",
    "psnr": "PSNR (dB)",
    "frechet": "Fréchet distance",
    "face_detected": "face detection rate (dlib)",
}
NOT_IDENTIFIED = 0.9  # FPPSR that counts as "infeasible to identify"


def _run(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure quality and identity over epsilon and clip bounds, with noise and with clipping only."""
    preset = bench.preset
    totals = [e * bench.coordinates for e in preset.epsilons_per_coordinate]
    settings = [(clip, epsilon) for clip in preset.clips for epsilon in (None, *totals)]
    plain = bench.model.synthesize(bench.latents)
    jobs = {f"{clip:g} {epsilon}": partial(_point, bench, clip, epsilon, plain) for clip, epsilon in settings}
    points = each(jobs, keep, progress, "measure")
    return {
        "reconstructed": {"images": looks_and_distances(bench, plain)},
        "coordinates": bench.coordinates,
        "points": points,
    }


def _point(bench: LatentBench, clip: float, epsilon: float | None, plain: Tensor) -> dict[str, Any]:
    """Measure quality and identity of every draw at one clip bound and epsilon."""
    method, draws = method_of(bench, clip, epsilon), 1 if epsilon is None else bench.preset.draws
    releases = [
        method.protect_latents(bench.latents, rng=streams(bench.preset.seed)[f"dp {n}"]) for n in range(draws)
    ]
    # Face detection is the slowest metric: first draw only, which Frechet distances use too.
    measured = [looks(bench, release.images, plain, detect=not n) for n, release in enumerate(releases)]
    columns = {
        name: over_draws([m[name] for m in measured if name in m]) if isinstance(values, list) else values
        for name, values in measured[0].items()
    }
    published = None
    if epsilon is not None:
        law = LatentDP(bench.model, clip=clip, epsilon=epsilon, calibration="as_published")
        published = law.guarantee(simulated=True).as_dict()
    return {
        "clip": clip,
        "epsilon": epsilon,
        "epsilon_per_coordinate": None if epsilon is None else epsilon / bench.coordinates,
        "guarantee": releases[0].guarantee.as_dict(),
        "guarantee_of_the_published_formula": published,
        "images": {**columns, **bench.features.distances(bench.moments, releases[0].images)},
    }


def _drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw quality and identity over epsilon, one line per clip bound (Fig. 8)."""
    figure = Figure(figsize=(11.4, 8.6))
    panels = list(figure.subplots(2, 2).flat)
    clips = list(dict.fromkeys(point["clip"] for point in result["points"]))
    for axes, (metric, label) in zip(panels, PANELS.items(), strict=True):
        for clip, colour, marker in zip(clips, COLOURS["series"], MARKERS, strict=False):
            noisy = [p for p in result["points"] if p["clip"] == clip and p["epsilon"] is not None]
            only = next(p for p in result["points"] if p["clip"] == clip and p["epsilon"] is None)
            x = [p["epsilon"] for p in noisy]
            look = {"color": colour, "marker": marker, "label": f"clip bounds {bounds(clip)}"}
            if metric == "frechet":
                if noisy[0]["images"]["frechet"] is not None:
                    axes.plot(x, [p["images"]["frechet"] for p in noisy], **look)
                    axes.axhline(only["images"]["frechet"], color=colour, ls=":")
                    label = f"Fréchet distance to the photos ({noisy[0]['images']['frechet_metric']})"
            else:
                line(axes, x, [p["images"] for p in noisy], metric, **look)
                once = "clipping only, no noise" if clip == clips[0] else None
                level(axes, only["images"], metric, color=colour, ls=":", label=once)
        basis = next(p["guarantee"]["basis"] for p in result["points"] if p["epsilon"] is not None)
        axes.set(xscale="log", xlabel=f"$\\epsilon$ (basis: {basis})", title=label)
    legend(figure, panels, 3)
    figure.suptitle(title(result, "Privacy and utility"))
    return figure


def _table(result: dict[str, Any]) -> list[str]:
    """All metrics by clip bound and epsilon."""
    likeness = ("ssim", "psnr", "lpips", "lpips_squeeze", "frechet", "identity_similarity", "fppsr")
    metrics, plain = (*likeness, "fppsr_to_inversion", "face_detected"), result["reconstructed"]["images"]
    head = ["bounds", "ε (basis)", "true ε of the published formula (same basis)", *heads(metrics)]
    rows = [["none", "inversion, no noise", "", *means(plain, likeness), "", *means(plain, metrics[-1:])]]
    for point in result["points"]:
        published = point["guarantee_of_the_published_formula"]
        claim = "none (clipping only)" if point["epsilon"] is None else guaranteed(point["guarantee"])
        theirs = "" if published is None else f"{published['epsilon']:.3g}"
        rows.append([bounds(point["clip"]), claim, theirs, *means(point["images"], metrics)])
    return [
        about(result),
        *cautions(plain),
        f"Mean over {result['config']['preset']['draws']} draws of the noise per photo, the first alone for "
        "face detection and Fréchet distances; uniform weights. Beside each ε: the true ε of the published "
        f"formula at the same nominal ε ({result['coordinates']:,} coordinates).",
        markdown(head, rows),
        claims_table(_judge(result)),
    ]


def _judge(result: dict[str, Any]) -> Iterator[Claim]:
    """Check the claims of [LDP] 4.2 (Fig. 8)."""
    points = {(p["clip"], p["epsilon"]): p["images"] for p in result["points"]}
    clips = sorted({clip for clip, _ in points})
    epsilons = sorted({epsilon for _, epsilon in points if epsilon is not None})
    least, most = epsilons[0], epsilons[-1]
    rises = [paired(points[clip, most], points[clip, least], "ssim") for clip in clips]
    yield Claim(
        "The larger epsilon, the closer the picture is to the original",
        f"SSIM rises by {min(r.value for r in rises):.3f} to {max(r.value for r in rises):.3f} from epsilon "
        f"{least:,.0f} to {most:,.0f}, depending on the bounds",
        all(r.low > 0 for r in rises),
    )
    loose, tight = clips[0], clips[-1]
    gap = paired(points[tight, least], points[loose, least], "ssim")
    yield Claim(
        "Clipping makes the pictures more robust to noise",
        f"SSIM at epsilon {least:,.0f} is {gap} higher at {bounds(tight)} than at {bounds(loose)}",
        gap.low > 0,
    )
    loosely, tightly = (mean(points[clip, least], "face_detected") for clip in (loose, tight))
    yield Claim(
        "With sufficient clipping, pictures at small epsilon are recognisably human",
        f"at epsilon {least:,.0f} face detection rate (dlib) {loosely} at {bounds(loose)}, {tightly} at "
        f"{bounds(tight)}",
        bool(tightly and tightly.low > FACES),
    )
    loss = paired(points[loose, None], points[tight, None], "identity_similarity")
    yield Claim(
        "Heavy clipping loses more of the original",
        f"without noise, identity similarity falls by {loss} from {bounds(loose)} to {bounds(tight)}",
        loss.low > 0,
    )
    at = min(epsilons, key=lambda epsilon: abs(epsilon - result["coordinates"]))
    references = {"the photo": "fppsr", "its inversion": "fppsr_to_inversion"}
    rates = {
        name: min((m for clip in clips if (m := mean(points[clip, at], metric))), key=lambda m: m.value)
        for name, metric in references.items()
    }
    words = ", ".join(f"{rate} or more against {name}" for name, rate in rates.items())
    alone = mean(points[tight, None], "fppsr")
    yield Claim(
        "At epsilon 1 per coordinate people cannot be identified",
        f"FPPSR at epsilon {at:,.0f}: {words}; for {bounds(tight)} clipping without noise {alone} against "
        f"the photo{in_doubt(result['reconstructed']['images'])}",
        agreed({side(rate, NOT_IDENTIFIED) for rate in rates.values()}),
    )


TRADE_OFF = result_of_paper(
    "latent-dp/trade-off", revision=2, load=load(lambda preset: preset.photos), measure=whole(_run),
    figures={"fig8": _drawing}, table=_table, claims=_judge,
)  # fmt: skip
