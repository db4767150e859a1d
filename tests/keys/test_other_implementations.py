# SPDX-License-Identifier: Apache-2.0
"""The published vectors once more, from the definitions, by programs that share nothing with the
`cryptography` library: Python's hashlib and hmac, X25519 in plain integers (RFC 7748), pycryptodome's
ciphers, kyber-py's ML-KEM (FIPS 203).
"""

import hashlib
import hmac
import json
from typing import Any

import pytest

from semveil.keys.agreement import Identity, has_ml_kem, initiate

P = 2**255 - 19
LABEL = b"semveil agreement 1"


def x25519(scalar: bytes, point: bytes) -> bytes:
    """RFC 7748, section 5: the Montgomery ladder."""
    k = int.from_bytes(scalar, "little") & ~7 & ~(1 << 255) | (1 << 254)
    u = int.from_bytes(point, "little") % (1 << 255)
    x2, z2, x3, z3 = 1, 0, u, 1
    for bit in reversed(range(255)):
        if k >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a, c * b, a * a, b * b
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, (aa - bb) * (aa + 121665 * (aa - bb)) % P
        if k >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 for up to 32 bytes."""
    return hmac.digest(hmac.digest(salt or bytes(32), secret, "sha256"), info + b"\1", "sha256")


def test_the_ladder_is_that_of_rfc_7748() -> None:
    scalar = "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"
    point = "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"
    result = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
    assert x25519(bytes.fromhex(scalar), bytes.fromhex(point)).hex() == result


def message_key(vector: dict[str, Any], secret: bytes, nonce: bytes, purpose: str, image: int = 0) -> bytes:
    said = ["semveil message", 1, vector["context"], purpose, image, vector["direction"]]
    return hkdf(secret, nonce, json.dumps(said, sort_keys=True, separators=(",", ":")).encode("ascii"))


def test_sealed_and_masked_side_information(vectors: dict[str, Any]) -> None:
    aead = pytest.importorskip("Crypto.Cipher.ChaCha20_Poly1305", reason="needs pycryptodome")
    stream = pytest.importorskip("Crypto.Cipher.ChaCha20", reason="needs pycryptodome")
    for vector in vectors["schedule"]:
        secret, nonce, plain, associated = (
            bytes.fromhex(vector[name]) for name in ("secret", "nonce", "plain", "associated")
        )

        noise = [
            message_key(vector, secret, nonce, "noise", image).hex()
            for image in range(len(vector["noise_keys"]))
        ]
        assert noise == vector["noise_keys"]
        sealing = aead.new(key=message_key(vector, secret, nonce, "seal"), nonce=bytes(12))
        sealing.update(associated)
        assert b"".join(sealing.encrypt_and_digest(plain)).hex() == vector["sealed"]
        masking = stream.new(key=message_key(vector, secret, nonce, "mask"), nonce=bytes(12))
        assert masking.encrypt(plain).hex() == vector["masked"]


def agreed(vector: dict[str, Any], offer: bytes) -> str:
    """Bob's secret of an offer from Alice, from the definition alone."""
    alice, bob = (bytes.fromhex(key) for key in vector["x25519"])
    seeds = [bytes.fromhex(seed) for seed in vector["ml_kem_seeds"]]
    base = (9).to_bytes(32, "little")
    publics = [x25519(alice, base), x25519(bob, base)]
    terms, suite = [x25519(bob, offer[:32]), x25519(bob, publics[0])], b"x25519"
    if seeds[0]:
        ml_kem = pytest.importorskip("kyber_py.ml_kem", reason="needs kyber-py").ML_KEM_768
        pairs, suite = [ml_kem.key_derive(seed) for seed in seeds], b"x25519+ml-kem-768"
        publics = [public + pair[0] for public, pair in zip(publics, pairs, strict=True)]
        terms.append(ml_kem.decaps(pairs[1][1], offer[32:]))
    digests = [hashlib.sha256(b"|".join([LABEL, suite, public])).digest() for public in publics]
    return hkdf(b"".join(terms), b"", b"|".join([LABEL, suite, *digests, offer])).hex()


@pytest.mark.parametrize("number", [0, 1], ids=["x25519", "hybrid"])
def test_an_agreement(vectors: dict[str, Any], number: int) -> None:
    vector = vectors["agreement"][number]
    assert agreed(vector, bytes.fromhex(vector["offer"])) == vector["secret"]


@pytest.mark.skipif(not has_ml_kem(), reason="needs a cryptography library with ML-KEM")
def test_a_new_agreement_is_the_same_there(vectors: dict[str, Any]) -> None:
    vector = vectors["agreement"][1]
    alice, bob = (
        Identity(bytes.fromhex(x), bytes.fromhex(seed))
        for x, seed in zip(vector["x25519"], vector["ml_kem_seeds"], strict=True)
    )
    secret, offer = initiate(alice, bob.public)
    assert agreed(vector, offer) == secret.value.hex()
    assert agreed(vector, offer[:-1] + bytes([offer[-1] ^ 1])) != secret.value.hex()


def test_a_passphrase(vectors: dict[str, Any]) -> None:
    (vector,) = vectors["passphrase"]
    kdf = pytest.importorskip("Crypto.Protocol.KDF", reason="needs pycryptodome")
    made = kdf.scrypt(vector["text"].encode(), bytes.fromhex(vector["salt"]), key_len=32, N=2**17, r=8, p=1)
    assert made.hex() == vector["secret"]
