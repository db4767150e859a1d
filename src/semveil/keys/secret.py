# SPDX-License-Identifier: Apache-2.0
"""Shared secret of 256 bits and its key file."""

import hmac
import os
import re
import secrets

from semveil.core.errors import KeyProblem
from semveil.keys.private_file import read_private, write_private

SECRET_BYTES = 32
HEADER = "semveil-key-1"


class Secret:
    """Secret of 256 bits shared by Alice and Bob.

    Its `repr` hides the value, and comparison takes constant time.

    Args:
        value: 32 bytes.

    Raises:
        KeyProblem: wrong length.

    Example:
        >>> Secret.generate()
        Secret(...)
        >>> Secret(bytes(32)) == Secret(bytes(32)), Secret.generate() == Secret.generate()
        (True, False)
    """

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: bytes) -> None:
        if not isinstance(value, bytes) or len(value) != SECRET_BYTES:
            raise KeyProblem(f"a secret is {SECRET_BYTES} bytes long")
        self.value = value

    @classmethod
    def generate(cls) -> "Secret":
        """Generate a secret from the operating system's random source."""
        return cls(secrets.token_bytes(SECRET_BYTES))

    def __eq__(self, other: object) -> bool:
        return hmac.compare_digest(self.value, other.value) if isinstance(other, Secret) else NotImplemented

    def __repr__(self) -> str:
        return "Secret(...)"

    def __deepcopy__(self, memo: object) -> "Secret":
        return self  # a deep copy, such as a moving average of a link, is no pickle

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled, lest it end in a cache or checkpoint; use write_secret")


def write_secret(path: str | os.PathLike[str], secret: Secret) -> None:
    """Write a secret to a new file, mode 0600: `semveil-key-1` and 64 hexadecimal digits on one line.

    Args:
        path: path of the new file; must not exist.
        secret: secret to write.

    Raises:
        OutputError: the path exists, or the folder is not writable.
    """
    write_private(path, f"{HEADER} {secret.value.hex()}\n")


def read_secret(path: str | os.PathLike[str]) -> Secret:
    """Read a file written by `write_secret`.

    Args:
        path: path of the file.

    Raises:
        KeyProblem: the file is missing, a link, accessible to others, or not a secret.
    """
    return secret_in(read_private(path, "key"), path)


def secret_in(text: str, path: str | os.PathLike[str]) -> Secret:
    """Parse the secret from the text of a key file.

    Args:
        text: content of the key file.
        path: path of the file, for error messages.

    Raises:
        KeyProblem: the text is not that of a key file.
    """
    found = re.fullmatch(rf"\s*{HEADER} ([0-9a-f]{{{2 * SECRET_BYTES}}})\s*", text)
    if not found:
        name, damaged = os.fspath(path), text.strip().startswith(HEADER)
        if not text.strip():
            raise KeyProblem(
                f"{name!r} is empty; delete it, and copy it again or make a new one: semveil keygen"
            )
        state = "is cut off or damaged" if damaged else "is no key file of semveil"
        raise KeyProblem(
            f"{name!r} {state}; copy it again from where it was made, or make one: semveil keygen"
        )
    return Secret(bytes.fromhex(found[1]))
