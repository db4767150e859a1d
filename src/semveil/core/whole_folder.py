# SPDX-License-Identifier: Apache-2.0
"""A folder of results that appears whole: built beside its place, then moved there, `result.json` last."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semveil.core.errors import OutputError

SUMMARY = "result.json"


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Context manager that builds a folder elsewhere and moves its content to `out` if the block succeeds.

    Existing files in `out` of the same names are replaced one by one; an old `result.json` is removed first
    and the new one moved last, so that it never describes files that are not there. After an error nothing
    remains.

    Args:
        out: created if it does not exist.

    Yields:
        The empty folder to write into.

    Raises:
        OutputError: the folder cannot be written; also for any other OSError in the block.
    """
    out = Path(os.path.abspath(out))
    staging = out.parent / f".semveil-{secrets.token_hex(8)}.tmp"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging.mkdir()
        yield staging
        if out.exists() and any(out.iterdir()):
            _replace_files(staging, out)
        else:
            os.replace(staging, out)
    except OSError as error:
        raise OutputError(f"cannot write into {str(out)!r}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _replace_files(staging: Path, out: Path) -> None:
    (out / SUMMARY).unlink(missing_ok=True)
    files = sorted(
        (path for path in staging.rglob("*") if path.is_file()), key=lambda path: path.name == SUMMARY
    )
    for path in files:
        target = out / path.relative_to(staging)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
