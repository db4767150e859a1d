# SPDX-License-Identifier: Apache-2.0
"""File of several secrets, each sealed under its own key so that it can be disclosed separately.

    file = magic | length of header (4 bytes) | header (JSON) | for each part: key check (32) | sealed part
    key of part i = HKDF-SHA256(secret; salt: nonce of the header; info: label, SHA-256 of the header, i)

Parts are sealed with ChaCha20-Poly1305 (RFC 8439) under nonce 0, since each key is used once; the whole
header is authenticated with each part. The key check distinguishes a wrong key from damage, and binds the
sealed part to one key. The header is public.
"""

import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from semveil.core.errors import KeyProblem
from semveil.core.text import parse_json
from semveil.keys.keystream import KEY_BYTES
from semveil.keys.private_file import read_private, write_private
from semveil.keys.schedule import hkdf_sha256, new_nonce
from semveil.keys.secret import Secret, secret_in

MAGIC = b"semveil-sealed-1\n"
FACE_KEY_HEADER = "semveil-face-key-1"
CHECK_BYTES, TAG_BYTES = 32, 16
LARGEST_HEADER = 1 << 20
_LABEL = b"semveil sealed part 1|"


@dataclass(frozen=True)
class PartKey:
    """Key of one part of a file; its `repr` hides the value.

    Attributes:
        release_id: identifier of the file.
        number: number of the part in the header.
        value: 32 bytes.
    """

    release_id: str
    number: int
    value: bytes

    def __repr__(self) -> str:
        return f"PartKey({self.release_id}, {self.number}, ...)"


@dataclass(frozen=True, eq=False)
class SealedParts:
    """Parsed file of sealed parts.

    Attributes:
        header: parsed JSON.
        header_bytes: the header as stored in the file.
        checks, parts: for each part, the value that verifies its key, and the sealed bytes.

    Example:
        >>> secret = Secret.generate()
        >>> data = seal_parts(secret, {"release_id": "00" * 16}, [b"one", b"two"])
        >>> sealed = SealedParts.parse(data, lambda header: [3, 3])
        >>> sealed.open(1, sealed.key(secret, 1))
        b'two'
    """

    header: Mapping[str, Any]
    header_bytes: bytes
    checks: tuple[bytes, ...]
    parts: tuple[bytes, ...]

    @staticmethod
    def read_header(file: BinaryIO) -> Mapping[str, Any]:
        """Read the header of a file, unchecked, without reading the parts.

        Args:
            file: open file, at its start.

        Raises:
            KeyProblem: another kind of file, or a damaged header.
        """
        start = file.read(len(MAGIC) + 4)
        length = int.from_bytes(start[len(MAGIC) :], "big")
        if not start.startswith(MAGIC) or length > LARGEST_HEADER:
            raise KeyProblem("this is no sealed part of semveil, or it is cut short")
        try:
            header = parse_json(file.read(length))
        except (ValueError, RecursionError) as error:
            raise KeyProblem(f"the header of the sealed part is not valid ({error}); copy it again") from None
        if not isinstance(header, dict):
            raise KeyProblem("the header of the sealed part is not valid; copy it again")
        return header

    @classmethod
    def parse(cls, data: bytes, lengths: Any) -> "SealedParts":
        """Parse a file strictly, without opening any part.

        Args:
            data: content of the file.
            lengths: function that checks a header and returns the plaintext length of each part; raises
                ValueError, KeyError or TypeError if the header is invalid.

        Raises:
            KeyProblem: another kind of file, or a damaged, truncated or too long one.
        """
        start = len(MAGIC) + 4
        if not data.startswith(MAGIC) or len(data) < start:
            raise KeyProblem("this is no sealed part of semveil, or it is cut short")
        end = start + int.from_bytes(data[len(MAGIC) : start], "big")
        if end - start > LARGEST_HEADER or len(data) < end:
            raise KeyProblem("the sealed part is damaged or cut short; copy it again")
        plain = data[start:end]
        try:
            header = parse_json(plain)
            sizes = [CHECK_BYTES + length + TAG_BYTES for length in lengths(header)]
            bytes.fromhex(header["nonce"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise KeyProblem(f"the header of the sealed part is not valid ({error}); copy it again") from None
        if len(data) != end + sum(sizes):
            raise KeyProblem(
                f"the sealed part has {len(data):,} bytes, its header asks for {end + sum(sizes):,}; it is "
                "damaged or cut short"
            )
        checks, parts = [], []
        for size in sizes:
            checks.append(data[end : end + CHECK_BYTES])
            parts.append(data[end + CHECK_BYTES : end + size])
            end += size
        return cls(header, plain, tuple(checks), tuple(parts))

    def key(self, secret: Secret, i: int) -> bytes:
        """Derive the key of one part, which opens no other part.

        Args:
            secret: secret under which the file was sealed.
            i: 0-based index of the part.
        """
        return _part_key(secret, self.header_bytes, bytes.fromhex(self.header["nonce"]), i)

    def fits(self, i: int, key: bytes) -> bool:
        """Whether a key is that of a part, and the header is unaltered.

        Args:
            i: 0-based index of the part.
            key: candidate for its key.
        """
        return hmac.compare_digest(_check(key), self.checks[i])

    def open(self, i: int, key: bytes) -> bytes:
        """Decrypt and authenticate one part.

        Args:
            i: 0-based index of the part.
            key: key of this part.

        Raises:
            KeyProblem: a wrong key, or the header or the sealed part was altered.
        """
        if not self.fits(i, key):
            raise KeyProblem(
                "the key is another than the one this was sealed with, or its header was altered; nothing "
                "was opened"
            )
        try:
            return ChaCha20Poly1305(_sealing(key)).decrypt(
                bytes(12), self.parts[i], self.header_bytes + bytes([0]) + _index(i)
            )
        except InvalidTag:
            raise KeyProblem(
                "the sealed part was damaged or altered; copy it again from where it was made"
            ) from None


def seal_parts(secret: Secret, header: Mapping[str, Any], parts: Sequence[bytes]) -> bytes:
    """Seal parts under keys derived from a secret and a fresh nonce.

    The length of the result depends only on the header and the lengths of the parts.

    Args:
        secret: secret from `semveil keygen`.
        header: public, JSON-ready; a nonce is added.
        parts: plaintexts, each sealed under its own key.
    """
    nonce = new_nonce()
    plain = json.dumps(
        {**header, "nonce": nonce.hex()}, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode("ascii")
    out = [MAGIC, len(plain).to_bytes(4, "big"), plain]
    for i, part in enumerate(parts):
        key = _part_key(secret, plain, nonce, i)
        out += [
            _check(key),
            ChaCha20Poly1305(_sealing(key)).encrypt(bytes(12), part, plain + bytes([0]) + _index(i)),
        ]
    return b"".join(out)


def write_part_key(path: str | os.PathLike[str], key: PartKey) -> None:
    """Write the key of one part to a new file, mode 0600.

    Args:
        path: path of the new file; must not exist.
        key: key to write.

    Raises:
        OutputError: the path exists, or the folder is not writable.
    """
    write_private(path, f"{FACE_KEY_HEADER} {key.release_id} {key.number} {key.value.hex()}\n")


def read_any_key(path: str | os.PathLike[str]) -> Secret | PartKey:
    """Read a secret from `semveil keygen`, or the key of one part.

    Args:
        path: path of the file.

    Raises:
        KeyProblem: the file is missing, a link, accessible to others, or neither kind of key.
    """
    text = read_private(path, "key")
    if not text.startswith(FACE_KEY_HEADER):
        return secret_in(text, path)
    found = re.fullmatch(
        rf"{FACE_KEY_HEADER} ([0-9a-f]{{32}}) ([0-9]{{1,6}}) ([0-9a-f]{{{2 * KEY_BYTES}}})\n", text
    )
    if not found:
        raise KeyProblem(f"{os.fspath(path)!r} is cut off or damaged; ask for it again")
    return PartKey(found[1], int(found[2]), bytes.fromhex(found[3]))


def _part_key(secret: Secret, header: bytes, nonce: bytes, i: int) -> bytes:
    return hkdf_sha256(secret.value, salt=nonce, info=_LABEL + hashlib.sha256(header).digest() + _index(i))


def _check(key: bytes) -> bytes:
    return hkdf_sha256(key, salt=None, info=_LABEL + b"check", length=CHECK_BYTES)


def _sealing(key: bytes) -> bytes:
    return hkdf_sha256(key, salt=None, info=_LABEL + b"seal")


def _index(i: int) -> bytes:
    return i.to_bytes(4, "big")
