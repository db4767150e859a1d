# SPDX-License-Identifier: Apache-2.0
"""Figure and Markdown tables of `leak.json`."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from semveil.experiments.kit.plots import heat_table
from semveil.experiments.kit.statistics import NOT_MEASURED, shown_score
from semveil.experiments.kit.tables import markdown

RANK, FURTHER = "rank-1", "rank-10"
RANKED = ("recogniser", "fused anew", "sum of scores")  # attacks whose rank-10 rate is shown
Attack = tuple[str, str]
# Display labels of names in results.
LABELS = {
    "fused anew": "attribute re-fusion",
    "sum of scores": "score fusion",
    "same photo": "original in gallery",
    "learnt to undo": "learned inversion",
    "learnt the people": "parrot recognition",
    "learnt permuted names": "permuted labels (control)",
    "another's attributes": "another person's attributes",
}


def leak_tables(result: dict[str, Any]) -> list[str]:
    """Tables of identification rates and of the attribute probe, as Markdown.

    Args:
        result: content of `leak.json`.
    """
    variants, attacks = result["variants"], _attacks(result)
    first, tenth = [], []
    for attack, cells in attacks.items():
        chance = next(cell["guessing"] for cell in cells if cell)
        names = [*map(_label, attack)]
        first.append([*names, f"{chance:.3f}", *map(_cell, cells)])
        if attack[0] in RANKED:
            tenth.append([*names, *(_cell(cell, FURTHER) for cell in cells)])
    probe = [
        [f"{row['attribute_side']} px", f"{row['cosine_with_the_identity']:.3f}", _cell(row)]
        for row in result["attribute_probe"]
    ]
    photos, people, model = (result["config"][name] for name in ("photos", "people", "model"))
    head, shown = ["attack", "recogniser or features"], [*map(_label, variants)]
    likeness = ", ".join(f"{_label(name)} {variant['ssim']:.3f}" for name, variant in variants.items())
    return [
        f"Rank-1 identification rates with 95 % confidence intervals over people; model {model['name']} "
        f"(`{model['digest'][:12]}`). {photos['probes']} held-out probes, gallery of {people['gallery']} "
        f"people ({photos['gallery']} photos). Learned inversion is trained on {photos['strangers']} photos "
        f"that the attacker protected; parrot recognition on half of {photos['named']} protected photos of "
        f"{people['named']} people, tested on the other half. The attackers' training photos were in the "
        "networks' training set, without labels; the test photos were not.",
        markdown([*head, "chance", *shown], first),
        "Rank-10 identification rates of the attacks that are not trained on protected photos:",
        markdown([*head, *shown], tenth),
        f"SSIM to the photo: {likeness}.",
        "Linear probe that predicts the identity from the attributes sent in the clear, trained on "
        f"{photos['public']} photos:",
        markdown(["attribute resolution", "cosine with the identity", "rank-1 identification rate"], probe),
    ]


def drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the rank-1 identification rate of every attack on every variant.

    Args:
        result: content of `leak.json`.
        folder: directory of the result file and its images.
    """
    variants, attacks = result["variants"], _attacks(result)
    table = np.array([[cell[RANK]["value"] if cell else np.nan for cell in row] for row in attacks.values()])
    figure = Figure(figsize=(4.2 + 0.95 * len(variants), 1.8 + 0.34 * len(attacks)))
    axes = figure.subplots()
    names = [": ".join(map(_label, attack)) for attack in attacks]
    heat_table(axes, table, [*map(_label, variants)], names)
    axes.set_title(f"Rank-1 identification rate, identity at ε = {result['config']['preset']['epsilon']:g}")
    return figure


def _label(name: str) -> str:
    plain = name.replace(", the gallery too", ", re-fused gallery").replace("everything", "all signals")
    return LABELS.get(name, plain)


def _attacks(result: dict[str, Any]) -> dict[Attack, list[dict[str, Any] | None]]:
    """Rows of each attack on all variants, None where it was not run, in the order in which they were run."""
    measured = [variant["attacks"] for variant in result["variants"].values()]
    variants = [{(row["attack"], row["signal"]): row for row in rows} for rows in measured]
    return {attack: [rows.get(attack) for rows in variants] for one in variants for attack in one}


def _cell(row: dict[str, Any] | None, rank: str = RANK) -> str:
    return shown_score(row and row.get(rank), NOT_MEASURED)  # older results have no rank 10
