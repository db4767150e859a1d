# SPDX-License-Identifier: Apache-2.0
"""Atomic writing of files, and non-blocking opening of regular files."""

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from semveil.core.errors import OutputError

PRIVATE = 0o600  # readable and writable by the owner only
# Flags for `os.open`: do not block on a pipe, and do not translate line ends on Windows.
CAREFULLY = getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def sha256_of_file(path: str | os.PathLike[str]) -> bytes:
    """SHA-256 of a regular file, 32 bytes.

    Args:
        path: file path; the file is read in parts.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def open_regular(path: str | os.PathLike[str], flags: int = os.O_RDONLY, *, mode: int = PRIVATE) -> int:
    """Open a regular file and return its descriptor.

    Pipes and devices are never opened, since reading them may block or not end.

    Args:
        path: the file.
        flags: as for `os.open`.
        mode: mode of a file created by `os.O_CREAT`, before the umask.

    Raises:
        OSError: it cannot be opened, or is not a regular file.

    Example:
        >>> open_regular(os.devnull)
        Traceback (most recent call last):
        ...
        OSError: [Errno 22] it is not a regular file: '/dev/null'
    """
    try:
        _refuse_unless_regular(os.stat(path).st_mode, path)
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    descriptor = os.open(path, flags | CAREFULLY, mode)
    try:
        _refuse_unless_regular(os.fstat(descriptor).st_mode, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_unless_regular(mode: int, path: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(mode):
        what = "it is a folder, not a regular file" if stat.S_ISDIR(mode) else "it is not a regular file"
        raise OSError(errno.EINVAL, what, os.fspath(path))


def append_line(descriptor: int, line: bytes) -> None:
    """Append a line to a log and flush it to disk; on failure the log is unchanged.

    If a killed process left an incomplete last line, the new line starts after a line end.

    Args:
        descriptor: the log, opened with `os.O_RDWR | os.O_APPEND` and locked.
        line: line including its line end.

    Raises:
        OSError: the line cannot be written; the log is unchanged.
    """
    size = os.fstat(descriptor).st_size
    os.lseek(descriptor, max(0, size - 1), os.SEEK_SET)
    if size and os.read(descriptor, 1) != b"\n":
        line = b"\n" + line
    try:
        written = 0
        while written < len(line):
            written += os.write(descriptor, line[written:])
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, private: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only when complete.

    The bytes go to a temporary file in the same folder, which is flushed to disk and then renamed to the
    target. On any error or interrupt the temporary file is removed and the target is unchanged. Symbolic
    links are followed; a replaced file keeps its permissions, a new file gets those of the process's umask.

    Args:
        path: the target, in an existing folder; either absent or a regular file.
        private: use mode 0600 regardless of the umask and the previous file's mode.

    Yields:
        A binary handle; do not close it.

    Raises:
        OutputError: the folder is missing or not writable, the target is a folder or a device, or the disk is
            full; any `OSError` raised in the block is reported as a write error.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "note.txt")
        >>> with atomic_write(path) as handle:
        ...     _ = handle.write(b"whole")
        >>> path.read_bytes()
        b'whole'
    """
    target = Path(os.path.realpath(path))
    mode = _mode_of_replaced(target)
    # Not derived from the target's name, which may already have the maximum length.
    temporary = target.with_name(f".semveil-{secrets.token_hex(8)}.tmp")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, PRIVATE if private else 0o666)
        with os.fdopen(descriptor, "wb") as handle:
            if mode is not None and not private:
                os.chmod(temporary, mode)
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OutputError(f"cannot write {str(target)!r}: {error.strerror or error}") from error
        raise
    _sync_folder(target.parent)


def write_whole(path: str | os.PathLike[str], content: bytes | str, *, private: bool = False) -> None:
    """Write a file atomically, see `atomic_write`.

    Args:
        path: of the file; replaced if it exists.
        content: bytes, or text to encode in UTF-8 with its line ends unchanged.
        private: mode 0600.

    Raises:
        OutputError: the path cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "note.txt")
        >>> write_whole(path, "grüße")
        >>> path.read_text(encoding="utf-8")
        'grüße'
    """
    data = content.encode() if isinstance(content, str) else content
    with atomic_write(path, private=private) as handle:
        handle.write(data)


def _mode_of_replaced(target: Path) -> int | None:
    """Return the permission bits of the file to be replaced; None if there is none."""
    if not target.parent.is_dir():
        raise OutputError(
            f"cannot write {str(target)!r}: the folder {str(target.parent)!r} does not exist; create it first"
        )
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(f"cannot write {str(target)!r}: {error.strerror}") from error
    if stat.S_ISDIR(mode):
        raise OutputError(f"cannot write {str(target)!r}: it is a folder; name a file in it")
    if not stat.S_ISREG(mode):
        raise OutputError(f"cannot write {str(target)!r}: it is not a regular file; name another path")
    return stat.S_IMODE(mode)


def _sync_folder(folder: Path) -> None:
    """Flush a rename in `folder` to disk, if the system and permissions allow opening a folder."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # the file itself is already complete
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
