# SPDX-License-Identifier: Apache-2.0
"""Passphrases: the scrypt of RFC 7914 with the stated price, and nothing short."""

import hashlib
import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from semveil.core.errors import KeyProblem
from semveil.keys import Secret, from_passphrase, new_salt
from semveil.keys.passphrase import read_passphrase

SALT = bytes(range(16))


def test_it_is_scrypt_with_the_stated_parameters(vectors: dict[str, Any]) -> None:
    text = "Grüße aus dem Schilf"
    price = {"n": 2**17, "r": 8, "p": 1, "maxmem": 2**28, "dklen": 32}
    expected = hashlib.scrypt(unicodedata.normalize("NFC", text).encode(), salt=SALT, **price)
    assert from_passphrase(text, SALT) == Secret(expected)
    (vector,) = vectors["passphrase"]
    assert from_passphrase(vector["text"], bytes.fromhex(vector["salt"])).value.hex() == vector["secret"]


def test_unicode_forms_count_as_equal_and_other_texts_and_salts_do_not() -> None:
    text = "Grüße aus dem Schilf"
    secret = from_passphrase(text, SALT)
    assert from_passphrase(unicodedata.normalize("NFD", text), SALT) == secret
    assert from_passphrase(text + " ", SALT) != secret
    assert from_passphrase(text, bytes(16)) != secret


@pytest.mark.parametrize("text", ["", "hunter2", "elevenchars", unicodedata.normalize("NFD", "äöüäöüäöüäö")])
def test_short_passphrases_are_refused_without_repeating_them(text: str) -> None:
    with pytest.raises(KeyProblem, match="use at least 12") as caught:
        from_passphrase(text, SALT)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("length", [0, 15, 17, 32])
def test_salts_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(KeyProblem, match=f"16 bytes long, got {length}"):
        from_passphrase("a heron in the reeds", bytes(length))


def test_salts_are_new() -> None:
    salts = {new_salt() for _ in range(100)}
    assert len(salts) == 100
    assert {len(salt) for salt in salts} == {16}


@pytest.mark.parametrize(
    "content",
    [
        b"a heron in the reeds",
        b"a heron in the reeds\n",
        b"a heron in the reeds\r\nanother line\r\n",
        "\ufeffa heron in the reeds\r\n".encode(),
        "a heron in the reeds\r\n".encode("utf-16"),
    ],
)
def test_the_first_line_of_a_file_is_the_passphrase_whatever_wrote_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "words"
    path.write_bytes(content)
    path.chmod(0o600)
    assert read_passphrase(path) == "a heron in the reeds"


@pytest.mark.parametrize("inside", ["\x0b", "\x1c", "\u2028", "\x85", " "])
def test_only_line_ends_end_the_passphrase(tmp_path: Path, inside: str) -> None:
    path = tmp_path / "words"
    path.write_text(f"a heron{inside}in the reeds\n", encoding="utf-8")
    path.chmod(0o600)
    assert read_passphrase(path) == f"a heron{inside}in the reeds"


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666])
def test_a_passphrase_that_others_may_read_is_refused_with_the_fix(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "words"
    path.write_text("a heron in the reeds\n")
    path.chmod(mode)
    with pytest.raises(KeyProblem, match="chmod 600"):
        read_passphrase(path)
    path.chmod(0o400)
    assert read_passphrase(path)


def test_what_is_no_passphrase_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe, empty, binary = tmp_path / "pipe", tmp_path / "empty", tmp_path / "binary"
    os.mkfifo(pipe, 0o600)
    empty.touch(0o600)
    binary.touch(0o600)
    binary.write_bytes(b"\xff" * 40)
    for path, words in (
        (pipe, "not a regular file"), (Path("/dev/zero"), "not a regular file"), (tmp_path, "folder"),
        (empty, "is empty"),
        (binary, "no text"), (tmp_path / "absent", "no passphrase file"),
    ):  # fmt: skip
        with pytest.raises(KeyProblem, match=words):
            read_passphrase(path)
