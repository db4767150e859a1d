# SPDX-License-Identifier: Apache-2.0
"""Figs. 10 and 11 of [IDP]: user-supplied photos, `challenging.json` and `portraits.json`."""

from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.core.progress import Progress
from semveil.experiments.identity_dp.bench import IdentityBench, load
from semveil.experiments.identity_dp.paper import result_of_paper
from semveil.experiments.identity_dp.photos import own_faces
from semveil.experiments.identity_dp.rows import PAPER_EPSILONS, claim, looks, protected
from semveil.experiments.kit.experiment import whole
from semveil.experiments.kit.keeping import Keep
from semveil.experiments.kit.picture_grid import Cell, draw_pictures, save_picture

PER_ROW = 8  # faces


def run(kind: str, bench: IdentityBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Protect user-supplied photos with identity-dp (Figs. 10 and 11).

    Args:
        kind: `challenging` or `portraits`.
        bench: loaded inputs of the run.
        folder: directory of the result file and its images.
        progress: progress callback.
        keep: stores partial results.
    """
    photos, method = bench.photos.images, bench.method(PAPER_EPSILONS[0])
    images = protected(bench, method, photos)
    records = [
        {
            "source": photo,
            "source_file": save_picture(folder, f"identity-{kind}-{i:03d}-source", photos[i]),
            "file": save_picture(folder, f"identity-{kind}-{i:03d}-protected", images[i]),
        }
        for i, photo in enumerate(bench.photos.ids)
    ]
    source = {"face_detected": looks(bench, photos, photos)["face_detected"]}
    return {**claim(method), "faces": records, "source": source, "images": looks(bench, photos, images)}


def drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the photos, each above its protected picture (Figs. 10 and 11).

    Args:
        result: content of `challenging.json` or `portraits.json`.
        folder: directory of the result file and its images.
    """
    rows: list[list[Cell]] = []
    faces = result["faces"]
    for start in range(0, len(faces), PER_ROW):
        part = faces[start : start + PER_ROW]
        rows += [[(folder / face[key], face["source"]) for face in part] for key in ("source_file", "file")]
    guarantee = result["guarantee"]
    claim = f"$\\epsilon$ {guarantee['epsilon']:g} for {guarantee['covers']}, basis: {guarantee['basis']}"
    return draw_pictures(
        rows, row_labels=["photos", "protected"] * (len(rows) // 2), title=f"identity-dp ({claim})"
    )


for _name, _figure in (("challenging", "fig10"), ("portraits", "fig11")):
    result_of_paper(
        f"identity-dp/{_name}",
        load=load(own_faces),
        measure=whole(partial(run, _name)),
        figures={_figure: drawing},
        photographs=frozenset({_figure}),
    )
