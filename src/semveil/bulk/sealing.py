# SPDX-License-Identifier: Apache-2.0
"""Key with which the originals of altered faces are sealed, and where the sealed part is stored."""

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
    """How a run seals originals.

    Args:
        key: path of a key file written by `semveil keygen`.
        passphrase_file: alternatively, path of a file with a passphrase in its first line.
        inside: embed the sealed part in the PNG; otherwise it is a separate file, since uploads drop unknown
            PNG chunks.

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
        """Read the secret; within a process, a passphrase always gets the same salt.

        Raises:
            KeyProblem: the file is missing, unsafe or not valid.
        """
        if self.key is not None:
            return SharedKey.from_file(Path(self.key))
        return _of_passphrase(self._passphrase())

    def fingerprint(self) -> str:
        """Digest that distinguishes keys and passphrases without revealing them, independent of file names.

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
    """Secret derived with a fixed salt, as expensive to guess as the sealing key."""
    return from_passphrase(text, hashlib.sha256(_TO_COMPARE).digest()[:SALT_BYTES])
