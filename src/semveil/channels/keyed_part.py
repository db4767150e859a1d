# SPDX-License-Identifier: Apache-2.0
"""The public part of a keyed message other than its symbols."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from semveil.channels.container import MessageError, is_json_object

NONCE_BYTES = 32
# kind of key -> further fields that Bob needs, hexadecimal
SOURCES = {"file": set(), "passphrase": {"salt"}, "agreement": {"offer"}}
MOST_SEALED = 1 << 18


@dataclass(frozen=True, kw_only=True)
class KeyedPart:
    """Nonce, sealed side information, and the public parameters from which the key is derived.

    Attributes:
        nonce: 32 bytes, drawn for this message only.
        source: origin of Bob's key: `{"kind": "file"}`, `{"kind": "passphrase", "salt": hex}` or `{"kind":
            "agreement", "offer": hex}`.
        parameters: public settings of the protection.
        sealed: encrypted side information of all images.
        authenticated: whether tampering with `sealed` and wrong keys are detected; False for deniable
            messages.

    Raises:
        MessageError: a field is of the wrong type or length.
    """

    nonce: bytes = field(repr=False)
    source: Mapping[str, Any]
    parameters: Mapping[str, Any]
    sealed: bytes = field(repr=False)
    authenticated: bool

    def __post_init__(self) -> None:
        if not isinstance(self.nonce, bytes) or len(self.nonce) != NONCE_BYTES:
            raise MessageError(f"a keyed message needs a nonce of {NONCE_BYTES} bytes")
        if not isinstance(self.sealed, bytes) or len(self.sealed) > MOST_SEALED:
            raise MessageError(f"sealed side information must be at most {MOST_SEALED} bytes")
        # a list: it may be unhashable
        if not is_json_object(self.source) or self.source.get("kind") not in [*SOURCES]:
            raise MessageError(
                f"the key's source must be of kind {', '.join(SOURCES)}, got {ascii(self.source)[:80]}"
            )
        if set(self.source) != SOURCES[self.source["kind"]] | {"kind"}:
            raise MessageError(
                f"a key's source of kind {self.source['kind']} has other fields, got {sorted(self.source)}"
            )
        if not all(_is_hex(value) for name, value in self.source.items() if name != "kind"):
            raise MessageError("the fields of a key's source must be hexadecimal")
        if not is_json_object(self.parameters):
            raise MessageError("the parameters of a keyed protection must be a dict of plain JSON values")
        if type(self.authenticated) is not bool:
            raise MessageError(f"authenticated must be true or false, got {self.authenticated!r}")

    def as_header(self) -> dict[str, Any]:
        """JSON-ready header fields."""
        return {
            "nonce": self.nonce.hex(),
            "source": dict(self.source),
            "parameters": dict(self.parameters),
            "sealed": self.sealed.hex(),
            "authenticated": self.authenticated,
        }

    @classmethod
    def from_header(cls, header: object) -> "KeyedPart":
        """Parse the result of `as_header`.

        Args:
            header: the decoded JSON value, of any type.

        Raises:
            MessageError: a field is missing, unknown, of the wrong type or length, or not hexadecimal where
                it must be.
        """
        names = {"nonce", "source", "parameters", "sealed", "authenticated"}
        if not isinstance(header, dict) or set(header) != names:
            raise MessageError(f"the keyed part must have the fields {', '.join(sorted(names))}")
        if not (_is_hex(header["nonce"]) and _is_hex(header["sealed"])):
            raise MessageError("nonce and sealed side information must be hexadecimal")
        binary = {name: bytes.fromhex(header[name]) for name in ("nonce", "sealed")}
        return cls(**{**header, **binary})


def _is_hex(value: object) -> bool:
    return isinstance(value, str) and len(value) % 2 == 0 and set(value) <= set("0123456789abcdef")
