# SPDX-License-Identifier: Apache-2.0
"""Table III of [IDP]: true acceptance rate when the second photo of each pair is protected, `pairs.json`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from semveil.core.progress import Progress
from semveil.experiments.identity_dp.bench import CHUNK, IdentityBench, load
from semveil.experiments.identity_dp.paper import result_of_paper
from semveil.experiments.identity_dp.presets import FACENETS
from semveil.experiments.identity_dp.rows import Row, own_rows
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
from semveil.experiments.kit.experiment import Run, whole
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.photo_sets import ORDER_SEED, DataMissing, PhotoSet, load_face_set
from semveil.experiments.kit.plots import COLOURS, legend
from semveil.experiments.kit.set_distance import shown_distances
from semveil.experiments.kit.tables import claims_table, markdown
from semveil.faces.pixels import to_tensor
from semveil.metrics import Moments
from semveil.models.identity import IdentityModel
from semveil.recognition.calibration import true_acceptance
from semveil.recognition.verifier import Verifier


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of photos, as row indices.

    Attributes:
        first, second: (P,) rows; the second photo is protected.
        same: (P,) whether a pair shows the same person.
        fold: (P,) fold of the pair.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    same: NDArray[np.bool_]
    fold: NDArray[np.intp]


def held_out_people(run: Run, model: IdentityModel) -> PhotoSet:
    """Photos of LFW's test split, several per person, with ids such as `person 0001, photo 1`.

    Args:
        run: its data is a face set or a folder with LFW, its preset limits people and photos per person.
        model: sets the size of the photos.

    Raises:
        DataMissing: no data is given, or it has no person with two photos.
    """
    preset, data = run.preset, run.data
    if data is None:
        raise DataMissing(
            "Table III needs several photos per person: pass a face set or a folder with lfw as --data"
        )
    faces = load_face_set(
        data, model, progress=lambda done, total: run.progress("prepare photos", done, total)
    )
    rows = np.flatnonzero(faces.tested & np.char.startswith(faces.source, "lfw/"))
    rng = np.random.default_rng(ORDER_SEED)
    of_person = {
        str(name): rng.permutation(rows[faces.person[rows] == name]) for name in np.unique(faces.person[rows])
    }
    # People with several photos first: genuine pairs need them.
    order = sorted(of_person, key=lambda name: (-min(2, len(of_person[name])), name))[: preset.people]
    if not order or len(of_person[order[0]]) < 2:
        raise DataMissing(f"{data} has no person of LFW's test split with two photos")
    chosen, ids = [], []
    for number, name in enumerate(order, 1):
        for j, row in enumerate(of_person[name][: preset.photos_per_person], 1):
            chosen.append(row)
            ids.append(f"person {number:04d}, photo {j}")
    text = f"{len(chosen)} photos of {len(order)} people of the test split of lfw"
    return PhotoSet(to_tensor(list(faces.pixels[chosen])), tuple(ids), text, public=False)


def pairs_within_folds(people: NDArray[np.str_], folds: int) -> Pairs:
    """All pairs of photos within each fold; folds have disjoint people.

    Args:
        people: (N,) person in each photo.
        folds: number of folds, at least 1.

    Example:
        >>> pairs = pairs_within_folds(np.array(["a", "a", "b", "b", "c", "d"]), 2)  # a and c, b and d
        >>> int(pairs.same.sum()), len(pairs.same)
        (2, 6)
    """
    _, person, photos = np.unique(people, return_inverse=True, return_counts=True)
    # people with several photos are dealt out first
    of_photo = np.argsort(np.argsort(-photos, kind="stable"))[person] % folds
    first, second = np.triu_indices(len(people), 1)
    inside = of_photo[first] == of_photo[second]
    first, second = first[inside], second[inside]
    return Pairs(first, second, person[first] == person[second], of_photo[first])


def acceptance(judge: Verifier, source: Tensor, images: Tensor, pairs: Pairs, far: float) -> list[float]:
    """True acceptance rate with protected second photos: [mean, standard deviation over folds].

    Args:
        judge: computes similarities.
        source: photos (N, 3, S, S) in [-1, 1].
        images: their protected pictures, for the second photo of each pair.
        pairs: row indices into both.
        far: false acceptance rate.
    """
    a, b = (torch.cat([judge.embed(part) for part in batch.split(CHUNK)]) for batch in (source, images))
    scores = judge.similarity(a[pairs.first], b[pairs.second]).double().numpy()
    mean, deviation = true_acceptance(scores, pairs.same, pairs.fold, far=far)
    return [round(mean, 4), round(deviation, 4)]


def table3(bench: IdentityBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure true acceptance rate and Frechet distance of the photos and of identity-dp's pictures.

    Args:
        bench: loaded inputs of the run.
        folder: directory of the result file and its images.
        progress: progress callback.
        keep: stores partial results.
    """
    photos = bench.photos.images
    people = np.array([name.partition(",")[0] for name in bench.photos.ids])
    pairs = pairs_within_folds(people, bench.preset.folds)
    source = bench.features.of(photos)
    rows = [
        Row({"method": "original", "setting": "", "guarantee": None}, lambda photos: photos),
        *own_rows(bench),
    ]
    found = each(
        {row.key: partial(_table3_row, bench, row, pairs, source) for row in rows}, keep, progress, "verify"
    )
    counts = {
        "same": int(pairs.same.sum()),
        "different": int((~pairs.same).sum()),
        "folds": bench.preset.folds,
    }
    return {"pairs": counts, "far": bench.preset.far, "rows": found}


def _table3_row(
    bench: IdentityBench, row: Row, pairs: Pairs, source: Mapping[str, Moments]
) -> dict[str, Any]:
    photos = bench.photos.images
    images = row.make(photos)
    accepted = {
        name: acceptance(judge, photos, images, pairs, bench.preset.far)
        for name, judge in {**bench.verifiers, **bench.facenets}.items()
    }
    return {**row.said, "true_acceptance": accepted, **bench.features.distances(source, images)}


RECOGNISED = 0.05  # in Table III, a method with a lower rate counts as effective


def drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw true acceptance rate (TAR) by recogniser, and Frechet distance, for each row (Table III).

    Args:
        result: content of `pairs.json`.
        folder: directory of the result file and its images.
    """
    figure = Figure(figsize=(12.6, 5.6))
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    rows = result["rows"]
    names = [row_name(row) for row in rows]
    found = list(rows[0]["true_acceptance"])
    width = 0.8 / len(found)
    for k, judge in enumerate(found):
        values = [row["true_acceptance"][judge] for row in rows]
        at = [i + (k - (len(found) - 1) / 2) * width for i in range(len(rows))]
        left.bar(
            at,
            [v[0] for v in values],
            width,
            yerr=[v[1] for v in values],
            color=COLOURS["series"][k],
            label=judge,
        )
    for k, theirs in enumerate(row for row in result["paper"]["table3"] if row["method"] == "identity-dp"):
        label = f"the paper, {theirs['setting']}, FaceNet (VGGFace2)"
        left.axhline(theirs["facenet-vggface2"][0], color="#777777", ls="--" if k else ":", label=label)
    left.set(ylim=(0, 1.03), title=f"TAR at FAR {result['far']:g}; error bars: standard deviation over folds")
    metric = next((row["frechet_metric"] for row in rows if row["frechet"] is not None), "not available")
    right.bar(range(len(rows)), [row["frechet"] or 0 for row in rows], color=COLOURS["bob"])
    right.set(title=f"Fréchet distance ({metric})")
    for axes in (left, right):
        axes.set_xticks(range(len(rows)), names, rotation=25, ha="right")
    legend(figure, [left])
    counts = result["pairs"]
    figure.suptitle(
        f"{photos_and_model(result)}\n{counts['same']} genuine and {counts['different']} impostor pairs "
        f"in {counts['folds']} folds"
    )
    return figure


def table(result: dict[str, Any]) -> list[str]:
    """Table III as measured here, the claims, and the paper's values.

    Args:
        result: content of `pairs.json`.
    """
    judged = list(result["rows"][0]["true_acceptance"])
    head = ["method", "ε (basis)", *(f"TAR, {name}" for name in judged), "Fréchet"]
    rows = []
    for row in result["rows"]:
        rates = [f"{m:.3f} ± {s:.3f}" for m, s in (row["true_acceptance"][name] for name in judged)]
        rows.append([named(row), guaranteed(row.get("of_a_release")), *rates, shown_distances(row)])
    paper = []
    for row in result["paper"]["table3"]:
        rates = [f"{m:.3f} ± {s:.3f}" for m, s in (row[name] for name in FACENETS)]
        paper.append([row["method"], row["setting"], *rates, f"{row['fid']:.4f}"])
    counts = result["pairs"]
    return [
        f"{material(result)} Recognisers: {', '.join(judged)}.{lacking(result)}",
        f"{counts['same']} genuine and {counts['different']} impostor pairs in {counts['folds']} folds with "
        "disjoint people; the second photo of a pair is protected; the threshold of each fold gives a "
        f"false acceptance rate (FAR) of {result['far']:g} on the other folds. TAR: true acceptance rate. "
        "Mean and standard deviation over folds.",
        markdown(head, rows),
        claims_table(judge(result), said_by=SAID_BY),
        f"Table III, {REPORTED} (LFW; FaceNet):",
        markdown(["method", "setting", "CASIA", "VGGFace2", "FID"], paper),
    ]


def judge(result: dict[str, Any]) -> Iterator[Claim]:
    """Check the claim of [IDP] V-F 5 (Table III).

    Args:
        result: content of `pairs.json`.
    """
    rows = {(row["setting"], row.get("nominal_epsilon")): row for row in result["rows"]}
    for law, epsilon in (
        (law, epsilon) for law in READINGS for epsilon in (6.0, 0.57) if (law, epsilon) in rows
    ):
        found = rows[law, epsilon]["true_acceptance"]
        said = ", ".join(f"{name} {mean:.3f} ± {deviation:.3f}" for name, (mean, deviation) in found.items())
        yield Claim(
            f"At epsilon {epsilon:g} the true acceptance rate drops below {RECOGNISED:g}",
            f"{READINGS[law]}: {said}",
            max(mean for mean, _ in found.values()) < RECOGNISED,
        )


PAIRS = result_of_paper(
    "identity-dp/pairs",
    load=load(held_out_people),
    measure=whole(table3),
    figures={"table3": drawing},
    table=table,
    claims=judge,
)
