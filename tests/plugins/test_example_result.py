# SPDX-License-Identifier: Apache-2.0
"""A result of another package is measured, kept, drawn and told by its name."""

import json
from pathlib import Path

import pytest
from plugins.conftest import describe

from semveil.core.plugins import PluginError
from semveil.experiments.kit.experiment import FIGURES, find, papers
from semveil.experiments.kit.reproduce import reproduce, tables


def test_it_is_not_there_before_it_is_installed() -> None:
    assert "example" not in papers()


@pytest.mark.usefixtures("installed")
def test_it_is_reproduced_as_the_papers_are(tmp_path: Path) -> None:
    assert "example" in papers() and "example/moved" not in list(FIGURES)
    picture = reproduce("example/moved", "smoke", tmp_path)
    result = json.loads((tmp_path / "moved.json").read_text())
    assert picture.name == "moved.png" and picture.stat().st_size > 1000
    # the mean size of logistic noise is 2 ln 2 times its scale; standard error of 1,000 draws about 3 %
    assert result["cells"]["1"] == pytest.approx(1.386, rel=0.12) and result["cells"]["2"] == pytest.approx(
        2.773, rel=0.12
    )
    assert f"| 2 | {result['cells']['2']:.2f} |" in tables(result)


def test_a_broken_package_is_named(site: Path) -> None:
    describe(site, "acme-broken", {"semveil.experiments": {"acme": "no_such_module"}})
    with pytest.raises(PluginError, match=r"experiment 'acme' of package acme-broken 1\.0 cannot be used"):
        find("acme/fig1")


def test_a_folder_of_the_program_is_not_replaced(site: Path) -> None:
    describe(site, "acme-taken", {"semveil.experiments": {"dp-semcom": "no_such_module"}})
    assert find("dp-semcom/fig3").name == "dp-semcom/curves" and papers().count("dp-semcom") == 1
