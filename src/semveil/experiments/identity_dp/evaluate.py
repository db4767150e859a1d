# SPDX-License-Identifier: Apache-2.0
"""Evaluation of third-party outputs as in [IDP]: Figs. 8 and 9, and Tables I to III.

`semveil evaluate` writes `evaluation.json`, from which figures and tables are generated as for any result.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from semveil.core.errors import PhotoError
from semveil.core.progress import Progress, quiet
from semveil.core.provenance import commit, versions
from semveil.core.results import write_result
from semveil.core.weights import WeightsMissing
from semveil.data.faces import PhotoFace
from semveil.data.judgements import BadJudgements, read_judgements
from semveil.data.pairs import Pair, read_pairs
from semveil.experiments.identity_dp import rows, shown
from semveil.experiments.identity_dp.bench import IdentityBench, prepare_bench
from semveil.experiments.identity_dp.pairs import Pairs, acceptance, spread
from semveil.experiments.identity_dp.paper import PAPER
from semveil.experiments.identity_dp.photos import (
    faces_as_set,
    find_faces,
    photo_files,
    picture_files,
    same_face,
)
from semveil.experiments.identity_dp.presets import IDENTITY_PRESETS, OURS
from semveil.experiments.kit.experiment import written_elsewhere
from semveil.experiments.kit.keeping import at_once
from semveil.experiments.kit.photo_sets import DataMissing, PhotoSet
from semveil.experiments.kit.picture_grid import Cell, draw_pictures, save_picture
from semveil.experiments.kit.reproduce import draw
from semveil.experiments.kit.statistics import NOT_MEASURED
from semveil.experiments.kit.tables import markdown
from semveil.experiments.kit.utility import kept_by_judge, kept_on_crops, load_parser, utility_table
from semveil.faces.pixels import to_tensor
from semveil.models.identity import load_identity_model
from semveil.recognition.by_name import VERIFIERS, load_verifier
from semveil.recognition.face_parser import load_face_parser

SHOWN = 8  # photos in the figure
RESULT = "evaluation.json"


def evaluate(
    photos: Path,
    outputs: Mapping[str, Path],
    out: Path,
    *,
    pairs: Path | None = None,
    far: float = 1e-3,
    model: str | None = None,
    verifiers: Sequence[str] = (),
    judgements: Path | None = None,
    parser: Path | None = None,
    progress: Progress = quiet,
) -> tuple[Path, Path]:
    """Compare pictures protected by other programs with identity-dp's.

    A picture belongs to the photo with the same relative path, whatever the suffix and an ending that
    `protect` puts before it, and must show the whole photo: it is cropped at the photo's own largest face. A
    photo that is missing in one folder is excluded from all.

    Args:
        photos: folder of the originals.
        outputs: folders of pictures, by name of the method that produced them.
        out: folder for `evaluation.json` and the figure `fig8.png`, which show the photos.
        pairs: a list such as LFW's `pairs.txt`; adds the true acceptance rate of its pairs with the second
            photo from the output folder ([IDP] Table III). Only photos in the list are measured.
        far: false acceptance rate for `pairs`.
        model: identity model for identity-dp's rows; None uses the bundled one.
        verifiers: recognisers; if empty, all with weights on this machine.
        judgements: an independent program's annotations of photos and pictures (`docs/utility.md`): adds
            landmark error, expression, gaze, age, sex and its own detection.
        parser: weights of a face parser, for mouth and eye opening and hair position; None uses the bundled
            one.
        progress: progress callback.

    Returns:
        Paths of the JSON and the figure.

    Raises:
        DataMissing: a folder is missing, or no photo with a face has a picture in every folder.
        ValueError: a name is used twice, or there is no such model or verifier.
        BadJudgements: the judgements are damaged, or of none of these photos or of none of their pictures.
        BadCheckpoint: a damaged file of weights.
    """
    judged = None if judgements is None else read_judgements(judgements)
    labels = load_face_parser() if parser is None else load_parser(parser)
    out.mkdir(parents=True, exist_ok=True)
    preset = replace(IDENTITY_PRESETS["smoke"], name="evaluation", far=far, detected=1_000_000)
    loaded = load_identity_model(model or preset.model)
    files = photo_files(photos)
    listed = None if pairs is None else read_pairs(pairs, photos).pairs
    if listed is not None:
        wanted = {path for pair in listed for path in (pair.first, pair.second)}
        files = {place: path for place, path in files.items() if path in wanted}
    made = {name: picture_files(folder) for name, folder in outputs.items()}
    complete = {place: path for place, path in files.items() if all(place in own for own in made.values())}
    if not complete:
        raise DataMissing(
            f"no photo in {photos} has a picture of the same name in every folder; {len(files)} photos "
            "checked"
        )
    found = find_faces(complete, loaded.size, progress=progress)
    faces, crops = _crops(found, made, loaded.size)
    counts = None if judged is None else _count_judged(judged, complete, made, list(faces))
    photo_set = faces_as_set(faces)
    source = photo_set.images
    bench = prepare_bench(preset, loaded, photo_set, verifiers or _present_verifiers(loaded.size))
    theirs = [
        rows.Row({"method": name, "setting": "", "guarantee": None}, partial(lambda given, _: given, crop))
        for name, crop in crops.items()
    ]
    compared = [*theirs, *rows.own_rows(bench)]
    result: dict[str, Any] = {
        "experiment": "identity-dp/evaluation",
        "config": dict(bench.config),
        "versions": versions(),
        "commit": commit(),
        "seeds": [preset.seed],
        "paper": dict(PAPER),
        "left_out": {
            "without a picture in every folder": len(files) - len(complete),
            "without a face": len(complete) - len(found),
            "with a picture of another shape": len(found) - len(faces),
        },
        "judged": counts,
        "source": rows.found_in_photos(bench),
        "rows": rows.measured(bench, compared, progress, at_once),
        "pairs": None,
        "pictures": _pictures(out, photo_set, compared),
    }
    for row, record in zip(compared, result["rows"], strict=True):
        record["kept"] = kept_on_crops(source, row.make(source), labels)
        if judged is not None and (name := row.said["method"]) in made:
            pictures = [made[name][place] for place in faces]
            record["kept"] |= kept_by_judge(judged, [complete[place] for place in faces], pictures)
    if listed is not None:
        known = _known_pairs(listed, {complete[place]: i for i, place in enumerate(faces)})
        result["pairs"] = {"same": int(known.same.sum()), "different": int((~known.same).sum()), "far": far}
        for row, record in zip(compared, result["rows"], strict=True):
            record |= _accepted(bench, known, row.make(source), far)
    write_result(out / RESULT, result)
    return out / RESULT, draw(out / RESULT, "identity-dp/fig8")


def _present_verifiers(resolution: int) -> list[str]:
    """Recognisers with weights and a threshold for crops of this side in pixels."""
    found = []
    for name in VERIFIERS:
        try:
            load_verifier(name, resolution=resolution)
        except (WeightsMissing, ImportError, ValueError):  # no onnxruntime; no threshold at this resolution
            continue
        found.append(name)
    return found


def _count_judged(
    judged: Mapping[Path, Any],
    photos: Mapping[str, Path],
    made: Mapping[str, Mapping[str, Path]],
    places: Sequence[str],
) -> dict[str, Any]:
    """Numbers of photos, and of each program's pictures, that the judge has seen."""
    pictures = {name: sum(own[place].resolve() in judged for place in places) for name, own in made.items()}
    counts = {"photos": sum(photos[place].resolve() in judged for place in places), "pictures": pictures}
    if not counts["photos"] or not any(pictures.values()):
        raise BadJudgements(
            f"the judgements are of {counts['photos']} of {len(places)} photos and of "
            f"{sum(pictures.values())} of {len(places) * len(made)} pictures, so there is nothing to "
            "compare; name files as seen from the working directory, or from the folder of the list"
        )
    return counts


def _crops(
    found: Mapping[str, PhotoFace], made: Mapping[str, Mapping[str, Path]], size: int
) -> tuple[dict[str, PhotoFace], dict[str, Tensor]]:
    """Photos with pictures of the same aspect ratio in every folder, and the crops of those pictures."""
    cut: dict[str, dict[str, NDArray[np.uint8]]] = {}
    for place, face in found.items():
        try:
            cut[place] = {name: same_face(face, places[place], size) for name, places in made.items()}
        except PhotoError:
            continue
    if not cut:
        raise DataMissing(
            f"none of {len(found)} photos with a face has a picture of the same aspect ratio in every folder"
        )
    crops = {name: to_tensor([of_photo[name] for of_photo in cut.values()]) for name in made}
    return {place: found[place] for place in cut}, crops


def _known_pairs(listed: Iterable[Pair], at: Mapping[Path, int]) -> Pairs:
    """Pairs with both photos measured, as row indices."""
    both = [pair for pair in listed if pair.first in at and pair.second in at]
    first, second = np.array([[at[pair.first], at[pair.second]] for pair in both], int).reshape(-1, 2).T
    return Pairs(first, second, np.array([p.same for p in both], bool), np.array([p.fold for p in both], int))


def _accepted(bench: IdentityBench, known: Pairs, images: Tensor, far: float) -> dict[str, Any]:
    """True acceptance rate by recogniser, or the reason why it is undefined."""
    source, judges = bench.photos.images, bench.judges
    try:
        rates = {name: acceptance(judge, source, images, known, far) for name, judge in judges.items()}
        return {"true_acceptance": rates}
    except ValueError as error:  # too few pairs for this rate
        return {"true_acceptance": dict.fromkeys(judges), "true_acceptance_reason": str(error)}


def _pictures(out: Path, photos: PhotoSet, compared: Sequence[rows.Row]) -> list[dict[str, str]]:
    """Save the first photos and their pictures next to the JSON, without rows of the paper's noise."""
    chosen = [("photos", photos.images)]
    for row in compared:
        if row.said["method"] != "identity-dp":
            chosen.append((row.said["method"], row.make(photos.images)))
        elif row.said["setting"] == OURS:
            chosen.append((f"$\\epsilon$ {row.said['nominal_epsilon']:g}", row.make(photos.images)))
    return [
        {"shows": name, "source": photo, "file": save_picture(out, f"{number}-{i}", images[i])}
        for number, (name, images) in enumerate(chosen)
        for i, photo in enumerate(photos.ids[:SHOWN])
    ]


def _drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw photos, other programs' outputs and ours, in rows."""
    grid: dict[str, list[Cell]] = {}
    for record in result["pictures"]:
        grid.setdefault(record["shows"], []).append((folder / record["file"], record["source"]))
    return draw_pictures(list(grid.values()), row_labels=list(grid), title="Comparison with identity-dp")


def _table(result: dict[str, Any]) -> list[str]:
    """Metrics and retained face attributes of other programs' outputs and of identity-dp."""
    head, measured = shown.measured_rows(result)
    if result["pairs"]:
        judged = list(result["rows"][0]["true_acceptance"])
        head += [f"TAR, {name}" for name in judged]
        for cells, row in zip(measured, result["rows"], strict=True):
            rates = map(row["true_acceptance"].get, judged)
            cells += [NOT_MEASURED if rate is None else spread(rate) for rate in rates]
    kept = [(shown.row_cells(row)[0], row["kept"]) for row in result["rows"] if "kept" in row]
    return [shown.about(result), markdown(head, measured), *([utility_table(kept)] if kept else [])]


EVALUATION = written_elsewhere(
    "identity-dp/evaluation", figures={"fig8": _drawing}, table=_table, photographs=frozenset({"fig8"})
)
