# SPDX-License-Identifier: Apache-2.0
"""The frame of the command line: help, version, errors, interrupts, and a start without torch."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from cli.tiny import SRC

from semveil import __version__
from semveil.cli import main as program

VERBS = [
    "transmit", "send", "receive", "eavesdrop", "attack", "audit", "certify", "keygen", "protect", "restore",
    "faces",
    "methods", "classify", "evaluate", "invert", "calibrate", "reproduce", "demo", "data prepare",
    "ledger show",
    "ledger budget", "ledger list",
    "train parser", "train generator", "train encoder", "train deep-jscc", "train protector",
    "train quantiles",
    "train stylegan2",
    "train identity-encoder", "train fusion", "train noise-image",
    "web", "models list", "models info", "models get", "models verify",
]  # fmt: skip


def test_every_verb_is_listed_here() -> None:
    def verbs(command: object, prefix: str = "") -> list[str]:
        children = getattr(command, "commands", {})
        return [v for name, child in children.items() for v in verbs(child, f"{prefix} {name}")] or [
            prefix.strip()
        ]

    assert sorted(verbs(typer.main.get_command(program.app))) == sorted(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example_and_json(semveil: Callable, verb: str) -> None:
    answer = semveil(*verb.split(), "--help")
    assert (answer.code, answer.stderr) == (0, "")
    assert f"Example: semveil {verb}" in " ".join(answer.stdout.split())
    assert "--json" in answer.stdout or verb == "web"  # which serves until it is stopped


def test_a_folder_that_is_gone_is_named_before_libraries_end_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    assert program.main(["--version"]) == 0
    (tmp_path / "gone").rmdir()
    assert program.main(["--version"]) == 1
    assert (
        capsys.readouterr().err
        == "semveil: error: the folder that you are in no longer exists; change to another one\n"
    )


def test_version_and_no_verb(semveil: Callable) -> None:
    assert semveil("--version").stdout == f"semveil {__version__}\n"
    alone = semveil()
    assert alone.code == 0
    assert "transmit" in alone.stdout


def test_help_and_usage_errors_never_load_torch() -> None:
    code = (
        "import sys; from semveil.cli.main import main; main(['transmit', '--help']); main(['transmit']); "
        "main(['--help']); main(['protect', '--help']); main(['protect']); main(['train', 'generator', "
        "'--help']); main(['transmit', 'x', '--snr-db', 'nan']); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trasmit"], "Did you mean 'transmit'"),
        (["train", "fusio"], "see semveil train --help"),
        (["transmit"], "PHOTO"),
        (["send", "a.jpg"], "--out"),
        (["reproduce", "dp-semcom/fig9"], "fig9"),
        (["reproduce", "dp-semcom/fig3", "--preset", "smal"], "'small'"),
        (["receive", "m.svl", "--out", "b.png", "--snr-db", "high"], "'high'"),
        (["receive", "m.svl", "--out", "b.png", "--snr-db=high"], "'high'"),
        (["web", "--port", "99999"], "'99999'"),
        (["train", "protector", "--epsilon", "x", "--epsilon", "3"], "--epsilon"),
    ],
)
def test_usage_errors_are_one_line(
    semveil: Callable, failed: Callable, tmp_path: Path, arguments: list[str], words: str
) -> None:
    if arguments[0] == "reproduce":
        arguments = [*arguments, "--out", str(tmp_path / "out")]
    failed(semveil(*arguments), 2, words)
    assert not list(tmp_path.iterdir())


def test_tracebacks_are_shown_on_demand_only(semveil: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("send", "absent.jpg", "--model", "tiny", "--out", "m.svl")
    assert "Traceback" not in semveil(*command).stderr
    assert "Traceback" in semveil(*command, "--debug").stderr
    monkeypatch.setenv("SEMVEIL_DEBUG", "1")
    assert "Traceback" in semveil(*command).stderr


def test_an_unexpected_error_is_one_line_too(
    semveil: Callable, failed: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*ignored: object) -> None:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("semveil.core.model_folders.folders_with", broken)
    failed(
        semveil("models", "list"), 70, "unexpected RuntimeError: first\\nsecond; run it again with --debug"
    )


def test_names_cannot_smuggle_escapes_into_the_terminal(
    semveil: Callable, failed: Callable, tmp_path: Path
) -> None:
    failed(semveil("receive", "a\n\x1b[31mb.svl", "--out", tmp_path / "x.png"), 6, r"a\n\x1b[31mb.svl")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_nothing(
    home: Path, photo: Path, tmp_path: Path, number: int, code: int
) -> None:
    environment = {**os.environ, "SEMVEIL_HOME": str(home), "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "semveil",
        "transmit",
        str(photo),
        "--model",
        "tiny",
        "--protection",
        "nn",
        "--epsilon",
        "77",
    ]
    with subprocess.Popen(
        [*command, "--out", str(tmp_path / "out")], env=environment, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stderr is not None
        assert "training one now" in run.stderr.readline()
        time.sleep(0.3)
        run.send_signal(number)
        rest = run.stderr.read()
        assert run.wait(timeout=60) == code
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []
    assert not list((home / "pairs").rglob("*-77-*"))


def test_a_reader_that_goes_away_is_no_error(home: Path) -> None:
    environment = {**os.environ, "SEMVEIL_HOME": str(home), "PYTHONPATH": str(SRC)}
    command = f"{sys.executable} -m semveil models list --json | true"
    done = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
