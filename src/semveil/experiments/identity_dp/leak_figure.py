# SPDX-License-Identifier: Apache-2.0
"""Draw `leak.json`, and its tables in Markdown."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from semveil.experiments.kit.plots import heat_table
from semveil.experiments.kit.statistics import NOT_MEASURED, shown_score
from semveil.experiments.kit.tables import markdown

RANK, FURTHER = "rank-1", "rank-10"
RANKED = ("recogniser", "fused anew", "sum of scores")  # attackers whose rank 10 is shown
Attack = tuple[str, str]


def leak_tables(result: dict[str, Any]) -> list[str]:
    """The result as Markdown.

    Args:
        result: of `identity-dp/leak`.
    """
    variants, rows = result["variants"], []
    for attack, signal in _attacks(result):
        cells = [_found(variant, attack, signal) for variant in variants.values()]
        guessing = next(cell["guessing"] for cell in cells if cell)
        rows.append([attack, signal, f"{guessing:.3f}", *(_cell(cell) for cell in cells)])
    photos, people, model = (result["config"][name] for name in ("photos", "people", "model"))
    further = [row for row in rows if row[0] in RANKED]
    tenth = [
        [attack, signal, *(_cell(_found(variant, attack, signal), FURTHER) for variant in variants.values())]
        for attack, signal, *_ in further
    ]
    return [
        f"Rank 1: fraction of photos whose person is ranked first, with a 95 % interval over people; model {model['name']} "
        f"(`{model['digest'][:12]}`). {photos['probes']} held-out people are searched among {people['gallery']} "
        f"({photos['gallery']} photos). An attacker who learns to undo the protection trains on {photos['strangers']} photos "
        f"that it protected itself; one who learns the people, on half of {photos['named']} protected photos of "
        f"{people['named']} people, and is tested on the other half. The attackers' "
        "training photos were in the networks' training set, without names; the test photos were not.",
        markdown(["attacker", "recogniser or features", "chance", *variants], rows),
        "Rank 10 (the person is among the first ten), for attackers who do not train on other protected photos:",
        markdown(["attacker", "recogniser or features", *variants], tenth),
        "SSIM to the photo: " + ", ".join(f"{name} {variant['ssim']:.3f}" for name, variant in variants.items()) + ".",
        f"Linear probe that predicts the identity from the attributes sent in the clear, trained on {photos['public']} photos:",
        markdown(
            ["attribute resolution", "cosine with the identity", "person ranked first"],
            [
                [f"{row['attribute_side']} px", f"{row['cosine_with_the_identity']:.3f}", _cell(row)]
                for row in result["attribute_probe"]
            ],
        ),
    ]


def drawing(result: dict[str, Any], folder: Path) -> Figure:
    """How often every attacker finds the right person on every variant."""
    variants, attacks = result["variants"], _attacks(result)
    found = [[_found(variant, *attack) for variant in variants.values()] for attack in attacks]
    table = np.array([[cell[RANK]["value"] if cell else np.nan for cell in row] for row in found])
    figure = Figure(figsize=(4.2 + 0.95 * len(variants), 1.8 + 0.34 * len(attacks)))
    axes = figure.subplots()
    heat_table(axes, table, list(variants), [f"{attack}: {signal}" for attack, signal in attacks])
    axes.set_title(f"How often the right person comes first, identity at ε = {result['config']['preset']['epsilon']:g}")
    return figure


def _attacks(result: dict[str, Any]) -> list[Attack]:
    """Attackers in the order in which they were run, over all variants."""
    return list(dict.fromkeys((row["attack"], row["signal"]) for v in result["variants"].values() for row in v["attacks"]))


def _found(variant: dict[str, Any], attack: str, signal: str) -> dict[str, Any] | None:
    return next((row for row in variant["attacks"] if (row["attack"], row["signal"]) == (attack, signal)), None)


def _cell(row: dict[str, Any] | None, rank: str = RANK) -> str:
    return shown_score(row and row.get(rank), NOT_MEASURED)  # results of before have no rank 10
