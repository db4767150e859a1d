# SPDX-License-Identifier: Apache-2.0
"""What photos are called in tables, folders and results: after their files, or by numbers where file names name people."""

import re
from collections.abc import Sequence
from pathlib import Path

from semveil.core.registry import suggest

NAMES = ("photos", "numbers")
_LONGEST = 100  # bytes, so that a folder of that name can be made anywhere


def photo_names(paths: Sequence[Path], names: str) -> list[str]:
    """A name for each photo, no two alike, that can be a folder's.

    Args:
        paths: of the photos; folders never pass.
        names: `photos`, the file's name without its suffix, or `numbers`, `photo-1` and so on.

    Raises:
        ValueError: `names` is neither.

    Example:
        >>> photo_names([Path("a/anna.jpg"), Path("b/Anna.png"), Path("?.jpg")], "photos")
        ['anna', 'Anna-2', '_']
        >>> photo_names([Path("a/anna.jpg")], "numbers")
        ['photo-1']
    """
    if names not in NAMES:
        raise ValueError(f"names has no choice {names!r}{suggest(names, NAMES)}; allowed: {', '.join(NAMES)}")
    given: list[str] = []
    for number, path in enumerate(paths, 1):
        bare = f"photo-{number}" if names == "numbers" else _folder_name(path.stem) or f"photo-{number}"
        name, copy = bare, 1
        while name.casefold() in {other.casefold() for other in given}:
            copy += 1
            name = f"{bare}-{copy}"
        given.append(name)
    return given


def _folder_name(stem: str) -> str:
    """What is left of a file's name when what terminals and folders do not take is gone; empty where nothing is."""
    text = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in stem)
    cut = text.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")
    return re.sub(r"^[ .]+|[ .]+$", "", cut)
