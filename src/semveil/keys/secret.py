# SPDX-License-Identifier: Apache-2.0
"""A shared secret of 256 bits, and the file that keeps it."""

import hmac
import os
import re
import secrets

from semveil.core.errors import KeyProblem
from semveil.keys.private_file import read_private, write_private

SECRET_BYTES = 32
HEADER = "semveil-key-1"


class Secret:
    """256 secret bits that Alice and Bob share; printing it shows nothing, and comparison takes constant time.

    Args:
        value: 32 bytes.

    Raises:
        KeyProblem: another length.

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
        """A new secret from the operating system's random source."""
        return cls(secrets.token_bytes(SECRET_BYTES))

    def __eq__(self, other: object) -> bool:
        return hmac.compare_digest(self.value, other.value) if isinstance(other, Secret) else NotImplemented

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled, lest it end in a cache or checkpoint; use write_secret")


def write_secret(path: str | os.PathLike[str], secret: Secret) -> None:
    """Write a secret to a new file, mode 0600: `semveil-key-1` and 64 hexadecimal digits on one line.

    Args:
        path: must not exist.
        secret: to write.

    Raises:
        OutputError: the path exists, or the folder cannot be written.
    """
    write_private(path, f"{HEADER} {secret.value.hex()}\n")


def read_secret(path: str | os.PathLike[str]) -> Secret:
    """Read the result of `write_secret`.

    Raises:
        KeyProblem: the file is missing, a link, accessible to others, or not a secret.
    """
    return secret_in(read_private(path, "key"), path)


def secret_in(text: str, path: str | os.PathLike[str]) -> Secret:
    """The secret in a text that `write_secret` wrote.

    Args:
        text: content of the key file.
        path: of the file, for the message.

    Raises:
        KeyProblem: it holds something else.
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
