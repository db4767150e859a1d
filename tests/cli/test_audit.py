# SPDX-License-Identifier: Apache-2.0
"""`semveil audit`: options, table, JSON, file and exit code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

FEW = ("--epsilon", "1", "--draws", "20000")


def test_json_and_file_hold_every_finding(semveil: Callable, tmp_path: Path) -> None:
    answer = semveil(
        "audit", "--mechanism", "per-coordinate-laplace", *FEW, "--json", "--out", tmp_path / "audit.json"
    )
    assert (answer.code, answer.stderr) == (0, "")
    result = json.loads(answer.stdout)
    assert result == json.loads((tmp_path / "audit.json").read_text())
    verdicts = {finding["pair"]: finding["verdict"] for finding in result["findings"]}
    assert verdicts["one number"] == "pass"
    assert verdicts["low bits of float64 outputs"] == "violated"
    assert all(finding["max_detectable_epsilon"] > 0 and finding["basis"] for finding in result["findings"])


def test_the_table_names_basis_power_and_which_test_carried(
    semveil: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    answer = semveil("audit", "--mechanism", "laplace", *FEW)
    assert answer.code == 0
    for words in (
        "detects to",
        "simulation",
        "one number",
        "distinguishing game",
        "False alarms: at most 1e-06 each",
    ):
        assert words in answer.stdout


def test_a_refuted_proof_ends_with_exit_code_1(semveil: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semveil.mechanisms.exact.release.ExactRelease.__call__", lambda self, x: x.clone())
    answer = semveil("audit", "--mechanism", "release/laplace", *FEW)
    assert answer.code == 1
    assert "REFUTED: release/laplace" in answer.stdout


def test_an_audit_that_was_broken_off_goes_on_where_it_stopped(
    semveil: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import semveil.audit.run as experiment

    out, whole = tmp_path / "audit.json", experiment.play
    command = ("audit", "--mechanism", "laplace", *FEW, "--out", out)
    played = []

    def interrupted(game: object, **options: object) -> object:
        if len(played) == 2:
            raise KeyboardInterrupt
        played.append(game)
        return whole(game, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(experiment, "play", interrupted)
    assert semveil(*command).code == 130
    assert not out.exists() and (tmp_path / "audit.json.unfinished").exists()
    kept = [
        json.loads(line) for line in (tmp_path / "audit.json.unfinished").read_text().splitlines() if line
    ]
    assert len(kept) == 1 + 2

    monkeypatch.setattr(
        experiment, "play", lambda game, **options: played.append(game) or whole(game, **options)
    )
    assert semveil(*command).code == 0
    result = json.loads(out.read_text())
    assert len(played) == len(result["findings"]) == 5
    assert [f["epsilon_lower_bound"] for f in result["findings"]][:2] == [
        e["finding"]["epsilon_lower_bound"] for e in kept[1:]
    ]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["audit.json"]


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
def test_wrong_options_are_one_line(
    semveil: Callable, failed: Callable, options: tuple[str, ...], words: str
) -> None:
    failed(semveil("audit", *options), 2, words)
