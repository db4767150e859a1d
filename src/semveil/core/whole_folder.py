# SPDX-License-Identifier: Apache-2.0
"""Result folders that appear only when complete: built in a temporary folder, then moved."""

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
    """Context manager that builds a folder elsewhere and moves its content to `out` on success.

    Existing files of the same names in `out` are replaced one by one; an old `result.json` is removed first
    and the new one moved last, so that it never describes missing files. After an error the temporary folder
    is removed.

    Args:
        out: the folder; created if it does not exist.

    Yields:
        The empty temporary folder to write into.

    Raises:
        OutputError: the folder cannot be written, or the block raised an OSError.
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
