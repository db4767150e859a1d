# SPDX-License-Identifier: Apache-2.0
"""Keys of a message: bound to everything that the message is, each given once, tampering found."""

import hashlib
import hmac
import json
import os
from typing import Any

import numpy as np
import pytest

from semveil.core.errors import KeyProblem
from semveil.keys import KeyStream, MessageKeys, Secret, new_nonce
from semveil.keys.schedule import hkdf_sha256

SECRET, NONCE = Secret(bytes(range(32))), bytes(range(32, 64))
CONTEXT = {"model": "faces-64", "codes": [2, 3], "bounds": [-1.5, 1.5]}


def keys(**changed: Any) -> MessageKeys:
    """The keys of one message, or of one that differs in something."""
    settings = {"secret": SECRET, "nonce": NONCE, "context": CONTEXT, "direction": "alice->bob", **changed}
    return MessageKeys(
        settings["secret"], settings["nonce"], settings["context"], direction=settings["direction"]
    )


OTHERS = {
    "secret": {"secret": Secret(bytes(32))},
    "nonce": {"nonce": bytes(32)},
    "model": {"context": {**CONTEXT, "model": "faces-128"}},
    "bounds": {"context": {**CONTEXT, "bounds": [-1.5, np.nextafter(1.5, 2).item()]}},
    "one entry more": {"context": {**CONTEXT, "images": 1}},
    "direction": {"direction": "bob->alice"},
}


def test_hkdf_is_that_of_rfc_5869(vectors: dict[str, Any]) -> None:
    for vector in vectors["rfc5869"]:
        secret, salt, info = (bytes.fromhex(vector[name]) for name in ("secret", "salt", "info"))
        assert hkdf_sha256(secret, salt=salt, info=info, length=vector["length"]).hex() == vector["keys"]


def test_published_vectors(vectors: dict[str, Any]) -> None:
    for vector in vectors["schedule"]:
        secret, nonce, plain, associated, sealed, masked = (
            bytes.fromhex(vector[name])
            for name in ("secret", "nonce", "plain", "associated", "sealed", "masked")
        )
        made = MessageKeys(Secret(secret), nonce, vector["context"], direction=vector["direction"])
        for image, key in enumerate(vector["noise_keys"]):
            assert np.array_equal(
                made.keystream(image).integers(9), KeyStream(bytes.fromhex(key)).integers(9)
            )
        assert (made.seal(plain, associated), made.mask(plain)) == (sealed, masked)
        assert (made.open(sealed, associated), made.unmask(masked)) == (plain, plain)


def test_noise_keys_follow_from_the_definition_with_hmac_alone() -> None:
    info = (
        b'["semveil message",1,{"bounds":[-1.5,1.5],"codes":[2,3],"model":"faces-64"},"noise",7,"alice->bob"]'
    )
    key = hmac.digest(hmac.digest(NONCE, SECRET.value, "sha256"), info + b"\1", "sha256")
    assert np.array_equal(keys().keystream(7).integers(9), KeyStream(key).integers(9))


@pytest.mark.parametrize("other", OTHERS)
def test_anything_that_differs_gives_other_keys(other: str) -> None:
    wrong = keys(**OTHERS[other])
    assert not (keys().keystream(0).integers(99) == wrong.keystream(0).integers(99)).any()
    assert wrong.unmask(keys().mask(b"side information")) != b"side information"
    with pytest.raises(KeyProblem, match="does not fit the message, or the message was altered"):
        wrong.open(keys().seal(b"side information", b""), b"")


def test_the_order_of_the_context_and_tuples_make_no_difference() -> None:
    same = keys(context={"bounds": (-1.5, 1.5), "codes": (2, 3), "model": "faces-64"})
    assert np.array_equal(keys().keystream(0).integers(9), same.keystream(0).integers(9))


def test_what_becomes_of_the_callers_context_changes_no_key() -> None:
    context = {"codes": [2, 3]}
    made = keys(context=context)
    context["codes"].append(4)
    assert np.array_equal(
        made.keystream(0).integers(9), keys(context={"codes": [2, 3]}).keystream(0).integers(9)
    )


def test_images_and_purposes_have_keys_of_their_own() -> None:
    made = keys()
    streams = [made.keystream(image).integers(1000) for image in range(20)]
    zeros = bytes(8000)
    streams += [np.frombuffer(made.mask(zeros), "<u8"), np.frombuffer(made.seal(zeros, b"")[:8000], "<u8")]
    assert len(np.unique(streams)) == 22_000


@pytest.mark.parametrize("purpose", ["keystream", "seal", "mask"])
def test_nothing_is_given_twice(purpose: str) -> None:
    made = keys()
    arguments: dict[str, tuple[Any, ...]] = {"keystream": (3,), "seal": (b"a", b""), "mask": (b"a",)}
    getattr(made, purpose)(*arguments[purpose])
    with pytest.raises(KeyProblem, match="used already; a new message needs a new nonce"):
        getattr(made, purpose)(*arguments[purpose])
    made.keystream(4)


def test_a_nonce_reused_would_show_and_a_fresh_one_does_not() -> None:
    first, second = b"norms of photo 1", b"norms of photo 2"
    difference = bytes(a ^ b for a, b in zip(first, second, strict=True))
    for nonces, told in (([NONCE, NONCE], True), ([new_nonce(), new_nonce()], False)):
        masked = [keys(nonce=nonce).mask(plain) for nonce, plain in zip(nonces, (first, second), strict=True)]
        assert (bytes(a ^ b for a, b in zip(*masked, strict=True)) == difference) is told


def test_every_altered_bit_is_found() -> None:
    sealed, header = keys().seal(b"side information", b"header"), b"header"
    assert keys().open(sealed, header) == b"side information"
    for original, place in ((sealed, 0), (header, 1)):
        for bit in range(8 * len(original)):
            altered = bytearray(original)
            altered[bit // 8] ^= 1 << bit % 8
            pair = [sealed, header]
            pair[place] = bytes(altered)
            with pytest.raises(KeyProblem, match="altered"):
                keys().open(*pair)


def test_every_truncation_and_extension_is_found() -> None:
    sealed = keys().seal(b"side information", b"header")
    for length in range(len(sealed)):
        with pytest.raises(KeyProblem, match="altered"):
            keys().open(sealed[:length], b"header")
    with pytest.raises(KeyProblem, match="altered"):
        keys().open(sealed + b"\0", b"header")


def test_the_deniable_mode_hides_but_does_not_notice() -> None:
    masked = keys().mask(b"side information")
    assert len(masked) == len(b"side information")
    assert keys().unmask(masked) == b"side information"
    assert len(keys(secret=Secret.generate()).unmask(masked)) == len(masked)
    flipped = bytes([masked[0] ^ 1]) + masked[1:]
    assert keys().unmask(flipped) == b"ride information"


def in_child(work: Any) -> str:
    """What `work` returns in a forked process."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = work()
        except KeyProblem as problem:
            text = f"refused: {problem}"
        os.write(sender, text.encode())
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver) as handle:
        text = handle.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_after_a_fork_nothing_is_shared() -> None:
    made = keys()
    stream = made.keystream(0)
    stream.normals(1)  # the child must not get the second of the pair either
    for work in (
        lambda: stream.integers(1).tobytes().hex(),
        lambda: stream.normals(1).tobytes().hex(),
        lambda: str(made.keystream(1).integers(1)[0]),
        lambda: made.seal(b"a", b"").hex(),
        lambda: made.mask(b"a").hex(),
    ):
        assert "after a fork" in in_child(work)
    nonces = [in_child(lambda: new_nonce().hex()) for _ in range(4)] + [new_nonce().hex() for _ in range(4)]
    assert len(set(nonces)) == 8
    assert len(stream.normals(1)) == 1


def test_wrong_nonces_contexts_and_images_are_refused() -> None:
    for length in (0, 12, 31, 33):
        with pytest.raises(KeyProblem, match=f"32 bytes long, got {length}"):
            keys(nonce=bytes(length))
    for context in ({"scale": float("nan")}, {"scale": float("inf")}, {"model": b"bytes"}, {"a": {1, 2}}):
        with pytest.raises(ValueError, match="plain JSON values"):
            keys(context=context)
    with pytest.raises(ValueError, match="counted from 0, got -1"):
        keys().keystream(-1)


def test_printing_keys_shows_no_secret() -> None:
    secret = Secret.generate()
    text = repr(keys(secret=secret)) + repr(secret) + str(secret) + json.dumps(str([secret]))
    assert secret.value.hex() not in text
    assert repr(secret.value) not in text
    assert hashlib.sha256(secret.value).hexdigest() not in text
