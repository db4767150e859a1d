# SPDX-License-Identifier: Apache-2.0
"""What users are told of a method is what it does."""

from pathlib import Path

import pytest
import torch

from semveil.methods.listing import list_methods
from semveil.methods.registry import LINK, load_method
from semveil.privacy.guarantee import Guarantee
from semveil.privacy.strength import STRENGTHS, in_a_word

DOCS = Path(__file__).resolve().parents[2] / "docs"
SAID = {one.name: one.by_default for one in list_methods() if one.by_default}
ORDERS = {"tens of thousands": (1e4, 1e5), "in the thousands": (1e3, 1e4), "millions": (1e6, 1e7)}


def claim_by_default(name: str) -> Guarantee:
    method = load_method(name)
    if hasattr(method, "guarantee"):
        return method.guarantee()
    images = torch.zeros(1, 3, method.size, method.size)
    return method.protect(images, rng=torch.Generator().manual_seed(0)).guarantee


@pytest.mark.parametrize("name", SAID)
def test_the_default_is_as_strong_as_is_said(name: str) -> None:
    claim = claim_by_default(name)
    figure, _, word = SAID[name].rpartition(": ")
    assert word == in_a_word(claim.epsilon, claim.delta)
    bounds = next((ORDERS[order] for order in ORDERS if order in figure), None)
    if claim.epsilon is None:
        assert figure == "no finite epsilon" or name == LINK
    elif bounds:
        assert bounds[0] < claim.epsilon < bounds[1]
    else:
        assert f"epsilon {claim.epsilon:g}" == " ".join(figure.split()[:2])
    assert ("alone" in figure) == (claim.epsilon is not None and claim.whole_record_epsilon is None)


def test_every_method_says_what_its_defaults_guarantee() -> None:
    assert sorted(SAID) == sorted(one.name for one in list_methods())


def test_the_link_has_with_a_key_what_is_said() -> None:
    assert SAID[LINK].startswith("with a key epsilon 0 and a tiny delta")
    claim = load_method(LINK, protection="rotation").guarantee()
    assert claim.epsilon == 0 and 0 < claim.delta < 1e-8 and claim.whole_record_epsilon == 0


def test_defaults_that_protect_nobody_are_named_on_the_page() -> None:
    worthless = [name for name, said in SAID.items() if said.endswith(STRENGTHS[-1].word)]
    page = (DOCS / "which-method.md").read_text(encoding="utf-8")
    paragraph = next(text for text in page.split("\n\n") if text.startswith("**Do not use**"))
    assert len(worthless) == 5 and STRENGTHS[-1].word.replace("protects", "protect") in paragraph
    assert all(f"`{name}`" in paragraph for name in worthless)
