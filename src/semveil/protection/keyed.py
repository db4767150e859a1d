# SPDX-License-Identifier: Apache-2.0
"""Interface of keyed protections: invertible with the key, uninformative without it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from semveil.core.errors import KeyProblem
from semveil.keys.keystream import KeyStream
from semveil.privacy.guarantee import Guarantee

ASSUMPTIONS = (
    "nobody but Alice and Bob knows the key",
    "ChaCha20 under HKDF-SHA256 cannot be told from random bits",
    "no nonce is used twice under one key",
    "the side information is encrypted",
    "timing, message length and number of photos are no secrets",
)


@dataclass(frozen=True, eq=False)
class KeyedBlock:
    """Protected block and its side information.

    Attributes:
        sent: (B, m, D), replaces the private block.
        side: side information for Bob, to be encrypted.
    """

    sent: Tensor
    side: bytes


class KeyedProtection(Protocol):
    """Protection of private blocks (B, m, D) with randomness from one secret stream for each image.

    Alice and Bob derive the same streams from key, nonce and context; a stream serves one image of one
    message and is consumed by use, so each party creates its own.

    Attributes:
        name: name of the protection.
        side_bytes: length of the side information of one image. Every string of that length is valid.
    """

    name: str
    side_bytes: int

    def parameters(self) -> Mapping[str, Any]:
        """Public settings, JSON-ready, part of the context from which the streams are derived."""
        ...

    def protect(self, private: Tensor, streams: Sequence[KeyStream]) -> KeyedBlock:
        """Protect private blocks for transmission.

        Args:
            private: (B, m, D), in latent units.
            streams: one key stream per image.

        Returns:
            The block to transmit, and the side information.
        """
        ...

    def deprotect(self, received: Tensor, side: bytes, streams: Sequence[KeyStream]) -> Tensor:
        """Bob's estimate of the private blocks.

        Args:
            received: (B, m, D) received block, denormalised.
            side: side information of the B images.
            streams: one key stream per image, in the state in which Alice used them.

        Returns:
            (B, m, D), in latent units.
        """
        ...

    def interpret(self, received: Tensor) -> Tensor:
        """Interpretation of a received block without the key.

        Args:
            received: (B, m, D) received block, denormalised.

        Returns:
            (B, m, D), in latent units.
        """
        ...

    def guarantee(self, covers: str, *, not_covered: Sequence[str] = ()) -> Guarantee:
        """Guarantee for one image against adversaries without the key.

        Args:
            covers: the protected part of the record, in words.
            not_covered: parts of the record that are transmitted unprotected, in words.
        """
        ...


def check_streams(block: Tensor, streams: Sequence[KeyStream]) -> None:
    """Check that every image has a key stream of its own.

    Args:
        block: (B, m, D).
        streams: B distinct objects.

    Raises:
        KeyProblem: wrong number of streams, or one stream given twice.
    """
    if len(streams) != len(block) or len({id(stream) for stream in streams}) != len(streams):
        raise KeyProblem(
            f"got {len({id(stream) for stream in streams})} different key streams for {len(block)} images; "
            "derive one for each image from its index"
        )


def check_side(block: Tensor, side: bytes, side_bytes: int) -> None:
    """Check the length of the side information.

    Args:
        block: (B, m, D).
        side: side information of all images.
        side_bytes: bytes per image.

    Raises:
        KeyProblem: the length is not B * side_bytes.
    """
    if len(side) != len(block) * side_bytes:
        raise KeyProblem(
            f"{len(block)} images have {len(block) * side_bytes} bytes of side information, got {len(side)}"
        )
