# SPDX-License-Identifier: Apache-2.0
"""Whatever lies in the place of a file that a verb reads: one line, an exit code that says what it was, and
never a bug's.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

DAMAGE: dict[str, bytes] = {
    "empty": b"",
    "binary": bytes(range(256)),
    "utf-16": "text".encode("utf-16"),
    "list": b"[]",
    "number": b"7",
    "object": b"{}",
    "nested": b"[" * 100_000,
    "cut zip": b"PK\x03\x04",
    "pickle": b"\x80\x02}q\x00.",
    "png": b"\x89PNG\r\n\x1a\n",
}


@pytest.fixture
def read(semveil: Callable, photo: Path, tmp_path: Path) -> dict[str, Callable[[Path], object]]:
    """For every kind of file a verb that reads it."""
    out = ("--out", tmp_path / "out.svl")
    send = ("send", photo, "--model", "tiny", *out)
    return {
        "photo": lambda path: semveil("send", path, "--model", "tiny", *out),
        "folder's photo": lambda path: semveil(
            "protect", path, "--method", "mosaic", "--out", tmp_path / "out"
        ),
        "key": lambda path: semveil(*send, "--key", path),
        "passphrase": lambda path: semveil(*send, "--passphrase-file", path),
        "identity": lambda path: semveil(*send, "--identity", path, "--peer", path),
        "public identity": lambda path: semveil("keygen", "--show", path),
        "pair": lambda path: semveil(*send, "--protection", "nn", "--pair", path),
        "message": lambda path: semveil("receive", path, "--out", tmp_path / "bob.png"),
        "certificate": lambda path: semveil("certify", path),
        "ledger": lambda path: semveil("ledger", "list", "--ledger", path),
        "latents": lambda path: semveil("invert", photo, "--model", "tiny", "--out", path),
        "settings": lambda path: semveil("train", "generator", path, "--config", path, *out),
        "face set": lambda path: semveil("train", "parser", path, *out),
        "list of pairs": lambda path: semveil("calibrate", "--pairs", tmp_path, "--list", path),
        "labelled pictures": lambda path: semveil("train", "noise-image", path, *out),
        "picture": lambda path: semveil("classify", path),
    }


KINDS = (
    "photo", "folder's photo", "key", "passphrase", "identity", "public identity", "pair", "message",
    "certificate", "ledger",
    "latents", "settings", "face set", "list of pairs", "labelled pictures", "picture",
)  # fmt: skip
SUFFIXES = {
    "latents": ".safetensors",
    "labelled pictures": ".npz",
    "face set": ".npz",
    "pair": ".safetensors",
}


@pytest.mark.parametrize("kind", KINDS)
def test_damage_of_every_kind_is_one_line_and_no_bug(read: dict, tmp_path: Path, kind: str) -> None:
    for name, content in DAMAGE.items():
        path = tmp_path / f"{name}{SUFFIXES.get(kind, '')}"
        path.write_bytes(content)
        path.chmod(0o600)
        answer = read[kind](path)
        if kind == "ledger" and answer.code == 0:
            continue  # what counts there is its own matter
        assert answer.code not in (0, 70), (name, answer)
        assert len(answer.stderr.splitlines()) == 1, (name, answer)
        assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_pipe_never_makes_it_wait(read: dict, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"pipe{SUFFIXES.get(kind, '')}"
    os.mkfifo(path, 0o600)
    answer = read[kind](path)
    assert answer.code not in (0, 70), answer
    assert len(answer.stderr.splitlines()) == 1, answer
