# SPDX-License-Identifier: Apache-2.0
"""Text and JSON files as people's programs leave them: with a byte order mark, other line ends, no last one, or damaged."""

import codecs
import json
import os
from typing import Any

from semveil.core.files import open_regular

LARGEST_TEXT = 1 << 26  # bytes


def decode_text(data: bytes) -> str:
    """UTF-8 with or without a byte order mark, or UTF-16 with one, as Windows' shell writes it; every line ends in `\\n`.

    Raises:
        ValueError: it is no such text.

    Example:
        >>> decode_text(b"\\xef\\xbb\\xbfone\\r\\ntwo") == decode_text("one\\ntwo".encode("utf-16")) == "one\\ntwo"
        True
    """
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16" if wide else "utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: str | os.PathLike[str], *, largest: int = LARGEST_TEXT) -> str:
    """The text of a regular file, by `decode_text`.

    Raises:
        OSError: it cannot be read, or is a folder, pipe or device.
        ValueError: it is no text, or larger than `largest` bytes.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError(f"it has more than {largest:,} bytes")
    return decode_text(data)


def parse_json(text: str | bytes) -> Any:
    """What `json.loads` gives, with one kind of error for all that is no JSON.

    Raises:
        ValueError: no JSON, no text, nested too deeply, or with half a character (`"\\ud800"`), which no file can be named
            by, no digest taken of and no terminal shown.

    Example:
        >>> parse_json("[" * 100_000)
        Traceback (most recent call last):
        ...
        ValueError: nested too deeply
    """
    try:
        content = json.loads(text)
        json.dumps(content, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("it holds half a character") from None
    return content


def read_json_object(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        OSError: it cannot be read, or is a folder, pipe or device.
        ValueError: it is no JSON, or another value than an object.
    """
    content = parse_json(read_text(path))
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}, expected an object")
    return content
