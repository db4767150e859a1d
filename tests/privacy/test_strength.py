# SPDX-License-Identifier: Apache-2.0
"""The word beside an epsilon follows from how often the best observer is right, and the docs say the same."""

import math
from pathlib import Path

import pytest

from semveil.privacy.guarantee import Basis, Guarantee
from semveil.privacy.strength import STRENGTHS, best_guess, in_a_word, largest_epsilon, strength

DOCS = Path(__file__).parents[2] / "docs" / "guarantees.md"


@pytest.mark.parametrize("number", range(len(STRENGTHS) - 1))
def test_the_word_changes_at_the_threshold(number: int) -> None:
    edge = largest_epsilon(STRENGTHS[number].most)
    assert best_guess(edge) == pytest.approx(STRENGTHS[number].most)
    assert strength(edge * (1 - 1e-9)) == STRENGTHS[number]
    assert strength(edge * (1 + 1e-6)) == STRENGTHS[number + 1]


def test_delta_counts_too() -> None:
    assert in_a_word(0.0) == "as good as it gets"
    assert in_a_word(0.0, 0.3) == "strong"  # right in 65 %
    assert in_a_word(0.0, 0.99) == "weak"


def test_words_stand_beside_every_epsilon_of_a_claim() -> None:
    for epsilon, word in (
        (0.0, "as good as it gets"),
        (1.0, "strong"),
        (3.0, "limited"),
        (6.0, "weak"),
        (2e3, "protects nobody"),
    ):
        claim = Guarantee(epsilon, "all codes", Basis.PROVED)
        assert f"{epsilon:g}: {word}" in claim.summary() and f"{epsilon:g}: {word}" in claim.briefly()
    assert "no guarantee" in Guarantee.none("nothing", reason="it is deterministic").briefly()


def test_the_docs_show_these_thresholds() -> None:
    text = DOCS.read_text()
    for one in STRENGTHS:
        epsilon = largest_epsilon(one.most)
        most = "any" if math.isinf(epsilon) else f"{epsilon:.4g}"
        assert f"| {one.word} | {one.most * 100:g} % | {most} | {one.reason} |" in text
