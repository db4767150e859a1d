# SPDX-License-Identifier: Apache-2.0
"""Authenticated key agreement: a fresh secret for each message between parties with known public keys.

Alice generates an ephemeral X25519 key e and encapsulates to Bob's ML-KEM-768 key. Both parties then have

    X25519(e, Bob) | X25519(Alice, Bob) | ML-KEM shared secret,

from which HKDF-SHA256 derives the secret, with the suite, both parties' digests and the whole offer in its
info. The offer, that is e's public half and the ML-KEM ciphertext, is sent with the message. The first and
third terms require Bob's private keys, so only he can derive the secret; the second requires Alice's or
Bob's, so he knows that she made it. The secret is safe while either X25519 or ML-KEM is unbroken; the
authentication of Alice rests on X25519 alone.
"""

import hashlib
import hmac
import os
import re
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from semveil.core.errors import KeyProblem
from semveil.core.files import write_whole
from semveil.core.text import read_text
from semveil.keys.private_file import LARGEST, read_private, write_private
from semveil.keys.schedule import hkdf_sha256
from semveil.keys.secret import Secret

try:  # absent from cryptography 44, which suffices for everything else
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
except ImportError:
    HAS_ML_KEM = False
else:
    HAS_ML_KEM = True

HYBRID, CLASSICAL = "x25519+ml-kem-768", "x25519"
X25519_BYTES, SEED_BYTES, KEM_PUBLIC_BYTES, CIPHERTEXT_BYTES = 32, 64, 1184, 1088
LABEL = b"semveil agreement 1"
IDENTITY_HEADER, PUBLIC_HEADER = "semveil-identity-1", "semveil-public-1"


@dataclass(frozen=True)
class PublicIdentity:
    """Public half of an identity.

    Exchange it over an authenticated channel, or compare its fingerprint.

    Args:
        x25519: 32 bytes.
        ml_kem: 1184 bytes of ML-KEM-768; empty for an identity created without ML-KEM support.

    Raises:
        KeyProblem: wrong length, an invalid ML-KEM key, or ML-KEM not supported by the installed library.
    """

    x25519: bytes
    ml_kem: bytes

    def __post_init__(self) -> None:
        if len(self.x25519) != X25519_BYTES or len(self.ml_kem) not in (0, KEM_PUBLIC_BYTES):
            raise KeyProblem("a public identity is cut off or damaged; ask for it again")
        if self.ml_kem:
            try:
                _need_ml_kem()
                MLKEM768PublicKey.from_public_bytes(self.ml_kem)
            except ValueError as error:
                raise KeyProblem("a public identity holds an invalid ML-KEM key; ask for it again") from error

    def __repr__(self) -> str:
        return f"PublicIdentity({self.suite}, {self.fingerprint()})"

    @property
    def suite(self) -> str:
        """Cipher suite: `x25519+ml-kem-768` or `x25519`."""
        return HYBRID if self.ml_kem else CLASSICAL

    @property
    def digest(self) -> bytes:
        """SHA-256 of label, suite and keys."""
        return hashlib.sha256(b"|".join([LABEL, self.suite.encode(), self.x25519 + self.ml_kem])).digest()

    def fingerprint(self) -> str:
        """First 160 bits of the digest in ten groups of four hex digits, to compare by voice or on paper."""
        text = self.digest.hex()[:40]
        return " ".join(text[i : i + 4] for i in range(0, 40, 4))


@dataclass(frozen=True, eq=False)
class Identity:
    """Long-term secret of a party; its `repr` shows only the public fingerprint.

    Args:
        x25519: 32 bytes.
        ml_kem_seed: 64 bytes; empty without ML-KEM support.

    Raises:
        KeyProblem: wrong length, or ML-KEM not supported by the installed library.

    Example:
        >>> alice, bob = Identity.generate(), Identity.generate()
        >>> secret, offer = initiate(alice, bob.public)
        >>> respond(bob, alice.public, offer) == secret
        True
    """

    x25519: bytes
    ml_kem_seed: bytes
    public: PublicIdentity = field(init=False)

    def __post_init__(self) -> None:
        if len(self.x25519) != X25519_BYTES or len(self.ml_kem_seed) not in (0, SEED_BYTES):
            raise KeyProblem("an identity is cut off or damaged; restore it from a copy, or make a new one")
        public = X25519PrivateKey.from_private_bytes(self.x25519).public_key().public_bytes_raw()
        kem = self._ml_kem().public_key().public_bytes_raw() if self.ml_kem_seed else b""
        object.__setattr__(self, "public", PublicIdentity(public, kem))

    def __repr__(self) -> str:
        return f"Identity(..., public={self.public!r})"

    def __reduce__(self) -> str:
        raise TypeError(
            "an identity is not pickled, lest it end in a cache or checkpoint; use write_identity"
        )

    @classmethod
    def generate(cls) -> "Identity":
        """Generate an identity from the operating system's random source, hybrid if ML-KEM is supported."""
        return cls(os.urandom(X25519_BYTES), os.urandom(SEED_BYTES) if has_ml_kem() else b"")

    def _ml_kem(self) -> "MLKEM768PrivateKey":
        _need_ml_kem()
        return MLKEM768PrivateKey.from_seed_bytes(self.ml_kem_seed)


def initiate(own: Identity, peer: PublicIdentity) -> tuple[Secret, bytes]:
    """Alice's side: derive a fresh secret for one message, and the offer from which Bob derives it.

    Args:
        own: Alice's identity.
        peer: Bob's public identity.

    Returns:
        (secret, offer).

    Raises:
        KeyProblem: the peer is oneself, has another suite, or has a public key that gives an all-zero shared
            secret.
    """
    _check_peer(own, peer)
    ephemeral = X25519PrivateKey.generate()
    terms = [_exchange(ephemeral, peer.x25519), _exchange(_private(own), peer.x25519)]
    offer = ephemeral.public_key().public_bytes_raw()
    if peer.ml_kem:
        term, ciphertext = MLKEM768PublicKey.from_public_bytes(peer.ml_kem).encapsulate()
        terms.append(term)
        offer += ciphertext
    return _derive(terms, own.public, peer, offer), offer


def respond(own: Identity, peer: PublicIdentity, offer: bytes) -> Secret:
    """Bob's side: derive the secret of one message.

    An offer that was altered, or made for or by another party, gives a different secret, which opens nothing.

    Args:
        own: Bob's identity.
        peer: Alice's public identity.
        offer: the offer received with the message.

    Raises:
        KeyProblem: the peer is oneself or has another suite, the offer has the wrong length, or a public key
            gives an all-zero shared secret.
    """
    _check_peer(own, peer)
    expected = X25519_BYTES + (CIPHERTEXT_BYTES if own.ml_kem_seed else 0)
    if len(offer) != expected:
        raise KeyProblem(
            f"an offer of suite {own.public.suite} is {expected} bytes long, got {len(offer)}; the message "
            "is damaged"
        )
    ephemeral, ciphertext = offer[:X25519_BYTES], offer[X25519_BYTES:]
    terms = [_exchange(_private(own), ephemeral), _exchange(_private(own), peer.x25519)]
    if ciphertext:
        terms.append(own._ml_kem().decapsulate(ciphertext))
    return _derive(terms, peer, own.public, offer)


def write_identity(path: str | os.PathLike[str], identity: Identity) -> None:
    """Write an identity with its secret half to a new file, mode 0600.

    Args:
        path: path of the new file; must not exist.
        identity: identity to write.

    Raises:
        OutputError: the path exists, or the folder is not writable.
    """
    content = identity.x25519 + identity.ml_kem_seed
    write_private(path, f"{IDENTITY_HEADER} {identity.public.suite} {content.hex()}\n")


def read_identity(path: str | os.PathLike[str]) -> Identity:
    """Read a file written by `write_identity`.

    Args:
        path: path of the file.

    Raises:
        KeyProblem: the file is missing, a link, accessible to others, or not an identity.
    """
    content = _parse(
        read_private(path, "identity"), IDENTITY_HEADER, path, "the secret half of an identity (NAME.secret)"
    )
    return Identity(content[:X25519_BYTES], content[X25519_BYTES:])


def write_public_identity(path: str | os.PathLike[str], public: PublicIdentity) -> None:
    """Write the public half of an identity, replacing an existing file.

    Args:
        path: path of the file.
        public: public identity to write.

    Raises:
        OutputError: the path cannot be written.
    """
    write_whole(path, f"{PUBLIC_HEADER} {public.suite} {(public.x25519 + public.ml_kem).hex()}\n")


def read_public_identity(path: str | os.PathLike[str]) -> PublicIdentity:
    """Read a file written by `write_public_identity`.

    Compare its fingerprint with the peer over another channel.

    Args:
        path: path of the file.

    Raises:
        KeyProblem: the file is missing, unreadable, or not a public identity.
    """
    try:
        text = read_text(path, largest=LARGEST)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no such text"
        raise KeyProblem(f"cannot read the public identity {os.fspath(path)!r}: {reason}") from error
    content = _parse(text, PUBLIC_HEADER, path, "the public half of an identity (NAME.public)")
    return PublicIdentity(content[:X25519_BYTES], content[X25519_BYTES:])


def has_ml_kem() -> bool:
    """True if the cryptography library and its OpenSSL support ML-KEM-768."""
    if not HAS_ML_KEM:
        return False
    try:
        MLKEM768PrivateKey.generate()
    except UnsupportedAlgorithm:
        return False
    return True


def _need_ml_kem() -> None:
    if not has_ml_kem():
        raise KeyProblem(
            f"an identity of suite {HYBRID} needs a newer library; run: pip install --upgrade cryptography"
        )


def _parse(text: str, header: str, path: str | os.PathLike[str], what: str) -> bytes:
    text = text.strip()
    found = re.fullmatch(r"(\S+) (\S+) ((?:[0-9a-f]{2})+)", text)
    if not found or found[1] != header:
        state = (
            "is empty"
            if not text
            else "is cut off or damaged"
            if text.startswith(header)
            else f"is not {what}"
        )
        raise KeyProblem(
            f"{os.fspath(path)!r} {state}; give the file that `semveil keygen --agreement` wrote"
        )
    content = bytes.fromhex(found[3])
    second = SEED_BYTES if header == IDENTITY_HEADER else KEM_PUBLIC_BYTES
    if {HYBRID: X25519_BYTES + second, CLASSICAL: X25519_BYTES}.get(found[2]) != len(content):
        raise KeyProblem(f"{os.fspath(path)!r} is cut off or damaged; copy it again")
    return content


def _check_peer(own: Identity, peer: PublicIdentity) -> None:
    if hmac.compare_digest(own.public.x25519, peer.x25519):
        raise KeyProblem("the peer's public file is your own; give the one that the peer handed over")
    if own.public.suite != peer.suite:
        raise KeyProblem(
            f"your identity is of suite {own.public.suite}, the peer's of {peer.suite}; whoever has "
            f"{CLASSICAL} alone makes a new identity with a newer cryptography library"
        )


def _private(own: Identity) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(own.x25519)


def _exchange(private: X25519PrivateKey, public: bytes) -> bytes:
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise KeyProblem(
            "the other side's key gives an all-zero shared secret; somebody made it to break the agreement"
        ) from error


def _derive(terms: list[bytes], sender: PublicIdentity, receiver: PublicIdentity, offer: bytes) -> Secret:
    info = b"|".join([LABEL, sender.suite.encode(), sender.digest, receiver.digest, offer])
    return Secret(hkdf_sha256(b"".join(terms), salt=None, info=info))
