# SPDX-License-Identifier: Apache-2.0
"""Keys, keystreams, key agreement and sealing."""

from semveil.keys.agreement import (
    Identity,
    PublicIdentity,
    initiate,
    read_identity,
    read_public_identity,
    respond,
    write_identity,
    write_public_identity,
)
from semveil.keys.keystream import KeyStream
from semveil.keys.nonce_log import NonceLog
from semveil.keys.passphrase import from_passphrase, new_salt
from semveil.keys.schedule import TAG_BYTES, MessageKeys, new_nonce
from semveil.keys.secret import Secret, read_secret, write_secret

__all__ = [
    "TAG_BYTES",
    "Identity",
    "KeyStream",
    "MessageKeys",
    "NonceLog",
    "PublicIdentity",
    "Secret",
    "from_passphrase",
    "initiate",
    "new_nonce",
    "new_salt",
    "read_identity",
    "read_public_identity",
    "read_secret",
    "respond",
    "write_identity",
    "write_public_identity",
    "write_secret",
]
