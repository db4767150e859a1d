# SPDX-License-Identifier: Apache-2.0
"""Figs. 6 and 7 of [IDP]: faces over epsilon, and compared with traditional methods, `pictures.json`."""

from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.experiments.identity_dp.baselines import READINGS, baseline
from semveil.experiments.identity_dp.bench import IdentityBench, load, photos_for
from semveil.experiments.identity_dp.paper import result_of_paper
from semveil.experiments.identity_dp.presets import OURS
from semveil.experiments.identity_dp.rows import PAPER_EPSILONS, claim, independent, protected, rebuilt
from semveil.experiments.identity_dp.shown import basis, caption
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep
from semveil.experiments.kit.picture_grid import Cell, by_source, draw_pictures, save_picture
from semveil.metrics import identity_distance

FIGURE_AMOUNTS = (
    ("pixelization", 4.0),
    ("pixelization", 8.0),
    ("noise", 9.0),
    ("noise", 18.0),
    ("blur", 8.0),
    ("blur", 16.0),
)


def run(bench: IdentityBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Protect faces at several epsilons (Fig. 6) and by traditional methods in both readings (Fig. 7).

    Args:
        bench: loaded inputs of the run.
        folder: directory of the result file and its images.
        progress: progress callback.
        keep: stores partial results.
    """
    photos = bench.photos.images
    made: list[tuple[dict[str, Any], Tensor]] = [
        ({"shows": "source"}, photos),
        ({"shows": "no noise"}, rebuilt(bench, photos)),
    ]
    for epsilon in bench.preset.pictured_epsilons:
        made.append(
            ({"shows": "mean distance", **claim(bench.method(epsilon))}, _at_mean_distance(bench, epsilon))
        )
    for epsilon in PAPER_EPSILONS:
        method = bench.method(epsilon)
        made.append(({"shows": "first draw", **claim(method)}, protected(bench, method, photos)))
    for reading in READINGS:
        for name, amount in FIGURE_AMOUNTS:
            images = baseline(name, amount, photos, reading=reading, rng=streams(bench.preset.seed)["dp 0"])
            made.append(({"shows": name, "amount": amount, "reading": reading}, images))
    records = []
    for number, (said, images) in enumerate(made):
        for i, photo in enumerate(bench.photos.ids):
            records.append(
                {
                    **said,
                    "source": photo,
                    "file": save_picture(folder, f"identity-{i + 1}-{number:02d}", images[i]),
                }
            )
    return {"images": records, "judge": independent(bench)[0].name}


def _at_mean_distance(bench: IdentityBench, epsilon: float) -> Tensor:
    """Select, for each photo, the draw with identity distance nearest to the mean ([IDP] Fig. 6)."""
    photos, method, judge = bench.photos.images, bench.method(epsilon), independent(bench)[0]
    drawn = [protected(bench, method, photos, draw=n) for n in range(bench.preset.candidates)]
    distances = torch.stack([identity_distance(photos, images, judge) for images in drawn])
    nearest = (distances - distances.mean(0)).abs().argmin(0)
    return torch.stack([drawn[int(n)][i] for i, n in enumerate(nearest)])


def over_epsilons(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the photos, their reconstructions, and protected pictures over epsilon (Fig. 6).

    Args:
        result: content of `pictures.json`.
        folder: directory of the result file and its images.
    """
    shown = [
        record for record in result["images"] if record["shows"] in ("source", "no noise", "mean distance")
    ]
    draws = f"the draw of {result['config']['preset']['candidates']} nearest to the mean identity distance"
    return draw_pictures(
        by_source(shown, folder, caption),
        title=f"{OURS}, {draws} ($\\epsilon$ of the identity only, basis: {basis(result)})",
    )


def beside_others(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the traditional methods, in both readings, next to identity-dp (Fig. 7).

    Args:
        result: content of `pictures.json`.
        folder: directory of the result file and its images.
    """
    rows: list[list[Cell]] = []
    labels: list[str] = []
    for reading in dict.fromkeys(
        record.get("reading") for record in result["images"] if record.get("reading")
    ):
        shown = (
            r
            for r in result["images"]
            if r["shows"] in ("source", "first draw") or r.get("reading") == reading
        )
        found = by_source(shown, folder, caption)
        rows += found
        labels += [f"reading: {reading}"] * len(found)
    rows = [sorted(row, key=lambda cell: cell[1].startswith("$")) for row in rows]
    title = f"Traditional methods, in two readings, and identity-dp (basis: {basis(result)})"
    return draw_pictures(rows, row_labels=labels, title=title)


PICTURES = result_of_paper(
    "identity-dp/pictures",
    load=load(photos_for(lambda preset: preset.pictured, shows=True)),
    measure=whole(run),
    figures={"fig6": over_epsilons, "fig7": beside_others},
    photographs=frozenset({"fig6", "fig7"}),
)
