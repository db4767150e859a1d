# SPDX-License-Identifier: Apache-2.0
"""With which key the originals of altered faces are sealed, and where they go."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from semveil.core.errors import KeyProblem
from semveil.keys.passphrase import SALT_BYTES, from_passphrase, read_passphrase
from semveil.keys.schedule import hkdf_sha256
from semveil.keys.secret import Secret
from semveil.methods.shared_key import SharedKey

_TO_COMPARE = b"semveil sealing key, to tell it from others"


@dataclass(frozen=True)
class Sealing:
    """How a run seals.

    Args:
        key: path of a key file that `semveil keygen` wrote.
        passphrase_file: path of a file with a passphrase in its first line, instead.
        inside: put the sealed part into the PNG; beside it otherwise, since uploads drop what they do not
            know.

    Raises:
        KeyProblem: not exactly one of the two is given.
    """

    key: str | None = None
    passphrase_file: str | None = None
    inside: bool = False

    def __post_init__(self) -> None:
        if (self.key is None) == (self.passphrase_file is None):
            raise KeyProblem("sealing needs one key: a key file, or a file with a passphrase")

    def load(self) -> SharedKey:
        """The secret; of one passphrase always with the same salt in a process.

        Raises:
            KeyProblem: the file is missing, unsafe or no such file.
        """
        if self.key is not None:
            return SharedKey.from_file(Path(self.key))
        return _of_passphrase(self._passphrase())

    def fingerprint(self) -> str:
        """Tells keys and passphrases apart without showing them, whatever their files are called.

        Raises:
            KeyProblem: as for `load`.
        """
        secret = self.load().secret if self.key is not None else _to_compare(self._passphrase())
        return hkdf_sha256(secret.value, salt=None, info=_TO_COMPARE).hex()

    def _passphrase(self) -> str:
        assert self.passphrase_file is not None
        return read_passphrase(self.passphrase_file)


@lru_cache(maxsize=2)
def _of_passphrase(text: str) -> SharedKey:
    return SharedKey.from_passphrase(text)


@lru_cache(maxsize=2)
def _to_compare(text: str) -> Secret:
    """Under a salt that stays, and as expensive to guess as what seals."""
    return from_passphrase(text, hashlib.sha256(_TO_COMPARE).digest()[:SALT_BYTES])
