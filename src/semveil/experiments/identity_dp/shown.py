# SPDX-License-Identifier: Apache-2.0
"""Helpers shared by identity-dp's figures, tables and claims."""

from collections.abc import Iterable
from typing import Any

from semveil.experiments.identity_dp.presets import LITERAL, PUBLISHED
from semveil.experiments.kit.plots import number
from semveil.experiments.kit.set_distance import shown_distances
from semveil.experiments.kit.statistics import mean, value
from semveil.experiments.kit.tables import HEADS, means

SAID_BY = "Claim in the paper, or our target"
REPORTED = "as reported by the paper"
# targets at epsilon 6; detection rate relative to that of the original photos
PSR_AIM, SSIM_AIM, DETECTION_AIM = 0.9, 0.8, 0.98
# Readings of the paper's noise: name in result rows -> wording in claims.
READINGS = {
    PUBLISHED: "noise as published, normalised to unit length",
    LITERAL: "noise by Eq. 11 to the letter",
}
DISTANCE = "identity_distance "


def distance_judge(result: dict[str, Any]) -> str:
    """Select the recogniser whose identity distance is shown.

    FaceNet if it was measured, otherwise a recogniser other than dlib, whose vectors are not of unit length.

    Args:
        result: its rows have `identity_distance` columns.
    """
    columns = (result.get("reconstructed") or result["rows"][0])["images"]
    judges = [name.removeprefix(DISTANCE) for name in distances_in(columns)]
    return min(judges, key=lambda judge: (not judge.startswith("facenet"), judge == "dlib"))


def judges(result: dict[str, Any]) -> str:
    """Describe the substitutes for the paper's recognisers.

    Args:
        result: content of a result file.
    """
    names = " and ".join(name for name in result["config"]["verifiers"] if name != "bundled") or "bundled"
    judge = distance_judge(result)
    distance = "" if judge.startswith("facenet") else f"; identity distance by {judge} in place of FaceNet"
    return f"PSR against {names} in place of Microsoft Azure Face{distance}"


def row_name(row: dict[str, Any], epsilon: str = "$\\epsilon$") -> str:
    """Display name of a row.

    Args:
        row: of a result; only traditional methods have `reading`.
        epsilon: sign for the nominal budget.

    Example:
        >>> row_name({"method": "blur", "amount": 7.0, "reading": "text"})
        'blur 7, text'
        >>> row_name({"method": "identity-dp", "setting": "privunit", "nominal_epsilon": 6.0}, "nominal ε")
        'identity-dp, privunit, nominal ε 6'
    """
    if "reading" in row:
        return f"{row['method']} {row['amount']:g}, {row['reading']}"
    name = ", ".join(part for part in (row["method"], row.get("setting")) if part)
    return name if row.get("nominal_epsilon") is None else f"{name}, {epsilon} {row['nominal_epsilon']:g}"


def row_cells(row: dict[str, Any]) -> list[str]:
    """First table cells of a row: its name, and the epsilon of a release.

    Args:
        row: of a result.
    """
    return [row_name(row, "nominal ε"), guaranteed(row.get("of_a_release"))]


def photos_and_model(result: dict[str, Any]) -> str:
    """Number of photos, model and its dimension, for a title.

    Args:
        result: content of a result file.
    """
    photos, model = result["config"]["photos"], result["config"]["model"]
    return f"{photos['count']} photos, {model['name']} (d = {model['dimension']})"


def measured_rows(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of a table of all rows, as in Table I.

    They hold name, budget, metrics with intervals, relative detection rate and Frechet distances.

    Args:
        result: with `source` and `rows`.
    """
    names = result["rows"][0]["images"]
    alone = [name for name in names if name.startswith("protected ")]
    sharp = [name for name in names if name == "sharpness"]  # results of earlier versions have none
    metrics = [*distances_in(names), *alone, "psr", "psnr", "ssim", *sharp, "face_detected"]
    source_rate = value(result["source"], "face_detected")
    cells = []
    for row in result["rows"]:
        rate = mean(row["images"], "face_detected")
        ratio = "" if rate is None or not source_rate else f"{rate.value / source_rate:.3f}"
        shown = [*means(row["images"], metrics), ratio, shown_distances(row["images"])]
        cells.append([*row_cells(row), *shown])
    last = ["detection rate relative to the photos", "Fréchet"]
    return ["method", "ε (basis)", *map(column, metrics), *last], cells


def about(result: dict[str, Any]) -> str:
    """Describe photos, model and recognisers in the sentences above a table.

    Args:
        result: content of a result file.
    """
    thresholds = "; ".join(
        f"{name} threshold {card['threshold']:.4g} ({card['threshold_from']})"
        for name, card in result["config"]["verifiers"].items()
    )
    words = f"{judges(result)}; {thresholds}."
    return f"{material(result, words)} Mean over photos with a 95 % bootstrap interval."


def material(result: dict[str, Any], words: str) -> str:
    """Describe photos and model, and name the recognisers that were skipped for missing weights.

    Args:
        result: content of a result file.
        words: sentence on the recognisers.
    """
    config = result["config"]
    model, absent = config["model"], ", ".join(config["facenets_missing"])
    lacking = f" Not measured because the weights are missing: {absent}." if absent else ""
    digest = f"`{model['digest'][:12]}`"
    about_model = f"model {model['name']} ({digest}), d = {model['dimension']}"
    return f"{config['photos']['description']}; {about_model}. {words}{lacking}"


def others(result: dict[str, Any]) -> str:
    """Sentence on the mean identity distance between different people, by recogniser.

    Args:
        result: content of a result file.
    """
    found = ", ".join(f"{k.removeprefix(DISTANCE)} {v}" for k, v in result["other_people"].items())
    return f"Identity distance between different people: {found}."


def distances_in(columns: Iterable[str]) -> list[str]:
    """Names of the identity distances among metrics.

    Args:
        columns: metric names, such as `identity_distance edgeface`.
    """
    return [name for name in columns if name.startswith(DISTANCE)]


def column(metric: str) -> str:
    """Column heading of a metric.

    Args:
        metric: its name in results.
    """
    return HEADS.get(metric, metric.replace(DISTANCE, "distance, ").replace("protected ", "PSR, "))


def guaranteed(guarantee: dict[str, Any] | None) -> str:
    """Epsilon of a release and its basis, as a table cell; `none` without a guarantee.

    Args:
        guarantee: output of `Guarantee.as_dict`; None for methods without a guarantee.
    """
    if guarantee is None or guarantee["epsilon"] is None:
        return "none"
    rounded = float(f"{guarantee['epsilon']:.4g}")
    return f"{number(rounded)} ({guarantee['basis']}; identity only)"
