# SPDX-License-Identifier: Apache-2.0
"""`semveil reproduce`: tables into a page, figures drawn again, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "results"
PAGE = "before\n<!-- tables: {} -->\nold\n<!-- end -->\nafter\n"


def test_a_table_goes_into_a_page(semveil: Callable, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.format("clipping"))
    answer = semveil("reproduce", "latent-dp/clipping", "--out", tmp_path / "out", "--table", page)
    assert answer.code == 0, answer.stderr
    text = page.read_text()
    assert (
        "| clip |" in text
        and "old" not in text
        and text.startswith("before\n")
        and text.endswith("\nafter\n")
    )
    assert json.loads((tmp_path / "out" / "clipping.json").read_text())["table"] in text


def test_a_committed_result_is_drawn_again_and_measures_nothing(semveil: Callable, tmp_path: Path) -> None:
    folder, page = tmp_path / "out", tmp_path / "page.md"
    folder.mkdir()
    shutil.copy(RESULTS / "identity-dp" / "small" / "pairs.json", folder)
    page.write_text(PAGE.format("pairs"))
    before = (folder / "pairs.json").read_bytes()
    answer = semveil(
        "reproduce", "identity-dp/table3", "--redraw", "--out", folder, "--table", page, "--json"
    )
    assert answer.code == 0, answer.stderr
    assert (folder / "table3.png").stat().st_size > 10_000 and (folder / "pairs.json").read_bytes() == before
    assert "| DeepPrivacy |" in page.read_text()
    claims = json.loads(answer.stdout)["claims"]
    assert {"holds", "does not hold"} & {claim["verdict"] for claim in claims}


def test_what_cannot_be_drawn_again_is_refused(semveil: Callable, failed: Callable, tmp_path: Path) -> None:
    failed(semveil("reproduce", "dp-semcom/fig3", "--redraw", "--out", tmp_path), 2, "there is no")
    shutil.copy(RESULTS / "dp-semcom" / "small" / "curves.json", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("no markers")
    answer = semveil("reproduce", "dp-semcom/fig3", "--redraw", "--out", tmp_path, "--table", page)
    assert answer.code != 0 and "tables: curves" in answer.stderr and page.read_text() == "no markers"
    for content in ("{", "[1]"):
        (tmp_path / "curves.json").write_text(content)
        failed(semveil("reproduce", "dp-semcom/fig3", "--redraw", "--out", tmp_path), 2, "curves.json is")
