# SPDX-License-Identifier: Apache-2.0
"""Figs. 6 and 7 of [IDP]: faces over epsilon, and compared with traditional methods, `pictures.json`."""

from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.experiments.identity_dp import rows
from semveil.experiments.identity_dp.baselines import READINGS, baseline
from semveil.experiments.identity_dp.bench import IdentityBench, load, photos_for
from semveil.experiments.identity_dp.paper import FIGURE_AMOUNTS, result_of_paper
from semveil.experiments.identity_dp.presets import OURS
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep
from semveil.experiments.kit.picture_grid import Cell, by_source, draw_pictures, save_picture
from semveil.metrics import identity_distance


def _run(bench: IdentityBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Protect faces at several epsilons (Fig. 6) and by traditional methods in both readings (Fig. 7)."""
    photos = bench.photos.images
    made: list[tuple[dict[str, Any], Tensor]] = [({"shows": "source"}, photos)]
    made.append(({"shows": "no noise"}, rows.rebuilt(bench, photos)))
    for epsilon in bench.preset.pictured_epsilons:
        said = {"shows": "mean distance", **rows.claim(bench.method(epsilon))}
        made.append((said, _at_mean_distance(bench, epsilon)))
    for epsilon in rows.PAPER_EPSILONS:
        method = bench.method(epsilon)
        made.append(({"shows": "first draw", **rows.claim(method)}, rows.protected(bench, method, photos)))
    for reading in READINGS:
        for name, amount in FIGURE_AMOUNTS:
            images = baseline(name, amount, photos, reading=reading, rng=streams(bench.preset.seed)["dp 0"])
            made.append(({"shows": name, "amount": amount, "reading": reading}, images))
    records = []
    for number, (said, images) in enumerate(made):
        for i, photo in enumerate(bench.photos.ids):
            file = save_picture(folder, f"identity-{i + 1}-{number:02d}", images[i])
            records.append({**said, "source": photo, "file": file})
    return {"images": records, "judge": bench.independent[0].name}


def _at_mean_distance(bench: IdentityBench, epsilon: float) -> Tensor:
    """Select, for each photo, the draw with identity distance nearest to the mean ([IDP] Fig. 6)."""
    photos, method, judge = bench.photos.images, bench.method(epsilon), bench.independent[0]
    drawn = [rows.protected(bench, method, photos, draw=n) for n in range(bench.preset.candidates)]
    distances = torch.stack([identity_distance(photos, images, judge) for images in drawn])
    nearest = (distances - distances.mean(0)).abs().argmin(0)
    return torch.stack([drawn[int(n)][i] for i, n in enumerate(nearest)])


def _over_epsilons(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the photos, their reconstructions, and protected pictures over epsilon (Fig. 6)."""
    shown = [one for one in result["images"] if one["shows"] in ("source", "no noise", "mean distance")]
    draws = f"the draw of {result['config']['preset']['candidates']} nearest to the mean identity distance"
    title = f"{OURS}, {draws} ($\\epsilon$ of the identity only, basis: {_basis(result)})"
    return draw_pictures(by_source(shown, folder, _caption), title=title)


def _beside_others(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the traditional methods, in both readings, next to identity-dp (Fig. 7)."""
    grid: list[list[Cell]] = []
    labels: list[str] = []
    for reading in dict.fromkeys(one["reading"] for one in result["images"] if "reading" in one):
        shown = [
            one
            for one in result["images"]
            if one["shows"] in ("source", "first draw") or one.get("reading") == reading
        ]
        found = by_source(shown, folder, _caption)
        grid += [sorted(row, key=lambda cell: cell[1].startswith("$")) for row in found]
        labels += [f"reading: {reading}"] * len(found)
    title = f"Traditional methods, in two readings, and identity-dp (basis: {_basis(result)})"
    return draw_pictures(grid, row_labels=labels, title=title)


def _caption(record: dict[str, Any]) -> str:
    if "nominal_epsilon" in record:
        return f"$\\epsilon$ {record['nominal_epsilon']:g}"
    return record["shows"] + (f" {record['amount']:g}" if "amount" in record else "")


def _basis(result: dict[str, Any]) -> str:
    return next(record["guarantee"]["basis"] for record in result["images"] if "guarantee" in record)


PICTURES = result_of_paper(
    "identity-dp/pictures",
    load=load(photos_for(lambda preset: preset.pictured, shows=True)),
    measure=whole(_run),
    figures={"fig6": _over_epsilons, "fig7": _beside_others},
    photographs=frozenset({"fig6", "fig7"}),
)
