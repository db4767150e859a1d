# SPDX-License-Identifier: Apache-2.0
"""Every committed result draws its figures and tables again: moving code must not change what readers see."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semveil.core.results import read_result
from semveil.experiments.kit.experiment import EXPERIMENTS, load_all
from semveil.experiments.kit.reproduce import draw, tables

RESULTS = Path(__file__).resolve().parents[2] / "results"
GOLDEN = Path(__file__).with_name("golden")
# Mean difference of 8-bit values: renderers round the edges of letters differently; a moved curve differs by
# more.
ROUNDING = 0.1

load_all()


def _results() -> dict[str, Path]:
    return {
        "-".join(path.relative_to(RESULTS).with_suffix("").parts): path
        for path in sorted(RESULTS.rglob("*.json"))
    }


def _drawn() -> Iterator[tuple[Path, str]]:
    """Committed results, and the figures of theirs that lie beside them."""
    for path in _results().values():
        name = read_result(path).get("experiment")
        for figure in EXPERIMENTS[name].figures if name in EXPERIMENTS else ():
            if path.with_name(f"{figure}.png").is_file():
                yield path, f"{str(name).partition('/')[0]}/{figure}"


DRAWN = list(_drawn())


@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("*.md")), ids=lambda path: path.stem)
def test_tables_are_word_for_word_what_they_were(golden: Path) -> None:
    assert tables(read_result(_results()[golden.stem])) + "\n" == golden.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "figure"), DRAWN, ids=[f"{path.parent.name}-{figure}" for path, figure in DRAWN]
)
def test_figures_are_what_they_were(path: Path, figure: str, tmp_path: Path) -> None:
    folder = shutil.copytree(path.parent, tmp_path / "results")
    assert (
        difference(draw(folder / path.name, figure), path.with_name(f"{figure.rpartition('/')[2]}.png"))
        < ROUNDING
    )


def difference(one: Path, other: Path) -> float:
    """Mean difference of two pictures' values; infinite where the sizes differ."""
    with Image.open(one) as a, Image.open(other) as b:
        if a.size != b.size:
            return float("inf")
        return float(np.abs(np.asarray(a.convert("RGB"), float) - np.asarray(b.convert("RGB"), float)).mean())


def test_the_comparison_sees_a_moved_point(tmp_path: Path) -> None:
    path = RESULTS / "dp-semcom" / "small" / "curves.json"
    text = path.read_text(encoding="utf-8").replace('"nominal_epsilon": 800', '"nominal_epsilon": 900')
    (tmp_path / "curves.json").write_text(text, encoding="utf-8")
    assert difference(draw(tmp_path / "curves.json", "dp-semcom/fig3"), path.with_name("fig3.png")) > ROUNDING


def test_every_committed_result_is_held() -> None:
    told = {key for key, path in _results().items() if _has_table(read_result(path).get("experiment"))}
    assert told == {path.stem for path in GOLDEN.glob("*.md")}
    pictures = {path for path in RESULTS.rglob("*.png") if path.parent.name != "images"}
    assert {path.with_name(f"{figure.rpartition('/')[2]}.png") for path, figure in DRAWN} == pictures


def _has_table(name: str | None) -> bool:
    return name in EXPERIMENTS and EXPERIMENTS[str(name)].table is not None


def _of_one_figure() -> Iterator[tuple[str, str, str]]:
    """Committed results with a section by figure: file, section, figure."""
    for key, path in _results().items():
        result = read_result(path)
        figures = (
            set(EXPERIMENTS[name].figures) if (name := result.get("experiment")) in EXPERIMENTS else set()
        )
        for section, content in result.items():
            if isinstance(content, dict) and content and set(content) <= figures:
                yield from ((key, section, figure) for figure in content)


@pytest.mark.parametrize(("key", "section", "figure"), list(_of_one_figure()))
def test_tables_are_written_when_one_figure_alone_was_measured(key: str, section: str, figure: str) -> None:
    result = read_result(_results()[key])
    result[section] = {figure: result[section][figure]}
    experiment = EXPERIMENTS[result["experiment"]]
    assert isinstance(tables(result), str) and list(experiment.claims(result)) is not None
