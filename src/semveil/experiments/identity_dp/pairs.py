# SPDX-License-Identifier: Apache-2.0
"""Table III of [IDP]: true acceptance rate when the second photo of each pair is protected, `pairs.json`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from semveil.core.progress import Progress
from semveil.experiments.identity_dp import shown
from semveil.experiments.identity_dp.bench import IdentityBench, in_chunks, load, people_of
from semveil.experiments.identity_dp.paper import result_of_paper
from semveil.experiments.identity_dp.presets import FACENETS
from semveil.experiments.identity_dp.rows import Row, own_rows
from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.experiment import Run, whole
from semveil.experiments.kit.keeping import Keep, each
from semveil.experiments.kit.photo_sets import ORDER_SEED, DataMissing, PhotoSet
from semveil.experiments.kit.plots import COLOURS, legend
from semveil.experiments.kit.set_distance import shown_distances
from semveil.experiments.kit.tables import claims_table, markdown
from semveil.faces.pixels import to_tensor
from semveil.metrics import Moments
from semveil.models.identity import IdentityModel
from semveil.recognition.calibration import true_acceptance
from semveil.recognition.verifier import Verifier

RECOGNISED = 0.05  # in Table III, a method with a lower rate counts as effective


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


def _held_out_people(run: Run, model: IdentityModel) -> PhotoSet:
    """Photos of LFW's test split, several per person, with ids such as `person 0001, photo 1`."""
    faces = people_of(run, model, "Table III")
    photos = np.flatnonzero(faces.tested & np.char.startswith(faces.source, "lfw/"))
    who, rng = faces.person[photos], np.random.default_rng(ORDER_SEED)
    of_person = {str(name): rng.permutation(photos[who == name]) for name in np.unique(who)}
    # People with several photos first: genuine pairs need them.
    order = sorted(of_person, key=lambda name: (-min(2, len(of_person[name])), name))[: run.preset.people]
    if not order or len(of_person[order[0]]) < 2:
        raise DataMissing(f"{run.data} has no person of LFW's test split with two photos")
    chosen = {
        f"person {number:04d}, photo {j}": row
        for number, name in enumerate(order, 1)
        for j, row in enumerate(of_person[name][: run.preset.photos_per_person], 1)
    }
    text = f"{len(chosen)} photos of {len(order)} people of the test split of lfw"
    return PhotoSet(to_tensor(list(faces.pixels[[*chosen.values()]])), tuple(chosen), text, public=False)


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
    a, b = (in_chunks(judge.embed, batch) for batch in (source, images))
    scores = judge.similarity(a[pairs.first], b[pairs.second]).double().numpy()
    mean, deviation = true_acceptance(scores, pairs.same, pairs.fold, far=far)
    return [round(mean, 4), round(deviation, 4)]


def _run(bench: IdentityBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Measure true acceptance rate and Frechet distance of the photos and of identity-dp's pictures."""
    preset = bench.preset
    people = np.array([name.partition(",")[0] for name in bench.photos.ids])
    pairs = pairs_within_folds(people, preset.folds)
    source = bench.features.of(bench.photos.images)
    original = Row({"method": "original", "setting": "", "guarantee": None}, lambda photos: photos)
    jobs = {row.key: partial(_measured, bench, row, pairs, source) for row in (original, *own_rows(bench))}
    found = each(jobs, keep, progress, "verify")
    counts = {"same": int(pairs.same.sum()), "different": int((~pairs.same).sum()), "folds": preset.folds}
    return {"pairs": counts, "far": preset.far, "rows": found}


def _measured(bench: IdentityBench, row: Row, pairs: Pairs, source: Mapping[str, Moments]) -> dict[str, Any]:
    photos, far = bench.photos.images, bench.preset.far
    images = row.make(photos)
    accepted = {name: acceptance(judge, photos, images, pairs, far) for name, judge in bench.judges.items()}
    return {**row.said, "true_acceptance": accepted, **bench.features.distances(source, images)}


def _drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw true acceptance rate (TAR) by recogniser, and Frechet distance, for each row (Table III)."""
    figure = Figure(figsize=(12.6, 5.6))
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    rows = result["rows"]
    found = list(rows[0]["true_acceptance"])
    width = 0.8 / len(found)
    for k, judge in enumerate(found):
        at = [i + (k - (len(found) - 1) / 2) * width for i in range(len(rows))]
        means, deviations = zip(*(row["true_acceptance"][judge] for row in rows), strict=True)
        left.bar(at, means, width, yerr=deviations, color=COLOURS["series"][k], label=judge)
    for k, theirs in enumerate(row for row in result["paper"]["table3"] if row["method"] == "identity-dp"):
        label = f"the paper, {theirs['setting']}, FaceNet (VGGFace2)"
        left.axhline(theirs["facenet-vggface2"][0], color="#777777", ls="--" if k else ":", label=label)
    left.set(ylim=(0, 1.03), title=f"TAR at FAR {result['far']:g}; error bars: standard deviation over folds")
    metric = next((row["frechet_metric"] for row in rows if row["frechet"] is not None), "not available")
    right.bar(range(len(rows)), [row["frechet"] or 0 for row in rows], color=COLOURS["bob"])
    right.set(title=f"Fréchet distance ({metric})")
    for axes in (left, right):
        axes.set_xticks(range(len(rows)), [*map(shown.row_name, rows)], rotation=25, ha="right")
    legend(figure, [left])
    figure.suptitle(f"{shown.photos_and_model(result)}\n{_counts(result)}")
    return figure


def _counts(result: dict[str, Any]) -> str:
    return "{same} genuine and {different} impostor pairs in {folds} folds".format(**result["pairs"])


def _table(result: dict[str, Any]) -> list[str]:
    """Table III as measured here, the claims, and the paper's values."""
    judged = list(result["rows"][0]["true_acceptance"])
    rows, paper = [], []
    for row in result["rows"]:
        rates = [spread(row["true_acceptance"][name]) for name in judged]
        rows.append([*shown.row_cells(row), *rates, shown_distances(row)])
    for row in result["paper"]["table3"]:
        rates = [spread(row[name]) for name in FACENETS]
        paper.append([row["method"], row["setting"], *rates, f"{row['fid']:.4f}"])
    return [
        shown.material(result, f"Recognisers: {', '.join(judged)}."),
        f"{_counts(result)} with disjoint people; the second photo of a pair is protected; the threshold of "
        f"each fold gives a false acceptance rate (FAR) of {result['far']:g} on the other folds. TAR: true "
        "acceptance rate. Mean and standard deviation over folds.",
        markdown(["method", "ε (basis)", *(f"TAR, {name}" for name in judged), "Fréchet"], rows),
        claims_table(_claims(result), said_by=shown.SAID_BY),
        f"Table III, {shown.REPORTED} (LFW; FaceNet):",
        markdown(["method", "setting", "CASIA", "VGGFace2", "FID"], paper),
    ]


def spread(rate: Sequence[float]) -> str:
    """Return the table cell of a rate over folds.

    Args:
        rate: mean and standard deviation.
    """
    mean, deviation = rate
    return f"{mean:.3f} ± {deviation:.3f}"


def _claims(result: dict[str, Any]) -> Iterator[Claim]:
    """Check the claim of [IDP] V-F 5 (Table III)."""
    rows = {(row["setting"], row.get("nominal_epsilon")): row for row in result["rows"]}
    for law, words in shown.READINGS.items():
        for epsilon in (6.0, 0.57):
            if (law, epsilon) in rows:
                found = rows[law, epsilon]["true_acceptance"]
                said = ", ".join(f"{name} {spread(rate)}" for name, rate in found.items())
                text = f"At epsilon {epsilon:g} the true acceptance rate drops below {RECOGNISED:g}"
                yield Claim(text, f"{words}: {said}", max(mean for mean, _ in found.values()) < RECOGNISED)


PAIRS = result_of_paper(
    "identity-dp/pairs",
    load=load(_held_out_people),
    measure=whole(_run),
    figures={"table3": _drawing},
    table=_table,
    claims=_claims,
)
