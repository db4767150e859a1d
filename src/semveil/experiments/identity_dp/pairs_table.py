"""Table III of [IDP]: are protected photos of a person recognised, `pairs.json`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.experiments.identity_dp.bench import load
from semveil.experiments.identity_dp.pairs import held_out_people, table3
from semveil.experiments.identity_dp.paper import PAPER
from semveil.experiments.identity_dp.presets import FACENETS, IDENTITY_PRESETS
from semveil.experiments.identity_dp.shown import (
    READINGS,
    REPORTED,
    SAID_BY,
    guaranteed,
    lacking,
    material,
    named,
    photos_and_model,
    row_name,
)
from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.experiment import experiment, whole
from semveil.experiments.kit.plots import COLOURS, legend
from semveil.experiments.kit.set_distance import shown_distances
from semveil.experiments.kit.tables import claims_table, markdown

RECOGNISED = 0.05  # of Table III: below that a method counts as effective


def drawing(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure(figsize=(12.6, 5.6))
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    rows = result["rows"]
    names = [row_name(row) for row in rows]
    found = list(rows[0]["true_acceptance"])
    width = 0.8 / len(found)
    for k, judge in enumerate(found):
        values = [row["true_acceptance"][judge] for row in rows]
        at = [i + (k - (len(found) - 1) / 2) * width for i in range(len(rows))]
        left.bar(at, [v[0] for v in values], width, yerr=[v[1] for v in values], color=COLOURS["series"][k], label=judge)
    for k, theirs in enumerate(row for row in result["paper"]["table3"] if row["method"] == "identity-dp"):
        label = f"the paper, {theirs['setting']}, FaceNet (VGGFace2)"
        left.axhline(theirs["facenet-vggface2"][0], color="#777777", ls="--" if k else ":", label=label)
    left.set(ylim=(0, 1.03), title=f"true acceptance at a false one of {result['far']:g}; bars: deviation over folds")
    metric = next((row["frechet_metric"] for row in rows if row["frechet"] is not None), "no features on this machine")
    right.bar(range(len(rows)), [row["frechet"] or 0 for row in rows], color=COLOURS["bob"])
    right.set(title=f"Fréchet distance ({metric})")
    for axes in (left, right):
        axes.set_xticks(range(len(rows)), names, rotation=25, ha="right")
    legend(figure, [left])
    counts = result["pairs"]
    figure.suptitle(
        f"{photos_and_model(result)}\n{counts['same']} pairs of one person, {counts['different']} of two, "
        f"in {counts['folds']} folds"
    )
    return figure


def table(result: dict[str, Any]) -> str:
    judged = list(result["rows"][0]["true_acceptance"])
    head = ["method", "ε (basis)", *(f"true acceptance, {name}" for name in judged), "Fréchet"]
    rows = []
    for row in result["rows"]:
        rates = [f"{m:.3f} ± {s:.3f}" for m, s in (row["true_acceptance"][name] for name in judged)]
        rows.append([named(row), guaranteed(row.get("of_a_release")), *rates, shown_distances(row)])
    paper = []
    for row in result["paper"]["table3"]:
        rates = [f"{m:.3f} ± {s:.3f}" for m, s in (row[name] for name in FACENETS)]
        paper.append([row["method"], row["setting"], *rates, f"{row['fid']:.4f}"])
    counts = result["pairs"]
    parts = [
        f"{material(result)} Recognisers: {', '.join(judged)}.{lacking(result)}",
        f"{counts['same']} pairs of one person and {counts['different']} of two people, in {counts['folds']} folds that share "
        f"nobody; the second photo of a pair is protected; the threshold of each fold is that at which the others' pairs show "
        f"a false acceptance rate of {result['far']:g}. Mean and deviation over folds.",
        markdown(head, rows),
        claims_table(judge(result), said_by=SAID_BY),
        f"Table III, {REPORTED} (LFW; FaceNet):",
        markdown(["method", "setting", "CASIA", "VGGFace2", "FID"], paper),
    ]
    return "\n\n".join(parts)


def judge(result: dict[str, Any]) -> Iterator[Claim]:
    """[IDP] V-F 5, of Table III."""
    rows = {(row["setting"], row.get("nominal_epsilon")): row for row in result["rows"]}
    for law, epsilon in ((law, epsilon) for law in READINGS for epsilon in (6.0, 0.57) if (law, epsilon) in rows):
        found = rows[law, epsilon]["true_acceptance"]
        said = ", ".join(f"{name} {mean:.3f} ± {deviation:.3f}" for name, (mean, deviation) in found.items())
        yield Claim(
            f"At epsilon {epsilon:g} the true acceptance rate drops to less than {RECOGNISED:g}",
            f"{READINGS[law]}: {said}",
            max(mean for mean, _ in found.values()) < RECOGNISED,
        )


PAIRS = experiment(
    "identity-dp/pairs",
    revision=3,
    presets=IDENTITY_PRESETS,
    load=load(held_out_people),
    measure=whole(table3),
    figures={"table3": drawing},
    table=table,
    claims=judge,
    paper=PAPER,
)
