"""Small files that only their owner may read: made with mode 0600, refused with any other."""

import os
import stat
from pathlib import Path

from semveil.core.errors import KeyProblem, OutputError

LARGEST = 1 << 16
BINARY = getattr(os, "O_BINARY", 0)


def write_private(path: str | os.PathLike[str], text: str) -> None:
    """Write a new file with mode 0600 from the start; nothing is ever overwritten, no link followed.

    Raises:
        OutputError: something stands there already, or the folder cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o600)
    except FileExistsError as error:
        raise OutputError(f"{os.fspath(path)!r} exists and keys are never overwritten; name another file") from error
    except OSError as error:
        raise OutputError(f"cannot write {os.fspath(path)!r}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(text.encode("ascii"))
            handle.flush()
            os.fsync(descriptor)
    except BaseException as error:
        Path(path).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OutputError(f"cannot write {os.fspath(path)!r}: {error.strerror}") from error
        raise


def read_private(path: str | os.PathLike[str], what: str) -> str:
    """The text of a file that nobody but its owner may read.

    Args:
        what: names the kind of file in errors, such as "key".

    Raises:
        KeyProblem: no file, a link, no regular file, one that others may read or write, or no text.
    """
    descriptor = open_private(path, what, os.O_RDONLY)
    with os.fdopen(descriptor, "rb") as handle:
        data = handle.read(LARGEST + 1)
    if len(data) > LARGEST or not data.isascii():
        raise KeyProblem(f"{os.fspath(path)!r} is no {what} file of semveil")
    return data.decode("ascii")


def open_private(path: str | os.PathLike[str], what: str, flags: int) -> int:
    """A descriptor of a file that nobody but its owner may read; the file that is checked is the one that is read.

    Args:
        flags: as for `os.open`; files that `os.O_CREAT` makes get mode 0600.

    Raises:
        KeyProblem: as for `read_private`.
    """
    name = os.fspath(path)
    if os.path.islink(path):
        raise KeyProblem(f"the {what} {name!r} is a link; if its target is meant, name that: {os.path.realpath(path)!r}")
    try:
        # O_NOFOLLOW: the link may appear after the check; O_NONBLOCK: a pipe must not make us wait
        descriptor = os.open(path, flags | BINARY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o600)
    except FileNotFoundError as error:
        raise KeyProblem(f"no {what} at {name!r}; check its name, or make one: semveil keygen --help") from error
    except OSError as error:
        raise KeyProblem(f"cannot read the {what} {name!r}: {error.strerror}") from error
    found = os.fstat(descriptor)
    problem = None
    if not stat.S_ISREG(found.st_mode):
        problem = f"the {what} {name!r} is not a regular file; name a file"
    elif os.name == "posix" and found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        problem = f"others may read or change the {what} {name!r} (mode {mode:04o}); if nobody has, run: chmod 600 {name!r}"
    if problem:
        os.close(descriptor)
        raise KeyProblem(problem)
    return descriptor
