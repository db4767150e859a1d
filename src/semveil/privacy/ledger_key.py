# SPDX-License-Identifier: Apache-2.0
"""Key of a ledger's pseudonyms, stored in a separate file."""

import os
import secrets
import stat
from pathlib import Path

from semveil.core.errors import KeyProblem, OutputError
from semveil.core.files import CAREFULLY

KEY_BYTES = 32


def ledger_key(path: Path, *, empty: bool) -> bytes:
    """Return the key, creating it for an empty ledger; the ledger must be locked.

    Args:
        path: of the key file.
        empty: whether the ledger has no lines yet.

    Raises:
        KeyProblem: the key is missing, damaged or readable by others.
        OutputError: it cannot be written.
    """
    name = str(path)
    if not path.exists():
        if not empty:
            raise KeyProblem(
                f"the ledger's key {name!r} is missing, so nobody in it can be found; put it back"
            )
        _make_key(path)
    try:
        key_file = os.open(path, os.O_RDONLY | CAREFULLY)
    except OSError as error:
        raise KeyProblem(f"cannot read the ledger's key {name!r}: {error.strerror}") from None
    with os.fdopen(key_file, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KeyProblem(f"the ledger's key {name!r} is not a regular file")
        if os.name == "posix" and status.st_mode & 0o077:
            raise KeyProblem(f"others can read the ledger's key {name!r}; run: chmod 600 {name!r}")
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise KeyProblem(
            f"the ledger's key {name!r} is damaged: it has {status.st_size} bytes, {KEY_BYTES} are expected"
        )
    return key


def _make_key(path: Path) -> None:
    temporary = path.with_name(f".semveil-{secrets.token_hex(8)}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"cannot write the ledger's key {str(path)!r}: {error.strerror}") from error
