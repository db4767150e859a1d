# SPDX-License-Identifier: Apache-2.0
"""A message for a digital link: latents as bytes, sealed whole. Without the key it shows its length and whom it is for."""

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
        method, model: names.
        model_hash: SHA-256 of the model's weights, 64 hex digits.
        latent_shape: (K, D).
        images: how many.
        image_bytes: of each image, before sealing; the same for all photos.
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

    # As `Message` has them, for those who report on either.

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
        model_hash: SHA-256 of the model, hexadecimal.
    """
    return json.dumps(
        [dict(header), model_hash], sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def digital_bytes(message: DigitalMessage) -> bytes:
    """Serialise a digital message: container with header, nonce, model hash and sealed latents.

    Raises:
        MessageError: as for `container.encode`.
    """
    payload = message.keyed.nonce + bytes.fromhex(message.model_hash) + message.keyed.sealed
    return encode(DIGITAL_VERSION, message.header, payload, magic=DIGITAL_MAGIC)


def is_digital(path: str | os.PathLike[str]) -> bool:
    """True if the file starts with the magic bytes of a digital message; False also for an unreadable file."""
    try:
        with open(open_regular(path), "rb") as handle:
            return handle.read(len(DIGITAL_MAGIC)) == DIGITAL_MAGIC
    except OSError:
        return False


def read_digital(path: str | os.PathLike[str]) -> DigitalMessage:
    """Read a digital message. Tampering is detected only when it is opened with the key.

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
