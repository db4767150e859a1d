# SPDX-License-Identifier: Apache-2.0
"""Budgets by part: read strictly, spent exactly, on the right codes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semveil.faces.parts import PARTS, describe_codes
from semveil.mechanisms import BUDGET_PARTS, ClipBox, ExactRelease, parse_budget, part_budget
from semveil.privacy.guarantee import Basis

BOX = ClipBox(-1.5, 3.0)


def test_the_tasks_example() -> None:
    assert parse_budget("skin=5,eyes=3") == {"skin": 5.0, "eyes": 3.0}
    plan = part_budget(parse_budget("skin=5,eyes=3,shared=2"), BOX, 64)
    assert describe_codes(plan.codes) == [
        "shared 0",
        "shared 1",
        "skin shape",
        "skin texture",
        "eyes shape",
        "eyes texture",
    ]
    assert plan.mechanism.scales.shape == plan.sensitivity.values.shape == (6, 64)
    assert plan.mechanism.scales[:, 0].tolist() == [4.5 * 128 / e for e in (2, 2, 5, 5, 3, 3)]
    claim = ExactRelease(plan.mechanism).guarantee(plan.sensitivity)
    assert claim.epsilon == pytest.approx(10)
    assert claim.basis is Basis.PROVED


def test_shared_codes_go_in_clear_unless_named() -> None:
    assert part_budget({"skin": 5.0}, BOX, 8).codes == (4, 5)
    assert part_budget(dict.fromkeys(BUDGET_PARTS, 1.0), BOX, 8).codes == tuple(range(28))


budgets = st.dictionaries(st.sampled_from(BUDGET_PARTS), st.floats(1e-3, 1e3), min_size=1)


@given(budget=budgets, style_dim=st.integers(1, 9))
def test_each_part_spends_its_epsilon_and_the_whole_their_sum(
    budget: dict[str, float], style_dim: int
) -> None:
    plan = part_budget(budget, BOX, style_dim)
    assert list(plan.codes) == sorted(set(plan.codes))
    assert plan.epsilons == budget
    start = 0
    for part, epsilon in plan.epsilons.items():
        block = slice(start, start := start + 2)
        assert all(name.startswith(part) for name in describe_codes(plan.codes[block]))
        loss = plan.sensitivity.values[block] / plan.mechanism.scales[block]
        assert loss.sum().item() == pytest.approx(epsilon)
    claim = ExactRelease(plan.mechanism).guarantee(plan.sensitivity)
    assert claim.epsilon == pytest.approx(math.fsum(budget.values()))


def test_text_round_trip_and_order() -> None:
    text = ", ".join(f"{part} = {i + 1}" for i, part in enumerate(reversed(BUDGET_PARTS)))
    plan = part_budget(parse_budget(text), BOX, 2)
    assert list(plan.epsilons) == ["shared", *PARTS]


def test_bounds_by_coordinate_give_a_part_one_scale() -> None:
    upper = torch.ones(28, 2, dtype=torch.float64)
    upper[4, 0] = 5.0
    plan = part_budget({"skin": 2.0, "hair": 1.0}, ClipBox(torch.zeros(28, 2, dtype=torch.float64), upper), 2)
    assert plan.mechanism.scales.tolist() == [[4.0, 4.0], [4.0, 4.0], [4.0, 4.0], [4.0, 4.0]]
    assert ExactRelease(plan.mechanism).guarantee(plan.sensitivity).epsilon == 3.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot read ''"),
        ("skin", "cannot read 'skin'"),
        ("skin=", "cannot read 'skin='"),
        ("skin=five", "cannot read"),
        ("skin=1,,eyes=2", "cannot read ''"),
        ("skni=1", "did you mean 'skin'"),
        ("share=1", "did you mean 'shared'"),
        ("skin=1,skin=2", "twice"),
        ("skin=0", "positive, finite"),
        ("skin=-1", "positive, finite"),
        ("skin=inf", "positive, finite"),
        ("skin=nan", "positive, finite"),
    ],
)
def test_budgets_that_make_no_sense_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_budget(text)


def test_an_empty_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="names no part"):
        part_budget({}, BOX, 4)
    with pytest.raises(ValueError, match="positive, finite"):
        part_budget({"skin": math.nan}, BOX, 4)
