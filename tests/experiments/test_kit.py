# SPDX-License-Identifier: Apache-2.0
"""One file adds a figure: measured once, kept, drawn, told and judged by the one driver."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from semveil.core.registry import Registry
from semveil.experiments.kit import experiment as kit
from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.keeping import MEASUREMENTS
from semveil.experiments.kit.reproduce import draw, judged, publish, reproduce, tables
from semveil.experiments.kit.tables import markdown

measured: list[int] = []


@dataclass(frozen=True)
class Numbers:
    config: Mapping[str, Any]
    head: Mapping[str, Any]


def square(number: int) -> int:
    if number == 3 and len(measured) == 1:
        measured.append(0)
        raise KeyboardInterrupt
    measured.append(number)
    return number**2


def line(result: dict[str, Any], folder: Path) -> Figure:
    figure = Figure()
    figure.subplots().plot(list(result["cells"].values()))
    return figure


def squares() -> kit.Experiment:
    """All that a new result takes."""
    sizes: Registry[tuple[int, ...]] = Registry("preset")
    sizes.add("smoke", (2, 3))
    return kit.experiment(
        "example/squares",
        revision=1,
        presets=sizes,
        load=lambda run: Numbers({"numbers": run.preset, "model": run.model}, {"seeds": [0]}),
        measure=kit.cells(
            "cells",
            lambda inputs: {str(n): lambda n=n: square(n) for n in inputs.config["numbers"]},  # type: ignore[misc]
            stage="square",
        ),
        figures={"line": line},
        table=lambda result: markdown(list(result["cells"]), [[str(v) for v in result["cells"].values()]]),
        claims=lambda result: [
            Claim("Squares grow", "from 4 to 9", result["cells"]["3"] > result["cells"]["2"])
        ],
        paper={"source": "a test"},
    )


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[kit.Experiment]:
    for registry in (kit.EXPERIMENTS, kit.FIGURES, MEASUREMENTS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    measured.clear()
    monkeypatch.setattr(kit, "load_all", lambda: None)
    yield squares()


def test_a_result_is_measured_once_goes_on_after_a_break_and_is_told(
    example: kit.Experiment, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        reproduce("example/line", "smoke", tmp_path / "out")
    png = reproduce("example/line", "smoke", tmp_path / "out")
    assert measured == [2, 0, 3], "what was done before the break is kept"
    assert reproduce("example/line", "smoke", tmp_path / "out") == png and len(measured) == 3
    reproduce("example/line", "smoke", tmp_path / "out", model="another")
    assert len(measured) == 5, "another model has another key"
    numbers = tmp_path / "out" / "squares.json"
    result = json.loads(numbers.read_text())
    assert (
        result["cells"] == {"2": 4, "3": 9}
        and result["paper"] == {"source": "a test"}
        and result["seeds"] == [0]
    )
    before = png.read_bytes()
    png.unlink()
    assert draw(numbers, "example/line").read_bytes() == before
    page = tmp_path / "page.md"
    page.write_text("<!-- tables: squares -->\n<!-- end -->\n")
    publish(numbers, page)
    assert "| 4 | 9 |" in page.read_text() and tables(result) in page.read_text()
    assert judged(numbers) == [{"text": "Squares grow", "ours": "from 4 to 9", "verdict": "holds"}]


def test_other_names_and_sizes_are_refused_with_those_that_there_are(
    example: kit.Experiment, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"no figure named .example/lime.*did you mean .example/line"):
        reproduce("example/lime", "smoke", tmp_path)
    with pytest.raises(ValueError, match=r"no preset named .huge.*available: smoke"):
        reproduce("example/line", "huge", tmp_path)
    kit.written_elsewhere("example/other", table=lambda result: "")
    with pytest.raises(ValueError, match=r"other\.json written by another command"):
        reproduce("example/other", "smoke", tmp_path)
    assert not list(tmp_path.iterdir())


def test_every_result_of_every_paper_is_found_by_its_figures() -> None:
    kit.load_all()
    assert {name.partition("/")[0] for name in kit.EXPERIMENTS} == set(kit.papers())
    for name in kit.EXPERIMENTS:
        experiment = kit.EXPERIMENTS[name]
        assert all(
            kit.FIGURES[f"{name.partition('/')[0]}/{figure}"] is experiment for figure in experiment.figures
        )
        assert experiment.photographs <= set(experiment.figures)
        assert experiment.load is None or "smoke" in experiment.presets
