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
    variants, rows = result["variants"], []
    for attack, signal in _attacks(result):
        cells = [_found(variant, attack, signal) for variant in variants.values()]
        guessing = next(cell["guessing"] for cell in cells if cell)
        rows.append([_label(attack), _label(signal), f"{guessing:.3f}", *(_cell(cell) for cell in cells)])
    photos, people, model = (result["config"][name] for name in ("photos", "people", "model"))
    further = [attack for attack in _attacks(result) if attack[0] in RANKED]
    tenth = [
        [*map(_label, attack), *(_cell(_found(variant, *attack), FURTHER) for variant in variants.values())]
        for attack in further
    ]
    shown = list(map(_label, variants))
    return [
        f"Rank-1 identification rates with 95 % confidence intervals over people; model {model['name']} "
        f"(`{model['digest'][:12]}`). {photos['probes']} held-out probes, gallery of {people['gallery']} "
        f"people ({photos['gallery']} photos). Learned inversion is trained on {photos['strangers']} photos "
        f"that the attacker protected; parrot recognition on half of {photos['named']} protected photos of "
        f"{people['named']} people, tested on the other half. The attackers' training photos were in the "
        "networks' training set, without labels; the test photos were not.",
        markdown(["attack", "recogniser or features", "chance", *shown], rows),
        "Rank-10 identification rates of the attacks that are not trained on protected photos:",
        markdown(["attack", "recogniser or features", *shown], tenth),
        "SSIM to the photo: "
        + ", ".join(f"{_label(name)} {variant['ssim']:.3f}" for name, variant in variants.items())
        + ".",
        "Linear probe that predicts the identity from the attributes sent in the clear, trained on "
        f"{photos['public']} photos:",
        markdown(
            ["attribute resolution", "cosine with the identity", "rank-1 identification rate"],
            [
                [f"{row['attribute_side']} px", f"{row['cosine_with_the_identity']:.3f}", _cell(row)]
                for row in result["attribute_probe"]
            ],
        ),
    ]


def drawing(result: dict[str, Any], folder: Path) -> Figure:
    """Draw the rank-1 identification rate of every attack on every variant.

    Args:
        result: content of `leak.json`.
        folder: directory of the result file and its images.
    """
    variants, attacks = result["variants"], _attacks(result)
    found = [[_found(variant, *attack) for variant in variants.values()] for attack in attacks]
    table = np.array([[cell[RANK]["value"] if cell else np.nan for cell in row] for row in found])
    figure = Figure(figsize=(4.2 + 0.95 * len(variants), 1.8 + 0.34 * len(attacks)))
    axes = figure.subplots()
    heat_table(
        axes, table, list(map(_label, variants)), [": ".join(map(_label, attack)) for attack in attacks]
    )
    axes.set_title(f"Rank-1 identification rate, identity at ε = {result['config']['preset']['epsilon']:g}")
    return figure


def _label(name: str) -> str:
    return LABELS.get(
        name, name.replace(", the gallery too", ", re-fused gallery").replace("everything", "all signals")
    )


def _attacks(result: dict[str, Any]) -> list[Attack]:
    """Attacks of all variants, in the order in which they were run."""
    return list(
        dict.fromkeys(
            (row["attack"], row["signal"]) for v in result["variants"].values() for row in v["attacks"]
        )
    )


def _found(variant: dict[str, Any], attack: str, signal: str) -> dict[str, Any] | None:
    return next(
        (row for row in variant["attacks"] if (row["attack"], row["signal"]) == (attack, signal)), None
    )


def _cell(row: dict[str, Any] | None, rank: str = RANK) -> str:
    return shown_score(row and row.get(rank), NOT_MEASURED)  # older results have no rank 10
