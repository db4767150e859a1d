# SPDX-License-Identifier: Apache-2.0
"""Tolerant reading of text and JSON files: byte order marks, foreign line ends, damage."""

import codecs
import json
import os
from typing import Any

from semveil.core.files import open_regular

LARGEST_TEXT = 1 << 26  # bytes


def decode_text(data: bytes) -> str:
    """Decode UTF-8 or UTF-16 text; line ends become `\\n`.

    UTF-8 may have a byte order mark, UTF-16 must have one (as PowerShell writes it).

    Args:
        data: content of a text file.

    Raises:
        ValueError: the bytes are in neither encoding.

    Example:
        >>> decode_text(b"\\xef\\xbb\\xbfone\\r\\ntwo"), decode_text("one\\ntwo".encode("utf-16"))
        ('one\\ntwo', 'one\\ntwo')
    """
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16" if wide else "utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: str | os.PathLike[str], *, largest: int = LARGEST_TEXT) -> str:
    """Read and decode a regular text file, see `decode_text`.

    Args:
        path: of the file.
        largest: maximum size in bytes.

    Raises:
        OSError: the file cannot be read, or is a folder, pipe or device.
        ValueError: the file is not text, or larger than `largest`.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError(f"it has more than {largest:,} bytes")
    return decode_text(data)


def parse_json(text: str | bytes) -> Any:
    """Parse JSON; every failure raises ValueError.

    Args:
        text: JSON, as bytes in UTF-8, UTF-16 or UTF-32.

    Raises:
        ValueError: the text is not JSON, nested too deeply, or holds a lone surrogate (`"\\ud800"`), which
            cannot be encoded.

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
    """Read a JSON file that holds an object.

    Args:
        path: of the file.

    Raises:
        OSError: the file cannot be read, or is a folder, pipe or device.
        ValueError: the content is not JSON, or not an object.
    """
    content = parse_json(read_text(path))
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}, expected an object")
    return content
