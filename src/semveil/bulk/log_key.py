# SPDX-License-Identifier: Apache-2.0
"""The key of this user's logs of photos: only with it are lines of a log his, and photos in it recognised."""

import os
import stat

from semveil.core.errors import OutputError
from semveil.core.files import append_line
from semveil.core.locks import lock_file
from semveil.core.weights import home
from semveil.keys.private_file import open_private
from semveil.keys.secret import HEADER, Secret, read_secret, write_secret


def log_key() -> Secret:
    """The key in `SEMVEIL_HOME/protect.key`, made when it is asked for first.

    An empty file, as a kill can leave it where it is not written whole, was never anybody's key and is
    filled.

    Raises:
        KeyProblem: the file is damaged, or others may read it.
        OutputError: it cannot be written.
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
            if not path.exists():  # else another run was quicker
                raise
    elif stat.S_ISREG(path.lstat().st_mode) and not path.stat().st_size:
        _fill()
    return read_secret(path)


def _fill() -> None:
    path = home() / "protect.key"
    descriptor = open_private(path, "key", os.O_RDWR | os.O_APPEND)
    try:
        lock_file(descriptor, path)
        if not os.fstat(descriptor).st_size:  # else another run was quicker
            append_line(descriptor, f"{HEADER} {Secret.generate().value.hex()}\n".encode())
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror}") from error
    finally:
        os.close(descriptor)
