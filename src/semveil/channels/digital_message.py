# SPDX-License-Identifier: Apache-2.0
"""Messages for a digital link: latents as bytes, encrypted as a whole.

Without the key, a message reveals its length, its public header and the source of Bob's key.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from semveil.channels.container import DIGITAL_MAGIC, MessageError, encode, read
from semveil.channels.keyed_part import NONCE_BYTES, KeyedPart
from semveil.core.files import open_regular

DIGITAL_VERSION = 1
HASH_BYTES = 32
PROTECTION = "aead"


@dataclass(frozen=True, kw_only=True, eq=False)
class DigitalMessage:
    """Sealed latents with the public information that Bob needs to open them; validated on construction.

    Attributes:
        method: name of the method.
        model: name of the model.
        model_hash: SHA-256 of the model's weights, 64 hex digits.
        latent_shape: (K, D).
        images: number of images.
        image_bytes: bytes per image before sealing, the same for all images.
        keyed: nonce, source of the key, and the sealed bytes.

    Raises:
        MessageError: a field is of the wrong type or length.
    """

    method: str
    model: str
    model_hash: str
    latent_shape: tuple[int, int]
    images: int
    image_bytes: int
    keyed: KeyedPart = field(repr=False)

    def __post_init__(self) -> None:
        numbers = (*self.latent_shape, self.images, self.image_bytes)
        names = all(isinstance(text, str) and 0 < len(text) <= 64 for text in (self.method, self.model))
        if (
            not names
            or len(self.latent_shape) != 2
            or not all(type(n) is int and 0 < n < 1 << 24 for n in numbers)
        ):
            raise MessageError("the digital message names no method, model and sizes")
        try:
            sound = len(bytes.fromhex(self.model_hash)) == HASH_BYTES
        except (TypeError, ValueError):
            sound = False
        if not sound or not self.keyed.authenticated:
            raise MessageError("the digital message has no model's hash, or is not authenticated")

    @property
    def header(self) -> dict[str, Any]:
        """Public fields, authenticated by the seal, JSON-ready."""
        return {
            "method": self.method,
            "model": self.model,
            "shape": list(self.latent_shape),
            "images": self.images,
            "bytes": self.image_bytes,
            "source": dict(self.keyed.source),
        }

    # The same attributes as `Message`, for code that reports on either.

    protection = PROTECTION
    calibration = None
    nominal_epsilon = None
    snr_db = None

    @property
    def private_codes(self) -> tuple[int, ...]:
        """All codes, since all latents are sealed."""
        return tuple(range(self.latent_shape[0]))


def bound_header(header: Mapping[str, Any], model_hash: str) -> bytes:
    """Associated data of the seal: header and model hash as canonical JSON, encoded in UTF-8.

    Args:
        header: the message's header fields, JSON-ready.
        model_hash: SHA-256 of the model's weights, hexadecimal.
    """
    return json.dumps(
        [dict(header), model_hash], sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def digital_bytes(message: DigitalMessage) -> bytes:
    """Serialise a digital message: container with header, nonce, model hash and sealed latents.

    Args:
        message: the message.

    Raises:
        MessageError: as for `container.encode`.
    """
    payload = message.keyed.nonce + bytes.fromhex(message.model_hash) + message.keyed.sealed
    return encode(DIGITAL_VERSION, message.header, payload, magic=DIGITAL_MAGIC)


def is_digital(path: str | os.PathLike[str]) -> bool:
    """Whether a file starts with the magic bytes of a digital message.

    Args:
        path: any path; an unreadable file gives False.
    """
    try:
        with open(open_regular(path), "rb") as handle:
            return handle.read(len(DIGITAL_MAGIC)) == DIGITAL_MAGIC
    except OSError:
        return False


def read_digital(path: str | os.PathLike[str]) -> DigitalMessage:
    """Read a digital message; tampering is detected only when it is opened with the key.

    Args:
        path: the message file.

    Raises:
        MessageError: the file is missing, unreadable, damaged, of another format or version, or inconsistent.
    """
    header, payload = read(path, DIGITAL_VERSION, magic=DIGITAL_MAGIC)
    start = NONCE_BYTES + HASH_BYTES
    if set(header) != {"method", "model", "shape", "images", "bytes", "source"} or not isinstance(
        header["shape"], list
    ):
        raise MessageError(f"the digital message {os.fsdecode(path)!r} has other fields than its version")
    keyed = KeyedPart(
        nonce=payload[:NONCE_BYTES],
        source=header["source"],
        parameters={},
        sealed=payload[start:],
        authenticated=True,
    )
    return DigitalMessage(
        method=header["method"],
        model=header["model"],
        model_hash=payload[NONCE_BYTES:start].hex(),
        latent_shape=tuple(header["shape"]),
        images=header["images"],
        image_bytes=header["bytes"],
        keyed=keyed,
    )
