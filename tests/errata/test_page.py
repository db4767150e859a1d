# SPDX-License-Identifier: Apache-2.0
"""docs/errata.md: every erratum names tests, every test that it names exists,
and every test here is named.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "errata.md"
LINK = re.compile(r"\[`(tests/[\w/]+\.py)::(\w+)`\]\(\.\./([\w/]+\.py)\)")
ENTRY = re.compile(r"^### ([a-z-]+) (\d+): (?=\S)", re.MULTILINE)


def entries(text: str) -> dict[tuple[str, int], str]:
    """(method, number) -> text of the entry."""
    pieces = ENTRY.split(text)[1:]
    return {
        (method, int(number)): re.split(r"^## ", body, flags=re.MULTILINE)[0]
        for method, number, body in zip(*[iter(pieces)] * 3, strict=True)
    }


def named_tests(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def missing(text: str) -> list[str]:
    """Links to tests that do not exist, or that lead elsewhere than they say."""
    return [
        f"{path}::{name}"
        for path, name, target in LINK.findall(text)
        if path != target or not (ROOT / path).is_file() or name not in named_tests(ROOT / path)
    ]


PAGE_ENTRIES = entries(PAGE.read_text())


@pytest.mark.parametrize("entry", PAGE_ENTRIES, ids=lambda entry: f"{entry[0]} {entry[1]}")
def test_every_erratum_names_tests_that_exist(entry: tuple[str, int]) -> None:
    text = PAGE_ENTRIES[entry]
    assert LINK.search(text), "names no test"
    assert missing(text) == []
    for part in ("Where", "Says", "True", "semveil", "Shown by"):
        assert f"**{part}" in text
    own = f"tests/errata/test_{entry[0].replace('-', '_')}.py"
    assert any(path == own and name.startswith(f"test_{entry[1]}_") for path, name, _ in LINK.findall(text))


def test_errata_are_numbered_without_gaps() -> None:
    for method in {method for method, _ in PAGE_ENTRIES}:
        numbers = [number for name, number in PAGE_ENTRIES if name == method]
        assert numbers == list(range(1, len(numbers) + 1))
    assert ("dp-semcom", 13) in PAGE_ENTRIES


def test_every_test_here_is_named_under_its_number() -> None:
    for path in Path(__file__).parent.glob("test_*.py"):
        method = path.stem.removeprefix("test_").replace("_", "-")
        if path.name == Path(__file__).name:
            continue
        for name in named_tests(path):
            assert f"::{name}`" in PAGE_ENTRIES[method, int(name.split("_")[1])]


def test_code_refers_to_errata_that_exist() -> None:
    reference = re.compile(r"docs/errata\.md`?,\s+([a-z-]+) (\d+)")
    found = [
        (path, (method, int(number)))
        for folder in ("src", "tests")
        for path in (ROOT / folder).rglob("*.py")
        for method, number in reference.findall(path.read_text())
    ]
    assert found
    assert [(path, entry) for path, entry in found if entry not in PAGE_ENTRIES] == []


def test_dead_links_would_be_noticed() -> None:
    good = "[`tests/errata/test_page.py::test_dead_links_would_be_noticed`](../tests/errata/test_page.py)"
    assert missing(good) == []
    for right, wrong in [("dead", "live"), ("/test_page", "/test_pages"), ("](../tests", "](../src")]:
        assert len(missing(good.replace(right, wrong))) == 1


def test_relative_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE.read_text())
    assert [target for target in targets if not (PAGE.parent / target).is_file()] == []
