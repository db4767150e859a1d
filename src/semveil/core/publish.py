# SPDX-License-Identifier: Apache-2.0
"""Joint publication of files that must not be readable before an action has completed."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from semveil.core.errors import OutputError
from semveil.core.files import atomic_write

File = tuple[Path, bytes]  # path and content


def publish(files: Sequence[File], *, private: bool = False, once: Callable[[], None] = lambda: None) -> None:
    """Write several files after an action has succeeded, so that they appear together, in the given order.

    Disk space is reserved first, under temporary names. A full disk, a folder at the path or an error of
    `once` therefore leaves no file, and `once` is not called if the files could not be written.

    Args:
        files: paths with their contents.
        private: make the files readable by the owner only.
        once: action to complete before any file becomes readable, such as booking a release.

    Raises:
        OutputError: a file cannot be written, or two have the same path.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> files = [(folder / "b", b"2"), (folder / "a", b"1")]
        >>> publish(files, once=lambda: print(sorted(folder.glob("[ab]"))))
        []
        >>> sorted(path.name for path in folder.iterdir())
        ['a', 'b']
    """
    names = [os.path.realpath(path) for path, _ in files]
    twice = next(
        (str(path) for (path, _), name in zip(files, names, strict=True) if names.count(name) > 1), None
    )
    if twice is not None:
        raise OutputError(f"two outputs would both be {twice!r}, and one be lost; give them other names")
    with ExitStack() as stack:
        handles = [stack.enter_context(atomic_write(path, private=private)) for path, _ in reversed(files)]
        opened = list(zip(reversed(handles), files, strict=True))  # the file opened last appears first
        for handle, (_, content) in opened:
            _write(handle, bytes(len(content)))
        once()
        for handle, (_, content) in opened:
            handle.seek(0)
            _write(handle, content)


def _write(handle: BinaryIO, content: bytes) -> None:
    handle.write(content)
    handle.flush()
    os.fsync(handle.fileno())
