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
    """Yield an empty folder whose content becomes that of `out` when the block succeeds; on any error it vanishes.

    Where `out` holds files already, those of the same names are replaced one by one; an old `result.json` goes first and
    the new one comes last, so that it never describes pictures that are not there.
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
    files = sorted((path for path in staging.rglob("*") if path.is_file()), key=lambda path: path.name == SUMMARY)
    for path in files:
        target = out / path.relative_to(staging)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
