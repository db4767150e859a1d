# SPDX-License-Identifier: Apache-2.0
"""The key of a message from options: a file, a passphrase, or two parties' identities."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from semveil.cli.options import OptionError

if TYPE_CHECKING:
    from semveil.link.keys import Key


def check_key_options(
    key: Path | None, passphrase_file: Path | None, identity: Path | None, peer: Path | None
) -> bool:
    """Whether a key is given; check that it is given in one way only.

    Args:
        key: value of `--key`.
        passphrase_file: value of `--passphrase-file`.
        identity: value of `--identity`.
        peer: value of `--peer`.

    Raises:
        OptionError: a key is given in several ways, or only one of `--identity` and `--peer` is given.
    """
    if (identity is None) != (peer is None):
        raise OptionError(
            "--identity and --peer go together: your own secret and the other side's public file"
        )
    given = [
        name
        for name, path in (("--key", key), ("--passphrase-file", passphrase_file), ("--identity", identity))
        if path
    ]
    if len(given) > 1:
        raise OptionError(f"give one key, not {' and '.join(given)}")
    return bool(given)


def key_of(
    key: Path | None,
    passphrase_file: Path | None,
    identity: Path | None,
    peer: Path | None,
    *,
    confirm: bool = False,
) -> "Key | None":
    """Key given by options; None if there is none.

    Args:
        key: a key file.
        passphrase_file: a private file with the passphrase; `-` prompts for it.
        identity: own secret half of a key pair; goes with `peer`.
        peer: the other party's public file; goes with `identity`.
        confirm: prompt twice for a typed passphrase.

    Raises:
        OptionError: as for `check_key_options`.
    """
    from semveil.link.keys import Key

    if not check_key_options(key, passphrase_file, identity, peer):
        return None
    asked = None if passphrase_file is None else partial(_passphrase, passphrase_file, confirm=confirm)
    return Key(file=key, passphrase=asked, identity=identity, peer=peer)


def _passphrase(path: Path, *, confirm: bool = False) -> str:
    """First line of a private file, or the user's input."""
    from semveil.keys.passphrase import read_passphrase

    if str(path) == "-":
        return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))
    return read_passphrase(path)
