# SPDX-License-Identifier: Apache-2.0
"""Log of the nonces of all messages that Bob has read, for replay detection."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from semveil.core.errors import KeyProblem, OutputError
from semveil.core.locks import lock_file
from semveil.keys.private_file import open_private

ENTRY = re.compile(rb"[0-9a-f]{64}")


class NonceLog:
    """File with the SHA-256 of one nonce per line, mode 0600, created by the first `add`.

    Processes may share it: `add` and `claim` check and write under one lock, so that only one of several
    calls with the same nonce succeeds. An incomplete line, left by a crash before `add` returned, is removed
    by the next call. Deleting the log or restoring an old one makes Bob accept old messages again.

    Args:
        path: path of the file; links are refused.

    Example:
        >>> import tempfile
        >>> log = NonceLog(Path(tempfile.mkdtemp(), "nonces"))
        >>> log.add(bytes(32))
        >>> log.check(bytes(32))
        Traceback (most recent call last):
        ...
        semveil.core.errors.KeyProblem: this message was read before; it may be a replay (--replay reads it
        all the same)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def check(self, nonce: bytes) -> None:
        """Check early that a nonce is not logged; only `add` and `claim` are decisive.

        Args:
            nonce: nonce of the message.

        Raises:
            KeyProblem: the nonce is in the log, or the file is unsafe or not a nonce log.
            OutputError: the log cannot be locked.
        """
        if os.path.lexists(self.path):
            with self._locked(os.O_RDWR) as handle:
                self._refuse(nonce, handle)

    def holds(self, nonce: bytes) -> bool:
        """True if the nonce is in the log.

        Args:
            nonce: nonce of a message.

        Raises:
            KeyProblem: the file is unsafe or not a nonce log.
            OutputError: the log cannot be locked.
        """
        if not os.path.lexists(self.path):
            return False
        with self._locked(os.O_RDWR) as handle:
            return _entry(nonce) in self._lines(handle)[0]

    def add(self, nonce: bytes) -> None:
        """Append a nonce; it is on disk when the call returns.

        Args:
            nonce: nonce of the message.

        Raises:
            KeyProblem: the nonce is in the log, or the file is unsafe or not a nonce log.
            OutputError: the log cannot be locked or written.
        """
        with self.claim(nonce):
            pass

    @contextmanager
    def claim(self, nonce: bytes) -> Iterator[None]:
        """Context manager that logs a nonce if its block succeeds and leaves the log unchanged if it fails.

        Space in the log is reserved before the block, under a lock that is held throughout: of several
        concurrent claims of one nonce exactly one succeeds. If the process is killed between the block and
        the entry, the nonce remains unused although the block has run.

        Args:
            nonce: nonce of the message.

        Raises:
            KeyProblem: the nonce is in the log, or the file is unsafe or not a nonce log.
            OutputError: the log cannot be locked or written.
        """
        with self._locked(os.O_RDWR | os.O_CREAT) as handle:
            whole = self._refuse(nonce, handle)
            descriptor, entry = handle.fileno(), _entry(nonce)
            try:
                with self._writing():
                    os.ftruncate(descriptor, whole)
                    _write(descriptor, entry + b" ", whole)  # not an entry until its line is complete
                yield
                with self._writing():
                    _write(descriptor, b"\n", whole + len(entry))
            except BaseException:
                os.ftruncate(descriptor, whole)
                raise

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write the nonce log {str(self.path)!r}: {error.strerror}") from error

    def _lines(self, handle: BinaryIO) -> tuple[list[bytes], bytes]:
        """Complete lines, and the remainder of a line that a crash left incomplete."""
        *lines, torn = handle.read().split(b"\n")
        if not all(ENTRY.fullmatch(line) for line in lines):
            raise KeyProblem(
                f"{str(self.path)!r} is no nonce log or is damaged; restore it, or move it away and accept "
                "that replays of messages read until now are not noticed"
            )
        return lines, torn

    def _refuse(self, nonce: bytes, handle: BinaryIO) -> int:
        """Raise KeyProblem if the nonce is logged; otherwise return the offset after the complete lines."""
        lines, torn = self._lines(handle)
        if _entry(nonce) in lines:
            raise KeyProblem(
                "this message was read before; it may be a replay (--replay reads it all the same)"
            )
        return handle.tell() - len(torn)

    @contextmanager
    def _locked(self, flags: int) -> Iterator[BinaryIO]:
        if flags & os.O_CREAT:
            with self._writing():
                self.path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(open_private(self.path, "nonce log", flags), "r+b") as handle:
            lock_file(handle.fileno(), self.path)
            yield handle


def _write(descriptor: int, content: bytes, place: int) -> None:
    os.lseek(descriptor, place, os.SEEK_SET)
    while content:
        content = content[os.write(descriptor, content) :]
    os.fsync(descriptor)


def _entry(nonce: bytes) -> bytes:
    return hashlib.sha256(b"semveil nonce log 1 " + nonce).hexdigest().encode()
