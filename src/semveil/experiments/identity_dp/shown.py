# SPDX-License-Identifier: Apache-2.0
"""Helpers shared by identity-dp's figures, tables and claims."""

from collections.abc import Iterable, Sequence
from typing import Any

from semveil.experiments.identity_dp.paper import COLUMNS
from semveil.experiments.identity_dp.presets import LITERAL, PUBLISHED
from semveil.experiments.kit.plots import number
from semveil.experiments.kit.set_distance import shown_distances
from semveil.experiments.kit.statistics import mean
from semveil.experiments.kit.tables import HEADS, markdown, means

SAID_BY = "Claim in the paper, or our target"
REPORTED = "as reported by the paper"
# targets at epsilon 6; detection rate relative to that of the original photos
PSR_AIM, SSIM_AIM, DETECTION_AIM = 0.9, 0.8, 0.98
# Readings of the paper's noise: name in result rows -> wording in claims.
READINGS = {
    PUBLISHED: "noise as published, normalised to unit length",
    LITERAL: "noise by Eq. 11 to the letter",
}


def distance_judge(result: dict[str, Any]) -> str:
    """Select the recogniser whose identity distance is shown.

    FaceNet if it was measured, otherwise a recogniser other than dlib, whose vectors are not of unit length.

    Args:
        result: its rows have `identity_distance` columns.
    """
    columns = (result.get("reconstructed") or result["rows"][0])["images"]
    judges = [
        name.removeprefix("identity_distance ") for name in columns if name.startswith("identity_distance ")
    ]
    return min(judges, key=lambda judge: (not judge.startswith("facenet"), judge == "dlib"))


def judges(result: dict[str, Any]) -> str:
    """Describe the substitutes for the paper's recognisers.

    Args:
        result: content of a result file.
    """
    names = " and ".join(name for name in result["config"]["verifiers"] if name != "bundled")
    judge = distance_judge(result)
    distance = "" if judge.startswith("facenet") else f"; identity distance by {judge} in place of FaceNet"
    return f"PSR against {names} in place of Microsoft Azure Face{distance}"


def row_name(row: dict[str, Any]) -> str:
    """Display name of a row.

    Args:
        row: of a result; only traditional methods have `reading`.

    Example:
        >>> row_name({"method": "blur", "amount": 7.0, "reading": "text"})
        'blur 7, text'
        >>> row_name({"method": "identity-dp", "setting": "privunit", "nominal_epsilon": 6.0})
        'identity-dp, privunit, $\\\\epsilon$ 6'
    """
    if "reading" in row:
        return f"{row['method']} {row['amount']:g}, {row['reading']}"
    name = ", ".join(part for part in (row["method"], row.get("setting")) if part)
    return name if row.get("nominal_epsilon") is None else f"{name}, $\\epsilon$ {row['nominal_epsilon']:g}"


def photos_and_model(result: dict[str, Any]) -> str:
    """Number of photos, model and its dimension, for a title.

    Args:
        result: content of a result file.
    """
    config = result["config"]
    return (
        f"{config['photos']['count']} photos, {config['model']['name']} (d = {config['model']['dimension']})"
    )


def caption(record: dict[str, Any]) -> str:
    """Caption of a picture in a grid.

    Args:
        record: of a picture; with `nominal_epsilon`, or with `shows` and optionally `amount`.
    """
    if "nominal_epsilon" in record:
        return f"$\\epsilon$ {record['nominal_epsilon']:g}"
    return record["shows"] + (f" {record['amount']:g}" if "amount" in record else "")


def basis(result: dict[str, Any]) -> str:
    """Basis of the guarantees of a result's pictures.

    Args:
        result: content of a result file.
    """
    return next(record["guarantee"]["basis"] for record in result["images"] if "guarantee" in record)


def row_of(row: dict[str, Any], source_rate: float) -> list[str]:
    """Table cells of a row.

    They hold name, budget, metrics with intervals, relative detection rate and Frechet distances.

    Args:
        row: of a result.
        source_rate: face detection rate on the original photos.
    """
    images = row["images"]
    cells = means(images, _metrics(images))
    rate = mean(images, "face_detected")
    ratio = "" if rate is None or not source_rate else f"{rate.value / source_rate:.3f}"
    return [named(row), guaranteed(row.get("of_a_release")), *cells, ratio, shown_distances(images)]


def head_of(columns: Iterable[str]) -> list[str]:
    """Column headings for `row_of`.

    Args:
        columns: names of the measured metrics.
    """
    return [
        "method",
        "ε (basis)",
        *map(column, _metrics(columns)),
        "detection rate relative to the photos",
        "Fréchet",
    ]


def _metrics(columns: Iterable[str]) -> list[str]:
    """Metrics in a row of Table I: distance and PSR by every recogniser, then the others."""
    names = list(columns)
    alone = [name for name in names if name.startswith("protected ")]
    sharp = [name for name in names if name == "sharpness"]  # results of earlier versions have none
    return [*distances_in(names), *alone, "psr", "psnr", "ssim", *sharp, "face_detected"]


def reported(rows: Sequence[dict[str, Any]]) -> str:
    """Table of rows as reported by the paper.

    Args:
        rows: with `method`, `setting` and all of `COLUMNS`.
    """
    cells = [[row["method"], row["setting"], *(f"{row[name]:g}" for name in COLUMNS)] for row in rows]
    return markdown(
        ["method", "setting", "distance, CASIA", "distance, VGGFace2", "PSR", "PSNR", "SSIM", "FDR"], cells
    )


def about(result: dict[str, Any]) -> str:
    """Describe photos, model and recognisers in the sentences above a table.

    Args:
        result: content of a result file.
    """
    thresholds = "; ".join(
        f"{name} threshold {card['threshold']:.4g} ({card['threshold_from']})"
        for name, card in result["config"]["verifiers"].items()
    )
    words = f"{material(result)} {judges(result)}; {thresholds}.{lacking(result)}"
    return f"{words} Mean over photos with a 95 % bootstrap interval."


def material(result: dict[str, Any]) -> str:
    """Describe photos and model.

    Args:
        result: content of a result file.
    """
    config = result["config"]
    model = config["model"]
    description = config["photos"]["description"]
    return f"{description}; model {model['name']} (`{model['digest'][:12]}`), d = {model['dimension']}."


def lacking(result: dict[str, Any]) -> str:
    """Sentence on recognisers skipped for missing weights; empty if there are none.

    Args:
        result: its config names the recognisers without weights.
    """
    absent = ", ".join(result["config"]["facenets_missing"])
    return f" Not measured because the weights are missing: {absent}." if absent else ""


def others(result: dict[str, Any]) -> str:
    """Mean identity distance between different people, by recogniser, as text.

    Args:
        result: content of a result file.
    """
    return ", ".join(
        f"{name.removeprefix('identity_distance ')} {value}" for name, value in result["other_people"].items()
    )


def distances_in(columns: Iterable[str]) -> list[str]:
    """Names of the identity distances among metrics.

    Args:
        columns: metric names, such as `identity_distance edgeface`.
    """
    return [name for name in columns if name.startswith("identity_distance ")]


def column(metric: str) -> str:
    """Column heading of a metric.

    Args:
        metric: its name in results.
    """
    return HEADS.get(
        metric, metric.replace("identity_distance ", "distance, ").replace("protected ", "PSR, ")
    )


def named(row: dict[str, Any]) -> str:
    """Display name of a row in Markdown, with epsilon as a Greek letter.

    Args:
        row: as for `row_name`.
    """
    return row_name(row).replace("$\\epsilon$", "nominal ε")


def guaranteed(guarantee: dict[str, Any] | None) -> str:
    """Epsilon of a release and its basis, as a table cell; `none` without a guarantee.

    Args:
        guarantee: output of `Guarantee.as_dict`; None for methods without a guarantee.
    """
    if guarantee is None or guarantee["epsilon"] is None:
        return "none"
    rounded = float(f"{guarantee['epsilon']:.4g}")
    return f"{number(rounded)} ({guarantee['basis']}; identity only)"
