# SPDX-License-Identifier: Apache-2.0
"""Shared keys in every form, and the logs of nonces sent and read on this machine."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semveil.core.weights import home
from semveil.keys import Identity, NonceLog, PublicIdentity, read_identity, read_public_identity
from semveil.methods.shared_key import SharedKey

READ, SENT = "nonces-read", "nonces-sent"


@dataclass(frozen=True, kw_only=True)
class Key:
    """One source of the key that Alice and Bob share; files are read only when needed.

    Attributes:
        file: key file that both have.
        passphrase: returns the shared passphrase, for example by prompting for it.
        identity: file of the own secret; requires `peer`.
        peer: the other side's public file, with its fingerprint checked.

    Raises:
        ValueError: none or several of the three sources are given.
        TypeError: the passphrase is not a function.
    """

    file: Path | None = None
    passphrase: Callable[[], str] | None = None
    identity: Path | None = None
    peer: Path | None = None

    def __post_init__(self) -> None:
        if (self.identity is None) != (self.peer is None):
            raise ValueError(
                "identity and peer go together: your own secret and the other side's public file"
            )
        if self.passphrase is not None and not callable(self.passphrase):
            raise TypeError("the passphrase is a function that returns it, such as getpass.getpass")
        if sum(way is not None for way in (self.file, self.passphrase, self.identity)) != 1:
            raise ValueError("give one key: a file, a passphrase, or identity and peer")

    @property
    def files(self) -> list[Path]:
        """Files from which the key is read; the origin of a passphrase is unknown here."""
        return [path for path in (self.file, self.identity, self.peer) if path is not None]

    def for_sending(self) -> SharedKey:
        """Alice's key for a new message."""
        if self.file is not None:
            return SharedKey.from_file(self.file)
        if self.passphrase is not None:
            return SharedKey.from_passphrase(self.passphrase())
        return SharedKey.with_peer(*self._identities())

    def of_message(self, source: Mapping[str, Any]) -> SharedKey:
        """Bob's key for a message.

        Args:
            source: key source in the message header; `kind` is `file`, `passphrase` or `agreement`.

        Raises:
            KeyProblem: the message needs a key of another kind.
        """
        asked = self.passphrase if source["kind"] == "passphrase" else None
        own, other = (None, None) if self.identity is None else self._identities()
        passphrase = None if asked is None else asked()
        return SharedKey.of_message(source, key_file=self.file, passphrase=passphrase, own=own, peer=other)

    def _identities(self) -> tuple[Identity, PublicIdentity]:
        assert self.identity is not None and self.peer is not None
        return read_identity(self.identity), read_public_identity(self.peer)


AnyKey = Key | SharedKey | str | os.PathLike[str]
"""A key in any form; a path names a key file."""


def key_files(key: AnyKey | None) -> list[str | os.PathLike[str]]:
    """Files from which a key is read; no output may overwrite them.

    Args:
        key: a key, a source of one, or the path of a key file.

    Example:
        >>> key_files("my.key"), key_files(SharedKey.fresh())
        (['my.key'], [])
    """
    if isinstance(key, Key):
        return [*key.files]
    return [key] if isinstance(key, str | os.PathLike) else []


def alice_key(key: AnyKey | None) -> SharedKey | None:
    """Alice's key for a new message, or None where no key is given.

    Args:
        key: a key, a source of one, or the path of a key file.
    """
    if key is None or isinstance(key, SharedKey):
        return key
    return _way(key).for_sending()


def bob_key(key: AnyKey | None, source: Mapping[str, Any]) -> SharedKey:
    """Bob's key for a message.

    Args:
        key: a key, a source of one, or the path of a key file.
        source: key source in the message header; `kind` is `file`, `passphrase` or `agreement`.

    Raises:
        KeyProblem: no key is given, or one of another kind.
    """
    if key is None:
        return SharedKey.of_message(source)  # raises an error that names the missing key
    return key if isinstance(key, SharedKey) else _way(key).of_message(source)


def nonce_log(kind: str = READ) -> NonceLog:
    """Log of keyed messages on this machine, used to detect replays.

    Args:
        kind: name of the log, such as `READ` for received messages; the file is `<kind>.log` in SEMVEIL_HOME.
    """
    return NonceLog(home() / f"{kind}.log")


def _way(key: Key | str | os.PathLike[str]) -> Key:
    if isinstance(key, Key):
        return key
    if not isinstance(key, str | os.PathLike):
        raise TypeError(f"a key is the path of a key file, a Key or a SharedKey, got {type(key).__name__}")
    return Key(file=Path(key))
