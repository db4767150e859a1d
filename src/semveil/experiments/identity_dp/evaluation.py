# SPDX-License-Identifier: Apache-2.0
"""Figs. 8 and 9 of [IDP]: other programs' pictures beside identity-dp's; `semveil evaluate` writes `evaluation.json`."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.experiments.identity_dp.shown import about, head_of, named, row_of
from semveil.experiments.kit.experiment import written_elsewhere
from semveil.experiments.kit.picture_grid import Cell, draw_pictures
from semveil.experiments.kit.set_distance import NOT_MEASURED
from semveil.experiments.kit.statistics import mean
from semveil.experiments.kit.tables import markdown
from semveil.experiments.kit.utility import utility_table


def drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Rows: photos, other programs' outputs, ours."""
    rows: dict[str, list[Cell]] = {}
    for record in result["pictures"]:
        rows.setdefault(record["shows"], []).append((folder / record["file"], record["source"]))
    return draw_pictures(list(rows.values()), row_labels=list(rows), title="Beside identity-dp")


def table(result: dict[str, Any]) -> str:
    found = mean(result["source"], "face_detected")
    assert found is not None
    rows, head = [row_of(row, found.value) for row in result["rows"]], head_of(result["rows"][0]["images"])
    if result["pairs"]:
        judged = list(result["rows"][0]["true_acceptance"])
        head += [f"true acceptance, {name}" for name in judged]
        for cells, row in zip(rows, result["rows"], strict=True):
            for rate in map(row["true_acceptance"].get, judged):
                cells.append(NOT_MEASURED if rate is None else f"{rate[0]:.3f} ± {rate[1]:.3f}")
    kept = [(named(row), row["kept"]) for row in result["rows"] if "kept" in row]
    return "\n\n".join([about(result), markdown(head, rows), *([utility_table(kept)] if kept else [])])


EVALUATION = written_elsewhere(
    "identity-dp/evaluation", figures={"fig8": drawing}, table=table, photographs=frozenset({"fig8"})
)
