# SPDX-License-Identifier: Apache-2.0
"""What an unfinished audit keeps, and what it refuses to keep."""

from pathlib import Path

from semveil.audit.journal import Journal, sources_digest

SETTINGS = {"draws": 100, "sources": "abc"}


def test_findings_come_back_for_the_same_settings_only(tmp_path: Path) -> None:
    path = tmp_path / "audit.json.unfinished"
    journal = Journal(path, SETTINGS)
    journal.add("one", {"verdict": "pass"})
    journal.add("two", {"verdict": "violated"})
    again = Journal(path, SETTINGS)
    assert (len(again), again.get("two"), again.get("three")) == (2, {"verdict": "violated"}, None)
    changed = Journal(path, {**SETTINGS, "sources": "abd"})
    assert len(changed) == 0
    changed.add("one", {"verdict": "not testable"})
    assert len(Journal(path, SETTINGS)) == 0 and Journal(path, {**SETTINGS, "sources": "abd"}).get("one")
    again.finish()
    assert not path.exists()


def test_a_torn_line_loses_that_finding_alone(tmp_path: Path) -> None:
    path = tmp_path / "unfinished"
    journal = Journal(path, SETTINGS)
    journal.add("one", {"verdict": "pass"})
    path.write_text(path.read_text() + '{"game": "two", "find')
    torn = Journal(path, SETTINGS)
    assert len(torn) == 1
    torn.add("three", {"verdict": "pass"})
    assert {name for name in ("one", "two", "three") if Journal(path, SETTINGS).get(name)} == {"one", "three"}


def test_the_digest_of_the_sources_is_stable() -> None:
    assert sources_digest() == sources_digest() and len(sources_digest()) == 64
