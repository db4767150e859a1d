# SPDX-License-Identifier: Apache-2.0
"""Sealed original of a clip, restored byte for byte."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semveil.core.errors import KeyProblem, PhotoError
from semveil.core.files import open_regular
from semveil.data.sealed_faces import sealed_path
from semveil.keys.sealed_parts import SealedParts, seal_parts
from semveil.keys.secret import Secret

LARGEST_CLIP = 1 << 30  # bytes; clips are sealed in memory
SIZE_IN_CLEAR = "the size of the original file in bytes, which the sealed part shows"
_FORMAT = "semveil sealed clip"
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True, eq=False)
class SealedClip:
    """Sealed original of a clip.

    Attributes:
        sealed: the parsed sealed file.
    """

    sealed: SealedParts

    @classmethod
    def read(cls, clip: str | os.PathLike[str], sealed: str | os.PathLike[str] | None = None) -> "SealedClip":
        """Read the sealed part of a protected clip.

        Args:
            clip: the protected clip.
            sealed: file of the sealed part; None for the clip's path with `.sealed` appended.

        Raises:
            KeyProblem: the file is missing, unreadable or damaged.
        """
        path = sealed_path(clip) if sealed is None else Path(sealed)
        try:
            with os.fdopen(open_regular(path), "rb") as file:
                return cls(SealedParts.parse(file.read(), _lengths))
        except OSError as error:
            raise KeyProblem(
                f"cannot read the sealed part {str(path)!r}: {error.strerror}; name it by --sealed"
            ) from None

    @classmethod
    def is_in(cls, path: str | os.PathLike[str]) -> bool | None:
        """Whether a sealed file holds a clip, by its header; None if there is no readable header.

        Args:
            path: the sealed file.
        """
        try:
            with os.fdopen(open_regular(path), "rb") as file:
                header = SealedParts.read_header(file)
        except (OSError, KeyProblem):
            return None
        return header.get("format") == _FORMAT

    @property
    def release_id(self) -> str:
        """Identifier of the release that the clip belongs to."""
        return self.sealed.header["release_id"]

    @property
    def source(self) -> Mapping[str, Any]:
        """Public description of the origin of the secret."""
        return self.sealed.header["key"]

    @property
    def suffix(self) -> str:
        """Suffix of the original file's name."""
        return self.sealed.header["suffix"]

    def open(self, secret: Secret) -> bytes:
        """Decrypt the original file.

        Args:
            secret: secret with which it was sealed.

        Raises:
            KeyProblem: the secret does not match, or the sealed part was altered.
        """
        return self.sealed.open(0, self.sealed.key(secret, 0))


def read_original(path: str | os.PathLike[str]) -> bytes:
    """Read a clip that is to be sealed by `seal_clip`.

    Args:
        path: the clip; at most `LARGEST_CLIP` bytes.

    Raises:
        PhotoError: the clip cannot be read, or is larger than `LARGEST_CLIP`.
    """
    check_length(path)
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return file.read()
    except OSError as error:
        raise PhotoError(f"cannot read {os.fspath(path)!r}: {error.strerror}") from None


def check_length(path: str | os.PathLike[str]) -> None:
    """Check that a clip can be sealed, before any work is done on it.

    Args:
        path: the clip.

    Raises:
        PhotoError: it cannot be read, or is larger than `LARGEST_CLIP`.
    """
    try:
        length = os.path.getsize(path)
    except OSError as error:
        raise PhotoError(f"cannot read {os.fspath(path)!r}: {error.strerror}") from None
    if length > LARGEST_CLIP:
        raise PhotoError(
            f"{os.fspath(path)!r} is larger than {LARGEST_CLIP:,} bytes and cannot be sealed; cut it into "
            "parts"
        )


def seal_clip(
    original: bytes, secret: Secret, *, source: Mapping[str, Any], suffix: str, release_id: str
) -> bytes:
    """Seal an original file; the result is longer by the header and a fixed overhead.

    Args:
        original: content of the file.
        secret: secret from which the key is derived.
        source: as for `seal_faces`.
        suffix: suffix of the file name, such as `.mov`.
        release_id: identifier of the release that the clip belongs to.

    Example:
        >>> secret = Secret.generate()
        >>> data = seal_clip(b"film", secret, source={"kind": "file"}, suffix=".mov", release_id="00" * 16)
        >>> sealed = SealedClip(SealedParts.parse(data, _lengths))
        >>> sealed.open(secret), sealed.suffix
        (b'film', '.mov')
    """
    header = {
        "format": _FORMAT,
        "version": 1,
        "release_id": release_id,
        "key": dict(source),
        "suffix": suffix if _SUFFIX.fullmatch(suffix) else ".clip",
        "length": len(original),
    }
    return seal_parts(secret, header, [original])


def _lengths(header: Any) -> list[int]:
    """Check a header and return the length of its single part."""
    wanted = {"format", "version", "release_id", "key", "suffix", "length", "nonce"}
    if not isinstance(header, dict) or set(header) != wanted or header["format"] != _FORMAT:
        raise ValueError("other fields than those of a sealed clip")
    if (
        header["version"] != 1
        or not isinstance(header["key"]["kind"], str)
        or not _SUFFIX.fullmatch(header["suffix"])
    ):
        raise ValueError(f"version {json.dumps(header['version'])}, or no kind of key")
    if (
        type(header["length"]) is not int
        or not 0 <= header["length"] <= LARGEST_CLIP
        or len(header["nonce"]) != 64
    ):
        raise ValueError("a length that is none")
    return [header["length"]]
