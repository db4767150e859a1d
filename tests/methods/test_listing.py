# SPDX-License-Identifier: Apache-2.0
"""What users are told of a method is what it does."""

from pathlib import Path

import pytest

from semveil.methods.listing import list_methods
from semveil.methods.registry import load_method
from semveil.privacy.strength import STRENGTHS, in_a_word

DOCS = Path(__file__).resolve().parents[2] / "docs"
SAID = {one.name: one.by_default for one in list_methods() if one.by_default}


@pytest.mark.parametrize("name", SAID)
def test_the_default_is_as_strong_as_is_said(name: str) -> None:
    claim = load_method(name).guarantee()
    figure, _, word = SAID[name].rpartition(": ")
    assert word == in_a_word(claim.epsilon, claim.delta)
    assert claim.epsilon is not None
    if "tens of thousands" in figure:
        assert 1e4 < claim.epsilon < 1e5
    else:
        assert f"epsilon {claim.epsilon:g}" == " ".join(figure.split()[:2])


def test_defaults_that_protect_nobody_are_named_on_the_page() -> None:
    worthless = [name for name, said in SAID.items() if said.endswith(STRENGTHS[-1].word)]
    page = (DOCS / "which-method.md").read_text(encoding="utf-8")
    paragraph = next(text for text in page.split("\n\n") if text.startswith("**Do not use**"))
    assert len(worthless) == 2 and STRENGTHS[-1].word.replace("protects", "protect") in paragraph
    assert all(f"`{name}`" in paragraph for name in worthless)
