# SPDX-License-Identifier: Apache-2.0
"""Robust standard streams, and the message about a run that is ended.

Handles closed streams, readers that disconnect, and encodings that lack a character.
"""

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from semveil.cli.terminal import told
from semveil.core.errors import printable

INTERRUPTED = 130  # exit code
SIGNALLED = 128  # exit code of a program that a signal ends, less the signal's number
ENDED = "what was finished is kept, nothing is left half-written; the same command goes on, or starts over"


_ends: list[str] = []  # what `tell_end` printed about this command


def tell_end(code: int, kept: str = ENDED) -> None:
    """Print on stderr, once, that the command was ended, and what is kept; see `expect_end`.

    Args:
        code: exit code: `SIGNALLED` plus the number of the signal.
        kept: what is kept, and how to go on.
    """
    if _ends:
        return
    ended = "interrupted" if code == INTERRUPTED else f"ended by {signal.Signals(code - SIGNALLED).name}"
    _ends.append(f"{ended}; {kept}")
    with contextlib.suppress(OSError):  # stderr may be closed
        print(told(f"semveil: {printable(_ends[0])}", sys.stderr), file=sys.stderr)


def expect_end() -> None:
    """Prepare `tell_end` for a new command."""
    _ends.clear()


def prepare_streams() -> None:
    """Make stdin, stdout and stderr usable; call it before any file is opened.

    A closed descriptor is opened on the null device: otherwise the next opened file would get its number, and
    printed text would be written into it. Characters that a stream's encoding lacks are printed as escapes.
    """
    closed = [
        (number, name)
        for number, name in enumerate(("stdin", "stdout", "stderr"))
        if getattr(sys, name) is None
    ]
    for number, _ in closed:
        _reopen(number)
    for number, name in closed:
        copy = os.dup(number)  # so that closing the stream does not close the standard descriptor
        setattr(sys, name, os.fdopen(copy, "w" if number else "r", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _reopen(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


@contextmanager
def writing_output() -> Iterator[None]:
    """Flush stdout after the block, so that a full disk or a disconnected reader raises here.

    Raises:
        OSError: stdout cannot be written; BrokenPipeError if the reader disconnected.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_output()
        raise OSError(error.errno or errno.EIO, error.strerror, "the standard output") from error


def drop_output() -> None:
    """Discard buffered output without a reader, about which the interpreter would complain at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(null, stream.fileno())
    os.close(null)
