# SPDX-License-Identifier: Apache-2.0
"""Secret from a passphrase, made expensive to guess by scrypt."""

import os
import unicodedata

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from semveil.core.errors import KeyProblem
from semveil.keys.private_file import read_private
from semveil.keys.secret import SECRET_BYTES, Secret

SALT_BYTES = 16
FEWEST_CHARACTERS = 12


def new_salt() -> bytes:
    """16 random bytes from the operating system; not secret, stored with the protected data."""
    return os.urandom(SALT_BYTES)


def from_passphrase(text: str, salt: bytes) -> Secret:
    """Derive a secret by scrypt with N = 2^17, r = 8, p = 1 (RFC 7914).

    A guess costs tenths of a second and 128 MiB. Anybody with a message can guess passphrases at that cost,
    so the passphrase must be strong; only its length is checked. Equal characters in different Unicode forms
    count as equal (NFC).

    Args:
        text: at least 12 characters.
        salt: 16 bytes from `new_salt`, the same on both sides.

    Raises:
        KeyProblem: the passphrase is too short, or the salt has the wrong length.

    Example:
        >>> salt = new_salt()
        >>> from_passphrase("a heron in the reeds", salt) == from_passphrase("a heron in the reeds", salt)
        True
    """
    if len(salt) != SALT_BYTES:
        raise KeyProblem(f"the salt of a passphrase is {SALT_BYTES} bytes long, got {len(salt)}")
    text = unicodedata.normalize("NFC", text)
    if len(text) < FEWEST_CHARACTERS:
        raise KeyProblem(
            f"the passphrase has {len(text)} characters; use at least {FEWEST_CHARACTERS}, such as six words "
            "drawn by dice"
        )
    return Secret(Scrypt(salt=salt, length=SECRET_BYTES, n=2**17, r=8, p=1).derive(text.encode()))


def read_passphrase(path: str | os.PathLike[str]) -> str:
    """Read the first line of a private file, without its line end.

    Args:
        path: a file that only its owner may access.

    Raises:
        KeyProblem: as for `read_private`, or the line is empty.
    """
    line = read_private(path, "passphrase file").partition("\n")[0]
    if not line:
        raise KeyProblem(
            f"the passphrase file {os.fspath(path)!r} is empty; write the passphrase into its first line"
        )
    return line
