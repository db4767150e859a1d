# SPDX-License-Identifier: Apache-2.0
"""Figs. 10 and 11 of [IDP]: user-supplied photos, `challenging.json` and `portraits.json`."""

from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.core.progress import Progress
from semveil.experiments.identity_dp import rows
from semveil.experiments.identity_dp.bench import IdentityBench, load, public_faces
from semveil.experiments.identity_dp.paper import result_of_paper
from semveil.experiments.identity_dp.photos import faces_as_set, find_faces, photo_files
from semveil.experiments.kit.experiment import Run, whole
from semveil.experiments.kit.keeping import Keep
from semveil.experiments.kit.photo_sets import PhotoSet
from semveil.experiments.kit.picture_grid import Cell, draw_pictures, save_picture
from semveil.models.identity import IdentityModel

PER_ROW = 8  # faces
SHOWN = 12  # maximum number of public faces without data


def _own_faces(run: Run, model: IdentityModel) -> PhotoSet:
    """Faces in the user's folder of photos, or public faces without one."""
    if run.data is None:
        return public_faces(model.size, min(SHOWN, 2 * run.preset.pictured))
    return faces_as_set(find_faces(photo_files(run.data), model.size, progress=run.progress))


def _run(kind: str, bench: IdentityBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Protect user-supplied photos with identity-dp."""
    photos, method = bench.photos.images, bench.method(rows.PAPER_EPSILONS[0])
    images = rows.protected(bench, method, photos)
    records = [
        {
            "source": photo,
            "source_file": save_picture(folder, f"identity-{kind}-{i:03d}-source", photos[i]),
            "file": save_picture(folder, f"identity-{kind}-{i:03d}-protected", images[i]),
        }
        for i, photo in enumerate(bench.photos.ids)
    ]
    measured = {"source": rows.found_in_photos(bench), "images": rows.looks(bench, photos, images)}
    return {**rows.claim(method), "faces": records, **measured}


def _drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the photos, each above its protected picture."""
    grid: list[list[Cell]] = []
    for start in range(0, len(result["faces"]), PER_ROW):
        part = result["faces"][start : start + PER_ROW]
        grid += [[(folder / face[key], face["source"]) for face in part] for key in ("source_file", "file")]
    guarantee = result["guarantee"]
    claim = f"$\\epsilon$ {guarantee['epsilon']:g} for {guarantee['covers']}, basis: {guarantee['basis']}"
    labels = ["photos", "protected"] * (len(grid) // 2)
    return draw_pictures(grid, row_labels=labels, title=f"identity-dp ({claim})")


for _name, _figure in (("challenging", "fig10"), ("portraits", "fig11")):
    result_of_paper(
        f"identity-dp/{_name}",
        load=load(_own_faces),
        measure=whole(partial(_run, _name)),
        figures={_figure: _drawing},
        photographs=frozenset({_figure}),
    )
