"""Every committed result draws its tables again, word for word: moving code must not change what readers see."""

from pathlib import Path

import pytest

from semveil.core.results import read_result
from semveil.experiments.kit.tables import tables

RESULTS = Path(__file__).resolve().parents[2] / "results"
GOLDEN = Path(__file__).with_name("golden")


def _results() -> dict[str, Path]:
    return {"-".join(path.relative_to(RESULTS).with_suffix("").parts): path for path in sorted(RESULTS.rglob("*.json"))}


@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("*.md")), ids=lambda path: path.stem)
def test_tables_are_word_for_word_what_they_were(golden: Path) -> None:
    assert tables(read_result(_results()[golden.stem])) + "\n" == golden.read_text(encoding="utf-8")
