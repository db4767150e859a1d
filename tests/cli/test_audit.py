"""`semveil audit`: options, table, JSON, file and exit code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

FEW = ("--epsilon", "1", "--draws", "20000")


def test_json_and_file_hold_every_finding(semveil: Callable, tmp_path: Path) -> None:
    answer = semveil("audit", "--mechanism", "per-coordinate-laplace", *FEW, "--json", "--out", tmp_path / "audit.json")
    assert (answer.code, answer.stderr) == (0, "")
    result = json.loads(answer.stdout)
    assert result == json.loads((tmp_path / "audit.json").read_text())
    verdicts = {finding["pair"]: finding["verdict"] for finding in result["findings"]}
    assert verdicts["one number"] == "pass"
    assert verdicts["low bits of float64 outputs"] == "violated"
    assert all(finding["largest_visible_epsilon"] > 0 and finding["basis"] for finding in result["findings"])


def test_the_table_names_basis_and_visible_epsilon(semveil: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    answer = semveil("audit", "--mechanism", "laplace", *FEW)
    assert answer.code == 0
    for words in ("visible to", "simulation", "one number", "False alarms: at most 1e-06 each"):
        assert words in answer.stdout


def test_a_refuted_proof_ends_with_exit_code_1(semveil: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semveil.mechanisms.release.Release.__call__", lambda self, x: x.clone())
    answer = semveil("audit", "--mechanism", "release/laplace", *FEW)
    assert answer.code == 1
    assert "REFUTED: release/laplace" in answer.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "say what to audit"),
        (("--all", "--mechanism", "laplace"), "say what to audit"),
        (("--mechanism", "laplacee"), "did you mean 'laplace'"),
        (("--mechanism", "laplace", "--epsilon", "one"), "--epsilon takes numbers"),
        (("--mechanism", "laplace", "--epsilon", "0,1"), "finite and positive"),
        (("--mechanism", "laplace", "--draws", "10"), "--draws must be at least"),
    ],
)
def test_wrong_options_are_one_line(semveil: Callable, failed: Callable, options: tuple[str, ...], words: str) -> None:
    failed(semveil("audit", *options), 2, words)
