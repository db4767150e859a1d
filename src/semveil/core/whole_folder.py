# SPDX-License-Identifier: Apache-2.0
"""Result folders that appear only when complete: built in a temporary folder, then moved."""

import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from semveil.core.errors import OutputError
from semveil.core.progress import Note, unheard

SUMMARY = "result.json"


@contextmanager
def whole_folder(out: Path, *, pictures: Collection[str] = (), note: Note = unheard) -> Iterator[Path]:
    """Context manager that builds a folder elsewhere and moves its content to `out` on success.

    Existing files of the same names in `out` are replaced one by one; an old `result.json` is removed first
    and the new one moved last, so that it never describes missing files. All other files stay; pictures of an
    earlier run among them are reported. After an error the temporary folder is removed.

    Args:
        out: the folder; created if it does not exist.
        pictures: names of the pictures that such a folder holds, without `.png` and the number of a face; in
            the folder itself or in the folders within it.
        note: receives a line if pictures of an earlier run stay beside the new ones.

    Yields:
        The empty temporary folder to write into.

    Raises:
        OutputError: the folder cannot be written, or the block raised an OSError.
    """
    given, out = out, Path(os.path.abspath(out))
    # inside an existing folder, which may be a link or a mount: files cannot be renamed into another volume
    staging = (out if out.is_dir() else out.parent) / f".semveil-{secrets.token_hex(8)}.tmp"
    try:
        staging.parent.mkdir(parents=True, exist_ok=True)
        staging.mkdir()
        yield staging
        if staging.parent == out:
            left = _left_over(staging, out, pictures)
            _replace_files(staging, out)
            if left:
                more = f" and {len(left) - 1} more picture{'s' if len(left) > 2 else ''}" if left[1:] else ""
                note(
                    f"{left[0]!r}{more} in {str(given)!r} {'are' if more else 'is'} of an earlier run, which "
                    f"{SUMMARY} no longer describes; delete what is not wanted, or choose another --out"
                )
        else:
            os.replace(staging, out)
    except OSError as error:
        raise OutputError(f"cannot write into {str(out)!r}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _replace_files(staging: Path, out: Path) -> None:
    files = sorted(
        (path for path in staging.rglob("*") if path.is_file()), key=lambda path: path.name == SUMMARY
    )
    targets = [out / path.relative_to(staging) for path in files]
    for target in targets:  # before anything is replaced
        if target.is_dir() or (target.parent.exists() and not target.parent.is_dir()):
            in_the_way = target if target.is_dir() else target.parent
            raise OutputError(f"cannot write {str(target)!r}: {str(in_the_way)!r} is in its place")
    (out / SUMMARY).unlink(missing_ok=True)
    for path, target in zip(files, targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)


def _left_over(staging: Path, out: Path, pictures: Collection[str]) -> list[str]:
    """Pictures in `out` that an earlier run wrote, if there was one, and this run does not replace."""
    if not (out / SUMMARY).is_file():
        return []
    found = (path.relative_to(out) for pattern in ("*.png", "*/*.png") for path in out.glob(pattern))
    return sorted(
        str(path)
        for path in found
        if re.sub(r"-\d+$", "", path.stem) in pictures
        and staging.name not in path.parts
        and not (staging / path).exists()
    )
