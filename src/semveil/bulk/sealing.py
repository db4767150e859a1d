# SPDX-License-Identifier: Apache-2.0
"""With which key the originals of altered faces are sealed, and where they go."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from semveil.core.errors import KeyProblem
from semveil.keys.passphrase import read_passphrase
from semveil.keys.schedule import hkdf_sha256
from semveil.methods.shared_key import SharedKey


@dataclass(frozen=True)
class Sealing:
    """How a run seals.

    Args:
        key: path of a key file that `semveil keygen` wrote.
        passphrase_file: path of a file with a passphrase in its first line, instead.
        inside: put the sealed part into the PNG; beside it otherwise, since uploads drop what they do not know.

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
        """The secret, read once per process; of a passphrase with a salt of the process's own.

        Raises:
            KeyProblem: the file is missing, unsafe or no such file.
        """
        return _load(self.key, self.passphrase_file)

    def fingerprint(self) -> str:
        """Tells keys apart without showing them; two passphrases only by their files."""
        if self.key is None:
            return f"passphrase {self.passphrase_file}"
        return hkdf_sha256(self.load().secret.value, salt=None, info=b"semveil sealing key, to tell it from others").hex()


@lru_cache(maxsize=2)
def _load(key: str | None, passphrase_file: str | None) -> SharedKey:
    if key is not None:
        return SharedKey.from_file(Path(key))
    assert passphrase_file is not None
    return SharedKey.from_passphrase(read_passphrase(passphrase_file))
