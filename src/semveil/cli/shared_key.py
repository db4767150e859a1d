"""The key of a message from options: a file, a passphrase, or two parties' identities."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from semveil.cli.options import OptionError

if TYPE_CHECKING:
    from semveil.keys import Identity, NonceLog, PublicIdentity
    from semveil.methods.shared_key import SharedKey


def check_key_options(key: Path | None, passphrase_file: Path | None, identity: Path | None, peer: Path | None) -> bool:
    """Whether a key is given; one way to give it at most."""
    if (identity is None) != (peer is None):
        raise OptionError("--identity and --peer go together: your own secret and the other side's public file")
    given = [name for name, path in (("--key", key), ("--passphrase-file", passphrase_file), ("--identity", identity)) if path]
    if len(given) > 1:
        raise OptionError(f"give one key, not {' and '.join(given)}")
    return bool(given)


def alice_key(key: Path | None, passphrase_file: Path | None, identity: Path | None, peer: Path | None) -> "SharedKey | None":
    """The key for a new message, or None where no option names one."""
    from semveil.methods.shared_key import SharedKey

    if key is not None:
        return SharedKey.from_file(key)
    if passphrase_file is not None:
        return SharedKey.from_passphrase(_passphrase(passphrase_file, confirm=True))
    if identity is not None and peer is not None:
        return SharedKey.with_peer(*_identities(identity, peer))
    return None


def bob_key(
    source: Mapping[str, Any], key: Path | None, passphrase_file: Path | None, identity: Path | None, peer: Path | None
) -> "SharedKey":
    """Bob's copy of the key of a message."""
    from semveil.methods.shared_key import SharedKey

    passphrase = None if passphrase_file is None or source["kind"] != "passphrase" else _passphrase(passphrase_file)
    own, other = (None, None) if identity is None or peer is None else _identities(identity, peer)
    return SharedKey.of_message(source, key_file=key, passphrase=passphrase, own=own, peer=other)


def _identities(identity: Path, peer: Path) -> "tuple[Identity, PublicIdentity]":
    from semveil.keys import read_identity, read_public_identity

    return read_identity(identity), read_public_identity(peer)


def _passphrase(path: Path, *, confirm: bool = False) -> str:
    """The first line of a private file, or what the user types."""
    from semveil.keys.passphrase import read_passphrase

    if str(path) == "-":
        return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))
    return read_passphrase(path)


READ, SENT = "nonces-read", "nonces-sent"


def nonce_log(kind: str = READ) -> "NonceLog":
    """The log of keyed messages that were read, or sent, on this machine."""
    from semveil.core.weights import home
    from semveil.keys import NonceLog

    return NonceLog(home() / f"{kind}.log")
