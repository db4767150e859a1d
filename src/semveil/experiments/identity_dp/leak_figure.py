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
        f"Share of photos whose person comes first (rank 1), with a 95 % interval over people; model {model['name']} "
        f"(`{model['digest'][:12]}`). {photos['probes']} held-out people are looked for among {people['gallery']} "
        f"({photos['gallery']} photos). To undo the protection the attacker learns from {photos['strangers']} photos that it "
        f"protected itself; to learn the people, from half of {photos['named']} protected photos of {people['named']} people, "
        "and it is asked about the other half. Photos to learn from were in the networks' training set, without names; those "
        "that are looked for were not.",
        markdown(["attacker", "by", "guessing", *variants], rows),
        "Among the ten that come first (rank 10), for attackers who learn nothing from other protected photos:",
        markdown(["attacker", "by", *variants], tenth),
        "SSIM to the photo: " + ", ".join(f"{name} {variant['ssim']:.3f}" for name, variant in variants.items()) + ".",
        f"A linear probe on the attributes that pass in clear, learnt from {photos['public']} photos, asked for the identity:",
        markdown(
            ["attributes see", "cosine with the identity", "person found first"],
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
