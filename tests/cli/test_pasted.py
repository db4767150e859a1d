# SPDX-License-Identifier: Apache-2.0
"""Names of files on the command line, and in the commands that are printed to be copied."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

MOSAIC = ("--method", "mosaic", "--size", "64", "--detector", "dlib")


@pytest.mark.parametrize("name", ["my own message.svl", "a'b$c.svl", "-x.svl"])
def test_printed_commands_can_be_copied_whatever_files_are_called(
    semveil: Callable, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    sent = semveil("send", photo, "--model", "tiny", "--protection", "none", "--out", f"./{name}")
    heard = semveil("eavesdrop", f"./{name}", "--out", "eve one.png")
    assert (sent.code, heard.code) == (0, 0)
    printed = [
        line.partition("semveil ")[2]
        for line in (sent.stdout + heard.stdout).splitlines()
        if "semveil " in line
    ]
    assert len(printed) >= 4
    for command in printed:
        _, file, *_ = shlex.split(command)
        assert Path(file).is_file() and not file.startswith("-"), command


def test_a_photo_whose_name_looks_like_options_is_met_with_the_way_to_write_it(
    semveil: Callable, failed: Callable, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-rf.jpg").write_bytes(photo.read_bytes())
    for words in (("protect", "-rf.jpg", *MOSAIC), ("send", "-rf.jpg", "--out", "m.svl")):
        failed(semveil(*words), 2, "'-rf.jpg' is read as options; for the file of that name write ./-rf.jpg")
    assert semveil("protect", "./-rf.jpg", *MOSAIC, "--out", "out").code == 0
    failed(semveil("protect", "-gh.jpg", *MOSAIC), 2, "no option -g")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("https://example.org/a.jpg", "nothing is fetched from the network"),
        ("-", "not read from a pipe"),
        ("*.jpg", "the shell did not replace the pattern"),
        ("~/a.jpg", "the shell did not replace the pattern"),
        ("absent.jpg", "name photos or folders of photos"),
    ],
)
def test_a_path_that_is_none_is_met_with_what_to_do(
    semveil: Callable,
    failed: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    failed(semveil("protect", given, *MOSAIC), 3, said)


def test_where_nothing_is_protected_nothing_is_said_to_be_hidden(
    semveil: Callable, photo: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "plain.png")
    none = semveil("protect", tmp_path / "plain.png", *MOSAIC, "--out", tmp_path / "out")
    assert none.code == 4 and "1 refused" in none.stdout and "Hidden" not in none.stdout
    assert "Hidden: fine detail" in semveil("protect", photo, *MOSAIC, "--out", tmp_path / "out").stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--method mosaic --block 100000", "block must be at most the crop's side, 256 pixels, got 100000"),
        ("--method blur --sigma 1e9", "sigma must be at most the crop's side, 256 pixels, got 1e+09"),
        ("--method blur --size 32 --sigma 33", "sigma must be at most the crop's side, 32 pixels"),
        ("--method dp-svd --rank 257", "rank must be at most the crop's side, 256 pixels, got 257"),
    ],
)
def test_amounts_beyond_the_crop_are_refused_before_a_photo_is_read(
    semveil: Callable, failed: Callable, photo: Path, options: str, said: str
) -> None:
    """They took all memory for every photo, which was then told to be shrunk."""
    failed(semveil("protect", photo, *options.split()), 2, said)


def test_a_lack_of_memory_names_the_settings_too(
    semveil: Callable, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*ignored: object) -> None:
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to"
        )

    monkeypatch.setattr("semveil.methods.baselines.mosaic.pixelated", greedy)
    answer = semveil("protect", photo, *MOSAIC, "--out", tmp_path / "out")
    assert answer.code == 3 and "needs more memory than there is, with these settings" in answer.stderr
    assert "RuntimeError" not in answer.stderr


def test_a_channel_that_there_is_not_is_named_by_the_option_that_asked_for_it(
    semveil: Callable, failed: Callable, photo: Path
) -> None:
    failed(semveil("transmit", photo, "--channel", "foo"), 2, "--channel: no channel named 'foo'")
    failed(semveil("transmit", photo, "--eve-channel", "foo"), 2, "--eve-channel: no channel named 'foo'")
