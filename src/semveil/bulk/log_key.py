# SPDX-License-Identifier: Apache-2.0
"""The user's log key, which authenticates log lines and identifies photos in them."""

import os
import stat

from semveil.core.errors import OutputError
from semveil.core.files import append_line
from semveil.core.locks import lock_file
from semveil.core.weights import home
from semveil.keys.private_file import open_private
from semveil.keys.secret import HEADER, Secret, read_secret, write_secret


def log_key() -> Secret:
    """Read the key in `SEMVEIL_HOME/protect.key`; create it on first use.

    An empty file, which a kill can leave on file systems without atomic writes, holds no key and is filled.

    Raises:
        KeyProblem: the file is damaged, or others may read it.
        OutputError: the file cannot be written.
    """
    path = home() / "protect.key"
    if not path.exists():
        try:
            home().mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write into {str(home())!r}: {error.strerror}") from error
        try:
            write_secret(path, Secret.generate())
        except OutputError:
            if not path.exists():  # another run may have been faster
                raise
    elif stat.S_ISREG(path.lstat().st_mode) and not path.stat().st_size:
        _fill()
    return read_secret(path)


def _fill() -> None:
    path = home() / "protect.key"
    descriptor = open_private(path, "key", os.O_RDWR | os.O_APPEND)
    try:
        lock_file(descriptor, path)
        if not os.fstat(descriptor).st_size:  # another run may have been faster
            append_line(descriptor, f"{HEADER} {Secret.generate().value.hex()}\n".encode())
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror}") from error
    finally:
        os.close(descriptor)
