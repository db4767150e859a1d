# SPDX-License-Identifier: Apache-2.0
"""Validation of output paths."""

import os
from pathlib import Path
from typing import overload

from semveil.core.errors import OutputError


@overload
def output_path(path: str | os.PathLike[str], name: str = "out") -> Path: ...


@overload
def output_path(path: None, name: str = "out") -> None: ...


def output_path(path: str | os.PathLike[str] | None, name: str = "out") -> Path | None:
    """Return an output path, which must not be empty; None is returned unchanged.

    `pathlib` would take an empty name for the current folder.

    Args:
        path: file or folder to write; `"."` is the current folder; None for no output.
        name: parameter name, for the error message.

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
    """Refuse an output path that is one of the inputs, which writing would destroy.

    Args:
        out: file to write; None for no output.
        *inputs: paths, or lists of paths; compared as files, not by name. Other values, such as arrays, are
            ignored.

    Raises:
        OutputError: `out` is one of the inputs.
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
