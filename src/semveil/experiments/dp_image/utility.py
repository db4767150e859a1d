# SPDX-License-Identifier: Apache-2.0
"""Table 1 of [DPI]: methods at equal similarity, `utility.json`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.core.progress import Progress
from semveil.experiments.dp_image import matched
from semveil.experiments.dp_image.paper import result_of_paper
from semveil.experiments.kit.claims import Claim, agreed, side
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep
from semveil.experiments.kit.latent_bench import LatentBench, load
from semveil.experiments.kit.latent_measures import looks_and_distances
from semveil.experiments.kit.latent_tables import about, guaranteed
from semveil.experiments.kit.plots import COLOURS, bar, recogniser, title
from semveil.experiments.kit.set_distance import UNSEEN
from semveil.experiments.kit.statistics import paired, value
from semveil.experiments.kit.tables import claims_table, heads, markdown, means
from semveil.metrics.feature_networks import FID

METRICS = {
    "l2": "l2 (levels)", "ald_inf": "ALD$_\\infty$", "ssim": "SSIM", "frechet": "Fréchet distance",
    "identity_similarity": "similarity", "face_detected": "face detection rate",
}  # fmt: skip


def _run(bench: LatentBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure methods with mean similarity tuned to the recogniser's threshold, as in [DPI] Table 1."""
    return {
        "target_similarity": bench.verifier.threshold,
        "reconstructed": {"images": looks_and_distances(bench, bench.model.synthesize(bench.latents))},
        "methods": matched.measured(bench, bench.verifier.threshold, progress, keep),
    }


def _bars(result: dict[str, Any], folder: Path) -> Figure:
    """Draw bars of every metric over the methods, at nearly equal similarity."""
    methods = result["methods"]
    figure = Figure(figsize=(13.2, 7.0))
    for axes, (metric, label) in zip(figure.subplots(2, 3).flat, METRICS.items(), strict=True):
        for at, method in enumerate(methods):
            colour = COLOURS["eve"] if method["method"] == "dp-image" else COLOURS["bob"]
            bar(axes, at, method["images"], metric, colour)
            if metric == "frechet" and method["images"]["frechet"] is not None:
                label = f"Fréchet distance ({method['images']['frechet_metric']})"
        if metric == "identity_similarity":
            axes.axhline(result["target_similarity"], color="#222222", ls=":", label="target")
            axes.legend()
        names = [_row_name(method, methods) for method in methods]
        axes.set_xticks(range(len(methods)), names, rotation=30, ha="right")
        axes.set(title=label)
    figure.suptitle(f"{title(result, 'At equal similarity')}\n{recogniser(result)}")
    return figure


def _row_name(row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Method name, with the amount if the method has several rows."""
    several = sum(other["method"] == row["method"] for other in rows) > 1
    return f"{row['method']} {row['amount']:g}" if several else row["method"]


def _table(result: dict[str, Any]) -> list[str]:
    """Metrics of every method at equal similarity, and the paper's Table 1."""
    metrics = (
        "l2", "ald_inf", "ssim", "lpips", "lpips_squeeze", "frechet", "identity_similarity", "face_detected",
    )  # fmt: skip
    head = ["method", "strength", "ε per crop (basis)", *heads(metrics)]
    rows = [["inversion, no noise", "", "none", *means(result["reconstructed"]["images"], metrics)]]
    for row in result["methods"]:
        amount = f"{row['amount']:.3g} ({row['amount_is']}{'; ' + row['fixed'] if row['fixed'] else ''})"
        rows.append([row["method"], amount, guaranteed(row["guarantee"]), *means(row["images"], metrics)])
    keys = ("l2", "ald_inf", "ssim", "fid", "iss_arcface", "iss_microsoft")
    table1 = result["paper"]["table1"].items()
    paper = [[name, *(f"{row[key]:g}" for key in keys)] for name, row in table1]
    return [
        about(result),
        "The strength of every method is tuned so that the mean similarity equals the recogniser's "
        f"threshold, {result['target_similarity']:.4g}, because the paper's 0.31 is close to ArcFace's "
        "threshold of 0.3; mosaic cells have integer sizes, so the two nearest are shown.",
        markdown(head, rows),
        "The paper's Table 1 (1,024 px; l2 grows with the picture size, so compare only within a table):",
        markdown(["method", "l2", "ALD∞", "SSIM", "FID", "ISS, ArcFace", "ISS, Microsoft"], paper),
        claims_table(_judge(result)),
    ]


def _judge(result: dict[str, Any]) -> Iterator[Claim]:
    """Check the claims of [DPI] 4.2.3 (Table 1).

    A mosaic has integer cell sizes only: a claim on which the two nearest disagree is undecided.
    """
    ours = next(row["images"] for row in result["methods"] if row["method"] == "dp-image")
    fields = list(_fields(result["methods"]))
    text = "At equal similarity dp-image has the lowest FID"
    if ours["frechet"] is None:
        yield Claim(text, "no feature network for the Fréchet distance", None)
    else:
        said, verdicts = [], set()
        for key, metric in (("frechet", ours["frechet_metric"]), (UNSEEN, UNSEEN)):
            if ours.get(key) is None:
                continue
            bests = [min(field.items(), key=lambda item, key=key: item[1][key]) for field in fields]  # type: ignore[misc]
            words = " or ".join(dict.fromkeys(f"{name} {images[key]:.1f}" for name, images in bests))
            said.append(f"{metric} {ours[key]:.1f}, best other: {words}")
            verdicts |= {ours[key] < images[key] for _, images in bests}
        note = "" if ours["frechet_metric"] == FID else "; not FID"
        yield Claim(text, f"{'; '.join(said)}{note}", agreed(verdicts))
    for text, metric, sign, wanted in (
        ("It has the lowest l2 noise", "l2", 1, True),
        ("It is not the best in ALD", "ald_inf", 1, False),
        ("It is not the best in SSIM", "ssim", -1, False),
    ):
        said, leads = [], set()
        for field in fields:
            name = min(field, key=lambda other: sign * value(field[other], metric))
            gap = paired(field[name], ours, metric)
            said.append(f"{name} {value(field[name], metric):.4g}")
            seen = side(gap, 0.0)
            leads.add(None if seen is None else seen == (sign > 0))
        best = agreed(leads)
        words = f"{value(ours, metric):.4g}, best other: {' or '.join(dict.fromkeys(said))}"
        yield Claim(text, words, None if best is None else best == wanted)


def _fields(rows: list[dict[str, Any]]) -> Iterator[dict[str, dict[str, Any]]]:
    """dp-image's competitors by name: first with the smaller mosaic cell, then with the larger."""
    amounts: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["method"] != "dp-image":
            amounts.setdefault(row["method"], []).append(row)
    for i in range(max(len(same) for same in amounts.values())):
        chosen = {}
        for name, same in amounts.items():
            row = same[min(i, len(same) - 1)]
            chosen[f"{name} ({row['amount']:g} px)" if len(same) > 1 else name] = row["images"]
        yield chosen


UTILITY = result_of_paper(
    "dp-image/utility", revision=2, load=load(lambda preset: preset.photos), measure=whole(_run),
    figures={"table1": _bars}, table=_table, claims=_judge,
)  # fmt: skip
