# SPDX-License-Identifier: Apache-2.0
"""`semveil evaluate`: mistakes in options are found before anything is loaded."""

from pathlib import Path

import pytest

from semveil.cli.main import main


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--output", "made"], "--output takes NAME=DIR, got 'made'"),
        (["--output", "=made"], "--output takes NAME=DIR"),
        (["--output", "a=x", "--output", "a=y"], "--output names 'a' twice"),
        (["--far", "1"], "--far lies in (0, 1), got 1.0"),
    ],
)
def test_options_that_are_wrong(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(tmp_path), "--out", str(tmp_path / "out"), *options]) == 2
    said = capsys.readouterr()
    assert words in said.err and said.out == "" and not (tmp_path / "out").exists()


def test_its_tables_are_printed_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "evaluation.json"
    monkeypatch.setattr(
        "semveil.experiments.identity_dp.evaluate.evaluate", lambda *_, **__: (made, tmp_path / "fig8.png")
    )
    monkeypatch.setattr("semveil.core.results.read_result", lambda _: {"rows": [], "left_out": {}})
    monkeypatch.setattr(
        "semveil.experiments.kit.reproduce.tables", lambda _: "3 faces\n\n| method |\n|---|\n| blur |"
    )
    (tmp_path / "clip.mp4").touch()
    assert main(["evaluate", str(tmp_path), "--output", f"Fawkes={tmp_path}", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "1 clip left out: only photos are compared" in said.err
    assert said.out.splitlines()[:5] == ["3 faces", "", "| method |", "|---|", "| blur |"]
