"""Passphrases: the scrypt of RFC 7914 with the stated price, and nothing short."""

import hashlib
import unicodedata
from typing import Any

import pytest

from semveil.core.errors import KeyProblem
from semveil.keys import Secret, from_passphrase, new_salt

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
