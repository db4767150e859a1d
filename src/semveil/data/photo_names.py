# SPDX-License-Identifier: Apache-2.0
"""Names of photos in tables, folders and results: file names, or numbers where file names identify people."""

import re
from collections.abc import Sequence
from pathlib import Path

from semveil.core.registry import suggest

NAMES = ("photos", "numbers")
_LONGEST = 100  # bytes, valid as a folder name on any system


def photo_names(paths: Sequence[Path], names: str) -> list[str]:
    """Return a distinct name for each photo that is valid as a folder name.

    Args:
        paths: paths of the photos; their folders are not used.
        names: `photos` for file names without suffix, or `numbers` for `photo-1` and so on.

    Raises:
        ValueError: `names` has another value.

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
    """File name without characters that terminals and folders do not accept; may be empty."""
    text = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in stem)
    cut = text.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")
    return re.sub(r"^[ .]+|[ .]+$", "", cut)
