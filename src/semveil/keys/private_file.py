# SPDX-License-Identifier: Apache-2.0
"""Small files readable by their owner only: created with mode 0600, refused if others have access."""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from semveil.core.errors import KeyProblem, OutputError
from semveil.core.files import PRIVATE, open_regular
from semveil.core.text import decode_text

LARGEST = 1 << 16
BINARY = getattr(os, "O_BINARY", 0)


def write_private(path: str | os.PathLike[str], text: str) -> None:
    """Write a new file with mode 0600 from the start; never overwrite, never follow a link.

    The content is written to a temporary file that is renamed when complete, so that a crash leaves no
    truncated key.

    Args:
        path: path of the new file; must not exist.
        text: ASCII content.

    Raises:
        OutputError: the path exists, or the folder is not writable.
    """
    name, path = os.fspath(path), Path(path)
    temporary = path.with_name(f".semveil-{secrets.token_hex(8)}.tmp")
    try:
        if os.path.lexists(path):
            raise FileExistsError
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, PRIVATE)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(text.encode("ascii"))
            handle.flush()
            os.fsync(descriptor)
        _rename_new(temporary, path)
    except FileExistsError as error:
        raise OutputError(f"{name!r} exists and keys are never overwritten; name another file") from error
    except OSError as error:
        raise OutputError(f"cannot write {name!r}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _rename_new(temporary: Path, path: Path) -> None:
    """Rename a file unless the new name exists."""
    try:
        os.link(temporary, path)  # fails if the name exists; a rename on POSIX would overwrite it
    except FileExistsError:
        raise
    except OSError:  # no hard links on this file system, e.g. a memory stick
        if os.path.lexists(path):
            raise FileExistsError from None
        os.rename(temporary, path)


def read_private(path: str | os.PathLike[str], what: str) -> str:
    """Read the text of a file that only its owner may access, see `core.text.decode_text`.

    Args:
        path: path of the file.
        what: kind of file for error messages, such as "key".

    Raises:
        KeyProblem: missing, a link, not a regular file, accessible to others, larger than 64 KiB, or not
            text.
    """
    name = os.fspath(path)
    with os.fdopen(open_private(path, what, os.O_RDONLY), "rb") as handle:
        data = handle.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise KeyProblem(f"{name!r} is no {what} file of semveil: it is larger than {LARGEST:,} bytes")
    try:
        return decode_text(data)
    except ValueError:
        raise KeyProblem(f"{name!r} is no {what} file of semveil: it is no text in UTF-8") from None


def open_private(path: str | os.PathLike[str], what: str, flags: int) -> int:
    """Open a file that only its owner may access and return its descriptor.

    Permissions are checked on the open file.

    Args:
        path: path of the file.
        what: kind of file for error messages, such as "key".
        flags: as for `os.open`; files created by `os.O_CREAT` get mode 0600.

    Raises:
        KeyProblem: missing, a link, not a regular file, or accessible to others.
    """
    name = os.fspath(path)
    if os.path.islink(path):
        raise KeyProblem(
            f"the {what} {name!r} is a link; if its target is meant, name that: {os.path.realpath(path)!r}"
        )
    try:
        # no links: one may appear after the check above
        descriptor = open_regular(path, flags | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError as error:
        raise KeyProblem(
            f"no {what} at {name!r}; check its name, or make one: semveil keygen --help"
        ) from error
    except OSError as error:
        raise KeyProblem(f"cannot read the {what} {name!r}: {error.strerror}") from error
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if os.name == "posix" and mode & 0o077:
        os.close(descriptor)
        raise KeyProblem(
            f"others may read or change the {what} {name!r} (mode {mode:04o}); if nobody has, run: chmod 600 "
            f"{name!r}"
        )
    return descriptor
