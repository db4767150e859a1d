"""Keys, keystreams, key agreement and sealing."""

from semveil.keys.keystream import KeyStream
from semveil.keys.schedule import MessageKeys, new_nonce
from semveil.keys.secret import Secret, read_secret, write_secret

__all__ = ["KeyStream", "MessageKeys", "Secret", "new_nonce", "read_secret", "write_secret"]
