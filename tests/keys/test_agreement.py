# SPDX-License-Identifier: Apache-2.0
"""Agreement: both sides get one secret, nobody else does, and nothing weakens it in silence."""

import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from semveil.core.errors import KeyProblem
from semveil.keys import (
    Identity,
    PublicIdentity,
    Secret,
    agreement,
    initiate,
    read_identity,
    read_public_identity,
    respond,
    write_identity,
    write_public_identity,
)

hybrid = pytest.mark.skipif(not agreement.has_ml_kem(), reason="this cryptography library has no ML-KEM")
SUITES = [pytest.param("hybrid", marks=hybrid), "classical"]


def make(suite: str) -> Identity:
    """A new identity of a suite."""
    return Identity(os.urandom(32), os.urandom(64) if suite == "hybrid" else b"")


@pytest.fixture(params=SUITES)
def parties(request: pytest.FixtureRequest) -> tuple[Identity, Identity, Identity]:
    """Alice, Bob and Eve, all of one suite."""
    return make(request.param), make(request.param), make(request.param)


def test_both_sides_get_the_same_secret_new_for_each_message(parties: tuple[Identity, ...]) -> None:
    alice, bob, _ = parties
    made = [initiate(alice, bob.public) for _ in range(3)]
    for secret, offer in made:
        assert respond(bob, alice.public, offer) == secret
    assert len({secret.value for secret, _ in made}) == len({offer for _, offer in made}) == 3


def test_ml_kem_is_used_where_the_library_has_it() -> None:
    """Asked of the library itself:
    the tests of hybrid identities are skipped where `has_ml_kem` denies it.
    """
    kem = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mlkem")
    try:
        kem.MLKEM768PrivateKey.generate()
    except UnsupportedAlgorithm:
        assert not agreement.has_ml_kem()
    else:
        assert agreement.has_ml_kem()


@hybrid
def test_new_identities_are_hybrid_where_the_library_can() -> None:
    assert Identity.generate().public.suite == "x25519+ml-kem-768"


def test_a_published_vector_is_answered(vectors: dict[str, Any]) -> None:
    for vector in vectors["agreement"]:
        if vector["ml_kem_seeds"][0] and not agreement.has_ml_kem():
            continue
        alice, bob = (
            Identity(bytes.fromhex(x), bytes.fromhex(seed))
            for x, seed in zip(vector["x25519"], vector["ml_kem_seeds"], strict=True)
        )
        assert [alice.public.fingerprint(), bob.public.fingerprint()] == vector["fingerprints"]
        assert respond(bob, alice.public, bytes.fromhex(vector["offer"])).value.hex() == vector["secret"]


def test_nobody_else_gets_it_and_nobody_else_can_have_sent_it(parties: tuple[Identity, ...]) -> None:
    alice, bob, eve = parties
    secret, offer = initiate(alice, bob.public)
    assert respond(eve, alice.public, offer) != secret
    forged, eves_offer = initiate(eve, bob.public)
    assert respond(bob, alice.public, eves_offer) != forged


def test_an_offer_does_not_open_in_the_other_direction(parties: tuple[Identity, ...]) -> None:
    alice, bob, _ = parties
    secret, offer = initiate(alice, bob.public)
    assert respond(alice, bob.public, offer) != secret


def test_every_altered_byte_of_an_offer_gives_another_secret(parties: tuple[Identity, ...]) -> None:
    alice, bob, _ = parties
    secret, offer = initiate(alice, bob.public)
    for place in range(len(offer)):
        altered = offer[:place] + bytes([offer[place] ^ 0x80]) + offer[place + 1 :]
        assert respond(bob, alice.public, altered) != secret, place


def test_offers_of_another_length_are_refused(parties: tuple[Identity, ...]) -> None:
    alice, bob, _ = parties
    _, offer = initiate(alice, bob.public)
    for wrong in (b"", offer[:-1], offer + b"\0", offer[:31]):
        with pytest.raises(KeyProblem, match=f"bytes long, got {len(wrong)}"):
            respond(bob, alice.public, wrong)


@hybrid
def test_no_side_falls_back_to_a_weaker_suite() -> None:
    strong, weak, alice = make("hybrid"), make("classical"), make("hybrid")
    for own, peer in ((strong, weak), (weak, strong)):
        with pytest.raises(KeyProblem, match=r"your identity is of suite .*, the peer's of"):
            initiate(own, peer.public)
        with pytest.raises(KeyProblem, match="the peer's of"):
            respond(own, peer.public, bytes(1120))
    stripped = PublicIdentity(strong.public.x25519, b"")
    assert stripped.fingerprint() != strong.public.fingerprint()
    with pytest.raises(KeyProblem, match="the peer's of x25519;"):
        initiate(alice, stripped)
    _, offer = initiate(alice, strong.public)
    with pytest.raises(KeyProblem, match="1120 bytes long, got 32"):
        respond(strong, alice.public, offer[:32])


LOW_ORDER = [
    bytes(32),
    bytes([1]) + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


@pytest.mark.parametrize("point", LOW_ORDER)
def test_points_that_give_an_all_zero_secret_are_refused(parties: tuple[Identity, ...], point: bytes) -> None:
    alice, bob, _ = parties
    with pytest.raises(KeyProblem, match="all-zero"):
        initiate(alice, PublicIdentity(point, bob.public.ml_kem))
    _, offer = initiate(alice, bob.public)
    with pytest.raises(KeyProblem, match="all-zero"):
        respond(bob, alice.public, point + offer[32:])
    with pytest.raises(KeyProblem, match="all-zero"):
        respond(bob, PublicIdentity(point, alice.public.ml_kem), offer)


def test_ones_own_key_is_no_peer(parties: tuple[Identity, ...]) -> None:
    alice, bob, _ = parties
    _, offer = initiate(alice, bob.public)
    with pytest.raises(KeyProblem, match="your own"):
        initiate(alice, alice.public)
    with pytest.raises(KeyProblem, match="your own"):
        respond(bob, bob.public, offer)


def test_fingerprints_are_grouped_and_change_with_every_byte_of_the_keys(
    parties: tuple[Identity, ...],
) -> None:
    public = parties[0].public
    assert re.fullmatch(r"([0-9a-f]{4} ){9}[0-9a-f]{4}", public.fingerprint())
    assert public.fingerprint().replace(" ", "") == public.digest.hex()[:40]
    others = {
        PublicIdentity(
            public.x25519[:i] + bytes([public.x25519[i] ^ 1]) + public.x25519[i + 1 :], public.ml_kem
        ).fingerprint()
        for i in range(32)
    }
    assert len(others | {public.fingerprint()}) == 33


def test_files_bring_both_halves_back(parties: tuple[Identity, ...], tmp_path: Path) -> None:
    alice, bob, _ = parties
    write_identity(tmp_path / "alice.secret", alice)
    write_public_identity(tmp_path / "alice.public", alice.public)
    assert stat.S_IMODE((tmp_path / "alice.secret").stat().st_mode) == 0o600
    assert read_public_identity(tmp_path / "alice.public") == alice.public
    secret, offer = initiate(read_identity(tmp_path / "alice.secret"), bob.public)
    assert respond(bob, alice.public, offer) == secret
    public = (tmp_path / "alice.public").read_text()
    for hidden in (alice.x25519, alice.ml_kem_seed):
        assert not hidden or hidden.hex() not in public
        assert not hidden or hidden.hex() not in repr(alice)


def test_wrong_and_damaged_files_are_refused(parties: tuple[Identity, ...], tmp_path: Path) -> None:
    alice = parties[0]
    own, public = tmp_path / "alice.secret", tmp_path / "alice.public"
    write_identity(own, alice)
    write_public_identity(public, alice.public)
    with pytest.raises(KeyProblem, match="is not the public half"):
        read_public_identity(own)
    public.chmod(0o600)
    with pytest.raises(KeyProblem, match="is not the secret half"):
        read_identity(public)
    with pytest.raises(KeyProblem, match="No such file"):
        read_public_identity(tmp_path / "missing")
    for path, read in ((own, read_identity), (public, read_public_identity)):
        whole = path.read_bytes()
        for length in (0, 5, 20, len(whole) // 2, len(whole) - 2):
            path.write_bytes(whole[:length])
            with pytest.raises(KeyProblem, match=r"is empty|cut off or damaged|is not the"):
                read(path)
        path.write_bytes(whole.replace(alice.public.suite.encode(), b"x25519+other"))
        with pytest.raises(KeyProblem, match="cut off or damaged"):
            read(path)
        # as Windows' editors leave it
        path.write_bytes(b"\xef\xbb\xbf" + whole.removesuffix(b"\n") + b"\r\n")
        read(path)
        path.write_bytes(b"\xff\xfe" * 40_000)
        with pytest.raises(KeyProblem):
            read(path)


def test_keys_of_wrong_lengths_or_invalid_ml_kem_keys_are_refused() -> None:
    for x25519, kem in ((b"", b""), (bytes(31), b""), (bytes(32), bytes(1183))):
        with pytest.raises(KeyProblem, match="cut off or damaged"):
            PublicIdentity(x25519, kem)
    for x25519, seed in ((bytes(33), b""), (bytes(32), bytes(63))):
        with pytest.raises(KeyProblem, match="cut off or damaged"):
            Identity(x25519, seed)
    if agreement.has_ml_kem():
        with pytest.raises(KeyProblem, match="invalid ML-KEM key"):
            PublicIdentity(os.urandom(32), b"\xff" * 1184)


@hybrid
def test_without_ml_kem_hybrid_identities_are_refused_and_new_ones_say_what_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice = make("hybrid")
    x25519, kem = alice.public.x25519, alice.public.ml_kem
    monkeypatch.setattr(agreement, "HAS_ML_KEM", False)
    assert Identity.generate().public.suite == "x25519"
    with pytest.raises(KeyProblem, match="pip install --upgrade cryptography"):
        PublicIdentity(x25519, kem)
    with pytest.raises(KeyProblem, match="pip install --upgrade cryptography"):
        Identity(alice.x25519, alice.ml_kem_seed)


@hybrid
def test_all_three_terms_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of the hybrid: with any one term changed, the secret is another."""
    alice, bob = make("hybrid"), make("hybrid")
    seen: list[list[bytes]] = []
    derive = agreement._derive

    def watched(terms: list[bytes], *rest: Any) -> Secret:
        seen.append(terms)
        return derive(terms, *rest)

    monkeypatch.setattr(agreement, "_derive", watched)
    secret, offer = initiate(alice, bob.public)
    (terms,) = seen
    assert [len(term) for term in terms] == [32, 32, 32]
    for place in range(3):
        changed = [bytes(32) if i == place else term for i, term in enumerate(terms)]
        assert derive(changed, alice.public, bob.public, offer) != secret
    for sender, receiver, other in (
        (bob.public, alice.public, offer),
        (alice.public, bob.public, offer + b"\0"),
    ):
        assert derive(terms, sender, receiver, other) != secret
