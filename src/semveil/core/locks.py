# SPDX-License-Identifier: Apache-2.0
"""Exclusive locks on open files between processes."""

import os

from filelock import lock_descriptor

from semveil.core.errors import OutputError

_POLL = 0.005  # seconds between two tries


def lock_file(descriptor: int, path: str | os.PathLike[str], *, wait: bool = True) -> bool:
    """Lock an open file against other processes until it is closed.

    Args:
        descriptor: the file, open for writing.
        path: its path, for the error message.
        wait: wait while another process holds the lock; otherwise return at once.

    Returns:
        True if the lock was acquired; always with `wait`.

    Raises:
        OutputError: the file system does not support locks (some network shares); nothing was written.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file, open(file.name, "ab") as again:
        ...     lock_file(file.fileno(), file.name), lock_file(again.fileno(), file.name, wait=False)
        (True, False)
    """
    try:
        return lock_descriptor(descriptor, blocking=wait, poll_interval=_POLL)
    except OSError as error:
        raise OutputError(
            f"cannot lock {os.fspath(path)!r}, and without a lock two runs could write at once: its file "
            f"system has no locks ({error.strerror or error}); choose a folder on another file system, such "
            "as a local disk"
        ) from error
