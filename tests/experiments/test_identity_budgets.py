# SPDX-License-Identifier: Apache-2.0
"""The tables of cosines kept, of budgets at which a verifier accepts the new identity,
and of looks chosen.
"""

import pytest
import torch

from semveil.experiments.identity_dp.budgets import accepted_from, cosines, looks
from semveil.mechanisms import SPHERE_MECHANISMS, cosines_kept


def test_cosines_kept_at_epsilon_ten_and_512_numbers() -> None:
    kept = {name: cosine for name, (cosine,) in cosines_kept(512, [10.0]).items()}
    assert kept == {
        "laplace": pytest.approx(0.0069, abs=5e-5),
        "l2-laplace": pytest.approx(0.0098, abs=5e-5),
        "von-mises-fisher": pytest.approx(0.0098, abs=5e-5),
        "privunit": pytest.approx(0.144, abs=2e-3),
        "privunit-g": pytest.approx(0.144, abs=2e-3),
    }
    assert max(kept, key=lambda name: kept[name]) == "privunit"


@pytest.mark.parametrize("name", list(SPHERE_MECHANISMS))
def test_draws_are_accepted_where_the_table_says(name: str) -> None:
    """At the budget where the mean cosine is the threshold many draws lie above it, PrivUnit's cap all; at
    half of it few.
    """
    threshold = 0.4
    epsilon = accepted_from(name, 128, threshold)
    pole = torch.eye(128)[:1].expand(2000, -1)
    shares = [
        (
            SPHERE_MECHANISMS[name].calibrate(128, e)(pole, rng=torch.Generator().manual_seed(0))[:, 0]
            >= threshold
        )
        .float()
        .mean()
        for e in (epsilon, epsilon / 2)
    ]
    assert shares[0] > 0.4 and shares[1] < 0.3


def test_the_table_has_the_papers_dimension_and_the_models() -> None:
    lines = cosines(128, 0.3, epsilons=(10.0,)).splitlines()
    assert lines[0] == "| d | mechanism | ε 10 | ε where the mean reaches 0.300 |"
    assert "| 512 | privunit | 0.143 |  |" in lines
    (laplace,) = [line for line in lines if line.startswith("| 128 | laplace |")]
    assert laplace.endswith(f"| {accepted_from('laplace', 128, 0.3):.1f} |")
    assert len(lines) == 2 + 2 * len(SPHERE_MECHANISMS)


def test_a_look_is_chosen_by_chance_without_a_budget_and_is_the_nearest_with_much() -> None:
    ranks = [int(line.split("|")[2].split()[0]) for line in looks((0.001, 2000.0)).splitlines()[2:]]
    assert ranks[0] == pytest.approx(499.5, abs=1) and ranks[1] < 5
