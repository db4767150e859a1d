# SPDX-License-Identifier: Apache-2.0
"""Robust standard streams, and the message about an interrupted run.

Handles closed streams, readers that disconnect, and encodings that lack a character.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # exit code
ENDED = "what was finished is kept, nothing is left half-written; the same command goes on, or starts over"


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
