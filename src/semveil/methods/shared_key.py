# SPDX-License-Identifier: Apache-2.0
"""Key that Alice and Bob share for a message, and the ways for Bob to obtain it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from semveil.core.errors import KeyProblem
from semveil.keys import (
    Identity,
    PublicIdentity,
    Secret,
    from_passphrase,
    initiate,
    new_salt,
    read_secret,
    respond,
)


@dataclass(frozen=True, eq=False)
class SharedKey:
    """Secret with a public description that tells Bob where to find his copy.

    Attributes:
        secret: 256 bits.
        source: the key's description in a message header, see `channels.KeyedPart`.

    Example:
        >>> SharedKey.fresh()
        SharedKey(source={'kind': 'file'})
    """

    secret: Secret = field(repr=False)
    source: Mapping[str, Any]

    @classmethod
    def fresh(cls) -> "SharedKey":
        """Generate a key, for a simulation in which one process plays all parties."""
        return cls(Secret.generate(), {"kind": "file"})

    @classmethod
    def from_file(cls, path: Path) -> "SharedKey":
        """Read the key from a file of `semveil keygen`, the same on both sides.

        Args:
            path: path of the key file.

        Raises:
            KeyProblem: the file is missing, a link, accessible to other users, or not a key file.
        """
        return cls(read_secret(path), {"kind": "file"})

    @classmethod
    def from_passphrase(cls, passphrase: str) -> "SharedKey":
        """Alice's key from a passphrase and a fresh salt, which is sent with the message.

        Args:
            passphrase: at least 12 characters.

        Raises:
            KeyProblem: a passphrase that is too short.
        """
        salt = new_salt()
        return cls(from_passphrase(passphrase, salt), {"kind": "passphrase", "salt": salt.hex()})

    @classmethod
    def with_peer(cls, own: Identity, peer: PublicIdentity) -> "SharedKey":
        """Alice's key for a Bob with a pinned public identity.

        The key-agreement offer is sent with the message.

        Args:
            own: Alice's identity.
            peer: Bob's public identity.

        Raises:
            KeyProblem: the peer is oneself, has another cipher suite, or has a key that gives an all-zero
                shared secret.
        """
        secret, offer = initiate(own, peer)
        return cls(secret, {"kind": "agreement", "offer": offer.hex()})

    @classmethod
    def of_message(
        cls,
        source: Mapping[str, Any],
        *,
        key_file: Path | None = None,
        passphrase: str | None = None,
        own: Identity | None = None,
        peer: PublicIdentity | None = None,
    ) -> "SharedKey":
        """Bob's copy of the key of a message.

        Args:
            source: the key's description in the message header.
            key_file: path of the shared key file.
            passphrase: the shared passphrase.
            own: Bob's identity, with its secret half.
            peer: Alice's public identity.

        Raises:
            KeyProblem: the secret required by the message is missing, or does not fit.
        """
        kind = source["kind"]
        if kind == "file" and key_file is not None:
            return cls(read_secret(key_file), source)
        if kind == "passphrase" and passphrase is not None:
            return cls(from_passphrase(passphrase, bytes.fromhex(source["salt"])), source)
        if kind == "agreement" and own is not None and peer is not None:
            return cls(respond(own, peer, bytes.fromhex(source["offer"])), source)
        raise KeyProblem(f"the message is protected with {_NEEDS[kind]}")


_NEEDS = {
    "file": "a key from a file; give Alice's and Bob's common key with --key",
    "passphrase": "a passphrase; give the file that holds it with --passphrase-file, or - to type it",
    "agreement": "a key agreed on; give your own secret with --identity and Alice's public file with --peer",
}
