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
def test_options_that_are_wrong(options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path), "--out", str(tmp_path / "out"), *options]) == 2
    said = capsys.readouterr()
    assert words in said.err and said.out == "" and not (tmp_path / "out").exists()
