# SPDX-License-Identifier: Apache-2.0
"""Sealed original pixels of altered faces, and their restoration into the photo."""

import json
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semveil.core.errors import KeyProblem
from semveil.core.files import open_regular
from semveil.data.certified import pixels_hash
from semveil.data.regions import Region
from semveil.keys.sealed_parts import PartKey, SealedParts, seal_parts
from semveil.keys.secret import Secret

SUFFIX = ".sealed"
CHUNK = b"svSL"  # ancillary, private, not safe to copy by programs that alter the picture
_DIGEST_BYTES = 32
_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_FACES = 100_000


def sealed_path(picture: str | os.PathLike[str]) -> Path:
    """Return the path of a picture's sealed part: the picture's path with `.sealed` appended.

    Args:
        picture: the protected picture; it need not exist.

    Example:
        >>> sealed_path("group.png").name
        'group.png.sealed'
    """
    path = Path(picture)
    return path.with_name(path.name + SUFFIX)


def seal_faces(
    original: NDArray[np.uint8],
    protected: NDArray[np.uint8],
    regions: Sequence[tuple[int, Region]],
    secret: Secret,
    *,
    source: Mapping[str, Any],
    release_id: str,
) -> bytes:
    """Seal the original pixels of each altered face under its own key.

    A face's part consists of the SHA-256 of the protected picture, the mask of the face within its box, and
    the masked pixels; it contains no pixel of another face. Parts are not compressed, so the total length
    depends only on the boxes, their number and the bit depth.

    Args:
        original: (H, W, 3) RGB.
        protected: (H, W, 3) RGB, equal to the original outside the regions.
        regions: for each altered face, its number and its region; regions are disjoint.
        secret: secret from which the keys are derived.
        source: public description of the origin of the secret, as `methods.shared_key.SharedKey.source`.
        release_id: identifier of the release that the picture belongs to.

    Raises:
        ValueError: the pictures differ outside the regions, or regions overlap.
    """
    height, width, _ = protected.shape
    owned = np.zeros((height, width), bool)
    for _, region in regions:
        if (owned[region.slices] & region.mask).any():
            raise ValueError("a pixel belongs to two faces")
        region.mark(owned)
    if original.shape != protected.shape or (original != protected)[~owned].any():
        raise ValueError("the protected picture differs from the original outside its faces' regions")
    digest = bytes.fromhex(pixels_hash(protected))
    header = {
        "format": "semveil sealed faces",
        "version": 1,
        "release_id": release_id,
        "key": dict(source),
        "picture": [height, width],
        "bits": 8,
        "faces": [
            {"number": number, "box": [r.left, r.top, r.left + r.mask.shape[1], r.top + r.mask.shape[0]]}
            for number, r in regions
        ],
    }
    parts = [
        digest
        + np.packbits(region.mask).tobytes()
        + (original[region.slices] * region.mask[..., None]).tobytes()
        for _, region in regions
    ]
    return seal_parts(secret, header, parts)


def sealed_length(boxes: Sequence[tuple[int, int]]) -> int:
    """Total length in bytes of the sealed faces, without the header.

    Args:
        boxes: (width, height) of each face's box in pixels.

    Example:
        >>> sealed_length([(10, 8)])
        330
    """
    return sum(_plain_length(width, height) + 48 for width, height in boxes)


@dataclass(frozen=True, eq=False)
class SealedFaces:
    """Sealed part of a picture.

    Attributes:
        sealed: the parsed sealed file.
        numbers: numbers of the sealed faces, as for `--face`.
        source: public description of the origin of the secret.
    """

    sealed: SealedParts
    numbers: tuple[int, ...]
    source: Mapping[str, Any]

    @classmethod
    def parse(cls, data: bytes) -> "SealedFaces":
        """Parse a sealed part, strictly.

        Args:
            data: content of the `.sealed` file or of the PNG chunk.

        Raises:
            KeyProblem: the data is not a sealed part, or is damaged.
        """
        sealed = SealedParts.parse(data, _lengths)
        return cls(sealed, tuple(face["number"] for face in sealed.header["faces"]), sealed.header["key"])

    def key(self, secret: Secret, number: int) -> PartKey:
        """Return the key of a single face, which can be handed over and opens only that face in this picture.

        Args:
            secret: secret with which the faces were sealed.
            number: number of the face, one of `numbers`.

        Raises:
            KeyProblem: the face does not exist, or the secret does not match.
        """
        i = self._place(number)
        value = self.sealed.key(secret, i)
        self.sealed.open(i, value)
        return PartKey(self.sealed.header["release_id"], number, value)

    def restore(
        self, pixels: NDArray[np.uint8], keys: Sequence[PartKey], *, anyway: bool = False
    ) -> NDArray[np.uint8]:
        """Restore the faces for which keys are given.

        With all faces restored, the picture equals the original photo in every pixel.

        Args:
            pixels: (H, W, 3) RGB of the protected picture.
            keys: one for each face.
            anyway: also restore into a re-encoded or edited picture, without that guarantee.

        Raises:
            KeyProblem: a key does not match, the sealed part was altered, or the picture differs from the
                protected one.
        """
        height, width = self.sealed.header["picture"]
        if pixels.shape != (height, width, 3):
            raise KeyProblem(
                f"the picture has {pixels.shape[1]} x {pixels.shape[0]} pixels, the sealed part belongs to "
                f"one of {width} x {height}; it was cut, turned or resized since, and faces cannot be put "
                "back"
            )
        here = bytes.fromhex(pixels_hash(pixels))
        restored = pixels.copy()
        for key in keys:
            i = self._place(key.number)
            if key.release_id != self.sealed.header["release_id"]:
                raise KeyProblem(f"the key of face {key.number} belongs to another picture")
            plain = self.sealed.open(i, key.value)
            if plain[:_DIGEST_BYTES] != here and not anyway:
                raise KeyProblem(
                    "the picture was re-encoded or edited since it was protected, so what would be restored "
                    "is not the original; take the file as it was written, or --anyway to put the faces "
                    "back without that promise"
                )
            left, top, right, bottom = self.sealed.header["faces"][i]["box"]
            across, down = right - left, bottom - top
            bits = np.frombuffer(plain, np.uint8, -(-across * down // 8), _DIGEST_BYTES)
            mask = np.unpackbits(bits, count=across * down).reshape(down, across).astype(bool)
            face = np.frombuffer(plain, np.uint8, offset=_DIGEST_BYTES + len(bits)).reshape(down, across, 3)
            restored[top:bottom, left:right][mask] = face[mask]
        return restored

    def _place(self, number: int) -> int:
        if number not in self.numbers:
            there = ", ".join(map(str, sorted(self.numbers))) or "none"
            raise KeyProblem(f"no face {number} was altered in this picture; there are: {there}")
        return self.numbers.index(number)


def read_sealed(picture: str | os.PathLike[str], sealed: str | os.PathLike[str] | None = None) -> SealedFaces:
    """Read the sealed part of a picture.

    It is taken from the named file, else from the file at `sealed_path`, else from inside the PNG.

    Args:
        picture: the protected picture.
        sealed: file of the sealed part, if it has another path.

    Raises:
        KeyProblem: the sealed part is missing, unreadable or damaged.
    """
    path = sealed_path(picture) if sealed is None else Path(sealed)
    try:
        data = _whole(path) if sealed is not None or path.is_file() else png_chunk(picture)
    except OSError as error:
        raise KeyProblem(f"cannot read the sealed part {str(path)!r}: {error.strerror}") from None
    if data is None:
        raise KeyProblem(
            f"{os.fspath(picture)!r} has no sealed part: none is in it (uploads and editors drop it), and "
            f"there is no {path.name!r} beside it; name it with --sealed FILE"
        )
    return SealedFaces.parse(data)


def png_chunk(picture: str | os.PathLike[str]) -> bytes | None:
    """Return the content of the sealed chunk in a PNG; None without one, or for a file of another format.

    Args:
        picture: any regular file.

    Raises:
        OSError: the file cannot be opened or is not a regular file.
    """
    with os.fdopen(open_regular(picture), "rb") as file:
        if file.read(len(_PNG)) != _PNG:
            return None
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == CHUNK:
                return file.read(length)
            file.seek(length + 4, os.SEEK_CUR)
    return None


def _whole(path: Path) -> bytes:
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read()


def _plain_length(width: int, height: int) -> int:
    return _DIGEST_BYTES + -(-width * height // 8) + 3 * width * height


def _lengths(header: Any) -> list[int]:
    """Check a header and return the length of each face's part."""
    wanted = {"format", "version", "release_id", "key", "picture", "bits", "faces", "nonce"}
    if not isinstance(header, dict) or set(header) != wanted or header["format"] != "semveil sealed faces":
        raise ValueError("other fields than those of a sealed part")
    if (header["version"], header["bits"]) != (1, 8):
        raise ValueError(f"version {json.dumps(header['version'])}, {json.dumps(header['bits'])} bits")
    height, width = header["picture"]
    if (
        len(header["faces"]) > _MOST_FACES
        or not isinstance(header["key"]["kind"], str)
        or len(header["nonce"]) != 64
    ):
        raise ValueError("too many faces, or no kind of key, or no nonce")
    numbers, lengths = [], []
    for face in header["faces"]:
        left, top, right, bottom = face["box"]
        if not all(type(v) is int for v in (face["number"], left, top, right, bottom, height, width)):
            raise ValueError("numbers that are none")
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise ValueError("a box outside the picture")
        numbers.append(face["number"])
        lengths.append(_plain_length(right - left, bottom - top))
    if len(set(numbers)) != len(numbers):
        raise ValueError("a face twice")
    return lengths
