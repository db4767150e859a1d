# SPDX-License-Identifier: Apache-2.0
"""Where a caller wants an output: `pathlib` takes an empty name for the current folder, which nobody means."""

import os
from pathlib import Path
from typing import overload

from semveil.core.errors import OutputError


@overload
def output_path(path: str | os.PathLike[str], name: str = "out") -> Path: ...


@overload
def output_path(path: None, name: str = "out") -> None: ...


def output_path(path: str | os.PathLike[str] | None, name: str = "out") -> Path | None:
    """The path of an output, which must not be empty; None where there is to be none.

    Args:
        path: file or folder to write; `"."` is the current folder.
        name: of the parameter, for the error.

    Raises:
        OutputError: `path` is the empty string.

    Example:
        >>> output_path("faces").name
        'faces'
        >>> output_path("")
        Traceback (most recent call last):
        semveil.core.errors.OutputError: out is empty; name a file or folder ('.' is the current folder)
    """
    if path is None:
        return None
    if not os.fspath(path):
        raise OutputError(f"{name} is empty; name a file or folder ('.' is the current folder)")
    return Path(path)


def keep_inputs(out: Path | None, *inputs: object) -> None:
    """Refuse an output that is one of the files that are read: writing it would lose what it was made of.

    Args:
        out: file to write; None where there is to be none.
        *inputs: paths, or lists of them, among which it must not be, by whatever name; anything else, such as
            an array, counts for nothing.

    Raises:
        OutputError: `out` is one of them.
    """
    if out is None or not out.exists():
        return
    for path in inputs:
        if isinstance(path, list | tuple):
            keep_inputs(out, *path)
        elif isinstance(path, str | os.PathLike) and os.path.exists(path) and os.path.samefile(path, out):
            raise OutputError(
                f"cannot write {str(out)!r}: it is read here too, and would be lost; name another file"
            )
