# SPDX-License-Identifier: Apache-2.0
"""The package on the page about extending is whole: its blocks, put into the files that they name, work as
the page says.
"""

import re
import textwrap
import tomllib
from pathlib import Path

import pytest
import torch
from plugins.conftest import describe
from scipy import stats

from semveil.channels import CHANNELS, parse_link
from semveil.mechanisms import MECHANISMS, ExactMechanism, ExactRelease
from semveil.privacy.guarantee import Basis, Norm, Sensitivity

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture
def from_the_page(site: Path) -> None:
    """A block that begins with a file's name is that file, or goes on with the class that it ends with."""
    files: dict[str, str] = {}
    for block in blocks("python"):
        if found := re.match(r"# (semveil_example/\w+\.py)(, in the class \w+)?\n", block):
            name, inside = found.groups()
            files[name] = files[name] + "\n" + textwrap.indent(block, "    ") if inside else block
    assert len(files) == 2
    for file, text in {"semveil_example/__init__.py": "", **files}.items():
        (site / file).parent.mkdir(exist_ok=True)
        (site / file).write_text(text, encoding="utf-8")
    (settings,) = map(tomllib.loads, blocks("toml"))
    describe(site, settings["project"]["name"], settings["project"]["entry-points"])


@pytest.mark.usefixtures("from_the_page")
def test_the_mechanism_and_the_channel_work_by_name() -> None:
    law, sensitivity = MECHANISMS["logistic"].example()
    assert isinstance(law, ExactMechanism)
    assert law.calibrate(sensitivity, 2.0).guarantee(sensitivity).epsilon == pytest.approx(2.0)
    for drawn in (
        law(torch.zeros(1, 4000), rng=torch.Generator().manual_seed(0)),
        ExactRelease(law)(torch.zeros(1, 4000)),
    ):
        assert stats.kstest(drawn[0].numpy(), stats.logistic(scale=2.0).cdf).pvalue > 1e-6
    assert ExactRelease(law).guarantee(sensitivity).basis == Basis.PROVED
    with pytest.raises(ValueError, match="needs an l1 sensitivity"):
        law.calibrate(Sensitivity(4.0, Norm.L2, 6, source="an example"), 2.0)

    assert "impulsive" in CHANNELS
    ones = torch.ones(50, 2000, dtype=torch.complex64)
    power = (
        parse_link("impulsive:ratio=20").channel(ones, 10.0, torch.Generator().manual_seed(0)).received - ones
    ).abs() ** 2
    assert power.mean().item() == pytest.approx(0.1, abs=5 * power.std().item() / power.numel() ** 0.5)
    assert power.square().mean() / power.mean() ** 2 > 3  # heavier tails than a normal channel's 2


def test_the_page_lists_the_groups_that_are_looked_for() -> None:
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "src" / "semveil").rglob("*.py"))
    groups = {group for text in sources for group in re.findall(r'(?:group=|GROUP = )"(semveil\.\w+)"', text)}
    assert len(groups) > 5
    assert set(re.findall(r"^\| `(semveil\.\w+)` \|", PAGE, re.M)) == groups
