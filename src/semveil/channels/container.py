# SPDX-License-Identifier: Apache-2.0
"""The binary container of a message file: magic, version, lengths, JSON header, payload and checksum.

    offset  bytes  content
    0       8      magic: 0x93 "SVL" CR LF 0x1A LF; a transfer in text mode breaks it
    8       4      format version, unsigned little-endian
    12      4      H, length of the header
    16      8      P, length of the payload
    24      H      header: one JSON object, UTF-8, keys sorted, no spaces, no NaN or infinity
    24+H    P      payload
    24+H+P  32     SHA-256 of all preceding bytes

Nothing in it is ever executed or unpickled. The checksum detects damage, not forgery: anyone who alters a
file can recompute it.
"""

import hashlib
import json
import os
import stat
import struct
from typing import Any, NoReturn

from semveil.core.errors import SemveilError
from semveil.core.files import open_regular

MAGIC = b"\x93SVL\r\n\x1a\n"
DIGITAL_MAGIC = b"\x93SVD\r\n\x1a\n"  # messages for a digital link, which have no symbols
PREFIX = struct.Struct("<8sIIQ")
CHECKSUM_BYTES = 32
MAX_HEADER = 1 << 20
MAX_FILE = 1 << 30


class MessageError(SemveilError):
    """An invalid message, or a file that is not a valid message."""

    exit_code = 6


def version_of(path: str | os.PathLike[str]) -> int:
    """Read the format version from the prefix of a message file.

    Args:
        path: any path.

    Returns:
        The version; 0 for an unreadable file or one that is not a message with symbols.
    """
    try:
        with open(open_regular(path), "rb") as handle:
            prefix = handle.read(PREFIX.size)
    except (OSError, ValueError):
        return 0
    return int(PREFIX.unpack(prefix)[1]) if len(prefix) == PREFIX.size and prefix.startswith(MAGIC) else 0


def encode(version: int, header: dict[str, Any], payload: bytes, *, magic: bytes = MAGIC) -> bytes:
    """Serialise a message file; equal content gives equal bytes.

    Args:
        version: format version, an unsigned 32-bit integer.
        header: JSON-ready values without NaN or infinity.
        payload: binary content.
        magic: 8 bytes that identify the file type.

    Raises:
        MessageError: the header is not plain JSON or exceeds `MAX_HEADER` bytes, or the file exceeds
            `MAX_FILE` bytes.
    """
    try:
        text = json.dumps(header, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise MessageError(f"a message header must be plain JSON without NaN or infinity: {error}") from None
    if len(text) > MAX_HEADER or PREFIX.size + len(text) + len(payload) + CHECKSUM_BYTES > MAX_FILE:
        raise MessageError(
            f"a message file holds at most {MAX_FILE:,} bytes, of them {MAX_HEADER:,} header, "
            f"got {len(payload):,} + {len(text):,}; send fewer images per message"
        )
    body = PREFIX.pack(magic, version, len(text), len(payload)) + text + payload
    return body + hashlib.sha256(body).digest()


def read(path: str | os.PathLike[str], version: int, *, magic: bytes = MAGIC) -> tuple[dict[str, Any], bytes]:
    """Read and validate a message file.

    The lengths in its prefix are checked against the file size before anything else is read.

    Args:
        path: a regular file.
        version: the only format version accepted.
        magic: 8 bytes expected at the start.

    Returns:
        (header, payload).

    Raises:
        MessageError: the file cannot be read, is not a regular file, is damaged, or has another magic or
            version.
    """
    name = repr(os.fsdecode(path))
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise MessageError(f"{name} is not a file; give a message that `semveil send` wrote")
        with open(path, "rb") as handle:
            prefix = handle.read(PREFIX.size)
            _check_prefix(prefix, status.st_size, version, name, magic)
            return _decode(prefix + handle.read(), name)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise MessageError(
            f"cannot read the message {name}: {getattr(error, 'strerror', None) or error}"
        ) from None


def _check_prefix(prefix: bytes, size: int, version: int, name: str, magic: bytes) -> None:
    """Check magic, version and lengths against the file size, before anything else is read."""
    if not prefix:
        raise MessageError(f"{name} is empty")
    if magic == MAGIC and prefix.startswith(DIGITAL_MAGIC):
        raise MessageError(
            f"{name} is a digital message, sealed whole, which has no symbols to hear; semveil receive opens "
            "it with its key"
        )
    if not prefix.startswith(magic[: len(prefix)]):
        raise MessageError(f"{name} is not a semveil message (it does not begin with the magic bytes)")
    if len(prefix) < PREFIX.size:
        raise MessageError(
            f"{name} is cut off: {size} bytes, at least {PREFIX.size + CHECKSUM_BYTES} expected"
        )
    _, found, header_length, payload_length = PREFIX.unpack(prefix)
    if found != version:
        advice = "; upgrade semveil" if found > version else ""
        raise MessageError(f"{name} has format version {found}, this semveil reads version {version}{advice}")
    if header_length > MAX_HEADER:
        raise MessageError(
            f"{name} states a header of {header_length:,} bytes, at most {MAX_HEADER:,} are allowed"
        )
    expected = PREFIX.size + header_length + payload_length + CHECKSUM_BYTES
    if size != expected:
        state = "cut off" if size < expected else "longer than it states"
        raise MessageError(f"{name} is {state}: {size:,} bytes, {expected:,} expected")
    if size > MAX_FILE:
        raise MessageError(f"{name} has {size:,} bytes, a message file at most {MAX_FILE:,}")


def _decode(data: bytes, name: str) -> tuple[dict[str, Any], bytes]:
    """Verify the checksum, then return header and payload."""
    header_length = PREFIX.unpack_from(data)[2]
    if hashlib.sha256(memoryview(data)[:-CHECKSUM_BYTES]).digest() != data[-CHECKSUM_BYTES:]:
        raise MessageError(f"{name} is damaged: its checksum does not match; transfer it again")
    body = data[PREFIX.size : PREFIX.size + header_length]
    try:
        header = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise MessageError(
            f"{name} has a header that is not JSON: {str(error) or 'nested too deeply'}"
        ) from None
    if not isinstance(header, dict):
        raise MessageError(f"{name} has a header that is not a JSON object")
    return header, data[PREFIX.size + header_length : -CHECKSUM_BYTES]


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not allowed")


def is_json_object(value: object) -> bool:
    """Whether a value is a dict that survives a JSON round trip: string keys, no tuples, no NaN.

    Args:
        value: any object.

    Example:
        >>> is_json_object({"a": [1, 2]}), is_json_object({"a": (1, 2)}), is_json_object([1])
        (True, False, False)
    """
    try:
        return isinstance(value, dict) and json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError, RecursionError):
        return False
