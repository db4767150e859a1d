# SPDX-License-Identifier: Apache-2.0
"""Key schedule of one message, from the shared secret, the nonce and a description of the message."""

import json
import os
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from semveil.core.errors import KeyProblem
from semveil.keys.keystream import KEY_BYTES, KeyStream
from semveil.keys.secret import Secret

LABEL, VERSION = "semveil message", 1
NONCE_BYTES = 32
TAG_BYTES = 16  # length that `seal` adds


def new_nonce() -> bytes:
    """32 random bytes from the operating system, for one message; never repeated, even after a fork."""
    return os.urandom(NONCE_BYTES)


def hkdf_sha256(secret: bytes, *, salt: bytes | None, info: bytes, length: int = KEY_BYTES) -> bytes:
    """Key derivation by HKDF-SHA256 (RFC 5869).

    Args:
        secret: input keying material.
        salt: public salt; None stands for 32 zero bytes.
        info: public context.
        length: length of the result in bytes, at most 255 * 32.
    """
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(secret)


class MessageKeys:
    """Keys of one message: a noise stream for each image, a sealing key and a masking key.

    Each is HKDF-SHA256 of the secret with the nonce as salt and, as info, the canonical JSON (ASCII, keys
    sorted, no spaces) of [label, version, context, purpose, image, direction], so a receiver with any
    difference in the context derives other keys. An object returns each keystream, seals and masks only once,
    in the process that created it: two photos never share a stream.

    Args:
        secret: secret shared by Alice and Bob.
        nonce: 32 bytes: Alice's from `new_nonce`, Bob's from the message.
        context: description of the message (model, codes, mechanism, scale, bounds), JSON-ready; not secret.
        direction: direction of the transmission; the keys of the two directions differ.

    Raises:
        KeyProblem: a nonce of the wrong length; a key requested for a second time, or in another process.
        ValueError: the context is not JSON.

    Example:
        >>> secret, nonce = Secret.generate(), new_nonce()
        >>> alice, bob = (MessageKeys(secret, nonce, {"model": "faces-128"}) for _ in range(2))
        >>> bool((alice.keystream(0).normals(9) == bob.keystream(0).normals(9)).all())
        True
        >>> bob.open(alice.seal(b"norms", b"header"), b"header")
        b'norms'
    """

    def __init__(
        self, secret: Secret, nonce: bytes, context: Mapping[str, Any], *, direction: str = "alice->bob"
    ) -> None:
        if len(nonce) != NONCE_BYTES:
            raise KeyProblem(
                f"a nonce is {NONCE_BYTES} bytes long, got {len(nonce)}; draw one with new_nonce()"
            )
        try:
            # a copy, independent of later changes by the caller
            self._context = json.loads(_canonical(dict(context)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"the context of a message's keys must be plain JSON values: {error}") from error
        self._secret, self._nonce, self._direction = secret, nonce, direction
        self._given: set[tuple[str, int]] = set()
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"MessageKeys(..., direction={self._direction!r})"

    def keystream(self, image: int) -> KeyStream:
        """Noise stream of one image.

        Args:
            image: 0-based index in the message.

        Raises:
            KeyProblem: this object has already returned the stream, or was created in another process.
            ValueError: a negative index.
        """
        if image < 0:
            raise ValueError(f"images are counted from 0, got {image}")
        return KeyStream(self._once("noise", image))

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        """Encrypt and authenticate with ChaCha20-Poly1305 (RFC 8439).

        The nonce is 0, since the key is used once; the result is `TAG_BYTES` longer than the plaintext.

        Args:
            plain: side information.
            associated: public bytes that are authenticated with it.

        Raises:
            KeyProblem: called before on this object, or in another process.
        """
        return ChaCha20Poly1305(self._once("seal")).encrypt(bytes(12), plain, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Decrypt and authenticate the result of `seal`.

        Args:
            sealed: ciphertext and tag.
            associated: as given to `seal`.

        Raises:
            KeyProblem: another key, context, direction or associated data; an altered byte; or called in
                another process.
        """
        try:
            return ChaCha20Poly1305(self._key("seal")).decrypt(bytes(12), sealed, associated)
        except InvalidTag as error:
            raise KeyProblem(
                "the key does not fit the message, or the message was altered; nothing of it was used"
            ) from error

    def mask(self, plain: bytes) -> bytes:
        """Encrypt with ChaCha20 without authentication.

        The length is unchanged, and every key decrypts to some plaintext. Deniable: nothing identifies the
        right key. In return, flipping a bit of the result flips that bit of the plaintext, and a wrong key
        goes unnoticed.

        Args:
            plain: plaintext of any length.

        Raises:
            KeyProblem: called before on this object, or in another process.
        """
        return _chacha20(self._once("mask"), plain)

    def unmask(self, masked: bytes) -> bytes:
        """Decrypt the result of `mask`; a different key gives different bytes.

        Args:
            masked: ciphertext of any length.

        Raises:
            KeyProblem: called in another process.
        """
        return _chacha20(self._key("mask"), masked)

    def _once(self, purpose: str, image: int = 0) -> bytes:
        if (purpose, image) in self._given:
            raise KeyProblem(
                f"the {purpose} key of image {image} was used already; a new message needs a new nonce"
            )
        key = self._key(purpose, image)
        self._given.add((purpose, image))
        return key

    def _key(self, purpose: str, image: int = 0) -> bytes:
        if os.getpid() != self._process:
            raise KeyProblem(
                "the keys of a message belong to the process that made them; after a fork draw a new nonce"
            )
        info = _canonical([LABEL, VERSION, self._context, purpose, image, self._direction])
        return hkdf_sha256(self._secret.value, salt=self._nonce, info=info)


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _chacha20(key: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor().update(data)
