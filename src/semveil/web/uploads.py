# SPDX-License-Identifier: Apache-2.0
"""Folder of uploads: private, swept within a minute, and deleted with the program."""

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from semveil.core.errors import PhotoError
from semveil.web.limits import KEPT_SECONDS, SWEEP_SECONDS


@contextmanager
def upload_folder(*, kept: float = KEPT_SECONDS, sweep: float = SWEEP_SECONDS) -> Iterator[Path]:
    """Create a folder of mode 0700, swept during the block and deleted with its content when the block ends.

    Args:
        kept: age in seconds at which a file is deleted, used or not.
        sweep: seconds between two sweeps.

    Yields:
        The folder.

    Example:
        >>> with upload_folder() as folder:
        ...     oct(folder.stat().st_mode & 0o777)
        '0o700'
        >>> folder.exists()
        False
    """
    folder = Path(tempfile.mkdtemp(prefix="semveil-web-"))
    try:
        with every(sweep, lambda: remove_older(folder, kept)):
            yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def every(seconds: float, work: Callable[[], None]) -> Iterator[None]:
    """Call a function periodically in a thread during the block; an `OSError` of the call is ignored.

    Args:
        seconds: interval between calls, and before the first.
        work: must be safe to call from another thread.
    """
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(seconds):
            with contextlib.suppress(OSError):
                work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def remove_older(folder: Path, seconds: float) -> None:
    """Remove old files and empty folders below a folder.

    Args:
        folder: folder to sweep; itself kept.
        seconds: age, by modification time, above which they are removed.
    """
    before = time.time() - seconds
    for path in sorted(folder.rglob("*"), reverse=True):  # contents before their folder
        with contextlib.suppress(OSError):  # deleted meanwhile, or no longer empty
            if path.lstat().st_mtime < before:
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def size_of(folder: Path) -> int:
    """Total size of a folder's content in bytes.

    Args:
        folder: searched recursively.
    """
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # deleted meanwhile
            total += path.lstat().st_size
    return total


@contextmanager
def taken(path: str, folder: Path) -> Iterator[Path]:
    """Yield an upload's resolved path for the block; the file is deleted afterwards, even after an error.

    Args:
        path: path of the upload, as sent by the browser; not trusted.
        folder: folder of all uploads.

    Yields:
        The resolved path.

    Raises:
        PhotoError: the path is outside the folder, or the upload no longer exists.
    """
    real, root = Path(path).resolve(), folder.resolve()
    if not real.is_relative_to(root) or real == root:
        raise PhotoError("this is no file that was dropped here; drop the photo again")
    if not real.is_file():
        raise PhotoError("the upload waited too long and was deleted; drop the photo again")
    try:
        yield real
    finally:
        real.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the root, or not empty
            real.parent.rmdir()  # gradio's folder, named after the content's digest
