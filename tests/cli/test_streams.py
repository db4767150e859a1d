# SPDX-License-Identifier: Apache-2.0
"""Standard streams under every shell and supervisor, and what is said when a run is ended from outside."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.tiny import SRC

from semveil.cli.console import show, when_interrupted
from semveil.cli.streams import ENDED, expect_end, tell_end

COMMAND = [sys.executable, "-m", "semveil"]
NAMES = [b"bad\xff.jpg", "\U0001f600.jpg".encode(), b"e\x1b[31m.jpg", b"n\nl.jpg", "übel.jpg".encode()]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "SEMVEIL_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(SRC),
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def album(tmp_path: Path, photo: Path) -> Path:
    """A photo, and refused files with names of every kind."""
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "good.jpg").write_bytes(photo.read_bytes())
    for name in NAMES:
        Path(os.fsdecode(bytes(folder) + b"/" + name)).write_bytes(b"x")
    return folder


def protect(album: Path, out: Path) -> list[str]:
    return [*COMMAND, "protect", str(album), "--method", "mosaic", "--size", "32", "--out", str(out)]


def test_json_is_whole_whatever_files_are_called_and_the_encoding_lacks(
    album: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    environment |= {"PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run(
        [*protect(album, tmp_path / "out"), "--json"], env=environment, capture_output=True, timeout=120
    )
    result = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (3, b"")
    assert {os.path.basename(os.fsencode(refused["photo"])) for refused in result["refused"]} == set(NAMES)


def test_what_is_told_in_words_can_be_printed_everywhere(
    photo: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    out = Path(os.fsdecode(bytes(tmp_path) + b"/\xff \xf0\x9f\x98\x80 \x1b[31m"))
    environment |= {"PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run(protect(photo, out), env=environment, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\udcff" in done.stdout and rb"\x1b[31m" in done.stdout
    assert b"\x1b" not in done.stdout


def test_lines_of_a_result_cannot_break_or_colour_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show({}, ["Written to a\nb\x1b[31m\udcff."], as_json=False)
    assert capsys.readouterr().out == "Written to a\\nb\\x1b[31m\\udcff.\n"


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-"])
def test_closed_streams_end_nothing_and_nothing_lands_in_files(
    photo: Path, tmp_path: Path, environment: dict[str, str], closed: str
) -> None:
    command = " ".join(f"'{word}'" for word in protect(photo, tmp_path / "out"))
    done = subprocess.run(
        ["bash", "-c", f"{command} {closed}"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    log = (tmp_path / "out" / ".semveil" / "manifest.jsonl").read_text().splitlines()
    assert [set(json.loads(line)) >= {"tag"} for line in log] == [True, True]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_result_that_cannot_be_printed_is_an_error(
    tmp_path: Path, environment: dict[str, str], unbuffered: str
) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("the system has no /dev/full")
    environment["PYTHONUNBUFFERED"] = unbuffered
    command = [*COMMAND, "keygen", "--out", str(tmp_path / "my.key"), "--json"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1
    assert done.stderr == b"semveil: error: the standard output: No space left on device\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "verb", ["keygen --out my.key", "keygen --out my.key --json", "--help", "nonsense 2>&1"]
)
def test_a_reader_that_goes_away_is_met_with_silence(
    tmp_path: Path, environment: dict[str, str], verb: str, unbuffered: str
) -> None:
    environment["PYTHONUNBUFFERED"] = unbuffered
    command = f"(sleep 0.3; {' '.join(COMMAND)} {verb}) | true"
    done = subprocess.run(
        ["bash", "-c", command], env=environment, cwd=tmp_path, capture_output=True, timeout=60
    )
    assert done.stderr == b""


def test_a_run_that_is_interrupted_says_what_is_kept(
    photo: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    album, out = tmp_path / "album", tmp_path / "out"
    album.mkdir()
    for i in range(200):
        (album / f"{i:03}.jpg").write_bytes(photo.read_bytes() + bytes([i]))
    with subprocess.Popen(protect(album, out), env=environment, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        for _ in range(1200):
            if (out / "001.png").exists():
                break
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        said = run.stderr.read()
        assert run.wait(timeout=60) == 130
    done = len(list(out.glob("*.png")))
    assert 2 <= done < 200
    (kept,) = said.splitlines()
    assert (
        kept.startswith("semveil: interrupted; ")
        and "of 200 photos and clips are done and kept" in kept
        and "run the same command" in kept
    )
    assert abs(int(kept.split()[2]) - done) <= 1
    assert [path.name for path in (out / ".semveil").iterdir()] == ["manifest.jsonl"]


SLEEPING = """
import sys, time
from semveil.cli import main
def app(*arguments, **options):
    print("started", flush=True)
    time.sleep(60)
main.app = app
main.run()
"""


@pytest.mark.parametrize(
    ("number", "ended"),
    [
        (signal.SIGINT, "interrupted"),
        (signal.SIGTERM, "ended by SIGTERM"),
        (signal.SIGHUP, "ended by SIGHUP"),
    ],
)
def test_every_way_of_ending_a_run_is_told(environment: dict[str, str], number: int, ended: str) -> None:
    command = [sys.executable, "-c", SLEEPING]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None and run.stderr is not None
        assert run.stdout.readline() == "started\n"
        run.send_signal(number)
        said = run.stderr.read()
        assert run.wait(timeout=60) == 128 + number
    assert said == f"semveil: {ended}; {ENDED}\n"


LOADING = """
import sys
class Slow:
    def find_spec(self, name, *where):
        if name == "semveil.cli.main":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Slow())
sys.argv = ["semveil", "--help"]
import runpy
runpy.run_module("semveil", run_name="__main__")
"""


def test_ctrl_c_while_the_program_loads_shows_no_traceback(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADING], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", f"semveil: interrupted; {ENDED}\n")


@pytest.mark.parametrize(
    ("error", "ended"),
    [(KeyboardInterrupt(), "interrupted"), (SystemExit(128 + signal.SIGTERM), "ended by SIGTERM")],
)
def test_what_is_kept_is_told_on_interrupts_only(
    error: BaseException, ended: str, capsys: pytest.CaptureFixture[str]
) -> None:
    expect_end()
    with pytest.raises(type(error)), when_interrupted(lambda: "three are kept"):
        raise error
    tell_end(130)  # nothing is told twice
    assert capsys.readouterr().err == f"semveil: {ended}; three are kept\n"
    expect_end()
    with pytest.raises(ValueError), when_interrupted(lambda: "three are kept"):
        raise ValueError
    assert capsys.readouterr().err == ""


def test_a_lack_of_memory_is_no_bug(
    semveil: Callable, failed: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ):

        def scarce(card: str, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("semveil.core.model_folders.folders_with", scarce)
        failed(semveil("models", "list"), 1, "not enough memory")
