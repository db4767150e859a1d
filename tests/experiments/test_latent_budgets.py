# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/methods/dp-image.md and latent-dp.md: up to date, and right where a closed form is at
hand.
"""

import re
from pathlib import Path

import pytest

from semveil.core.results import read_result
from semveil.experiments.dp_image.sensitivities import sensitivities
from semveil.experiments.kit.reproduce import reproduce, tables
from semveil.experiments.latent_dp.clipping import clipping
from semveil.methods.latent_model import load_latent_model

PAGES = Path(__file__).parents[2] / "docs" / "methods"
MODEL = load_latent_model()


@pytest.mark.parametrize(("page", "table"), [("dp-image", "sensitivities"), ("latent-dp", "clipping")])
def test_pages_hold_the_tables_as_they_are_made(page: str, table: str, tmp_path: Path) -> None:
    path = reproduce(f"{page}/{table}", "smoke", tmp_path)
    assert tables(read_result(path)) in (PAGES / f"{page}.md").read_text()


@pytest.mark.parametrize("page", ["dp-image", "latent-dp"])
def test_links_of_the_pages_lead_somewhere(page: str) -> None:
    path = PAGES / f"{page}.md"
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text())
    assert targets and [target for target in targets if not (path.parent / target).is_file()] == []


def test_the_papers_own_numbers_are_in_the_table() -> None:
    text = sensitivities(MODEL)
    for number in ("17,995", "71,980", "35,990", "368,640"):
        assert number in text
    assert f"{28 * 64 * 6.965517:,.0f}" in text


def test_noise_of_one_scale_is_the_closed_form() -> None:
    """Proportional weights at epsilon 10: sqrt(2) sum S / 10."""
    for line in clipping(MODEL).splitlines()[2:]:
        cells = [cell.strip().replace(",", "") for cell in line.strip("|").split("|")]
        assert float(cells[4]) == pytest.approx(2**0.5 * float(cells[1]) / 10, rel=0.01)
        assert float(cells[-1]) == 10 * (28 * 64) ** 2
