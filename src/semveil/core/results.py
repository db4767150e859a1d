# SPDX-License-Identifier: Apache-2.0
"""Result files: human-readable JSON with rows of numbers on one line."""

import json
import math
import re
from pathlib import Path
from typing import Any

from semveil.core.files import write_whole

DECIMALS = 4


def write_result(path: Path, result: dict[str, Any], *, private: bool = False) -> None:
    """Write a result file atomically; missing folders are created.

    Each row of numbers takes one line.

    Args:
        path: of the file; replaced if it exists.
        result: JSON-serialisable; values per photo should be `rounded` first.
        private: readable by the owner only, because it was measured on somebody's photo.

    Raises:
        ValueError: a number is NaN or infinite.
        OutputError: the path cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, allow_nan=False, ensure_ascii=False)
    text = re.sub(r"\[([^\[\]{}\"]*)\]", lambda row: "[" + " ".join(row[1].split()) + "]", text)
    write_whole(path, text + "\n", private=private)


def read_result(path: Path) -> dict[str, Any]:
    """Read a result file.

    Args:
        path: of the file.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not a JSON object in UTF-8.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged, it is no JSON ({error}); measure it again") from None
    if not isinstance(result, dict):
        raise ValueError(f"{path} is no result: it holds no JSON object")
    return result


def rounded(values: list[float | None]) -> list[float | None]:
    """Round values for a result file to `DECIMALS` decimals; NaN and infinities become None.

    Args:
        values: one per photo.

    Example:
        >>> rounded([0.123456, None, float("inf")])
        [0.1235, None, None]
    """
    return [round(v, DECIMALS) if v is not None and math.isfinite(v) else None for v in values]
