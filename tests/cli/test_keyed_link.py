# SPDX-License-Identifier: Apache-2.0
"""Keyed messages between processes: the right key opens them, everything else is a clear error, nothing is
read twice.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from semveil.channels import read_message
from semveil.channels.container import PREFIX

ALICE = ("--model", "tiny")
EXACT = ("--snr-db", "200")


@pytest.fixture
def key(semveil: Callable, tmp_path: Path) -> Path:
    path = tmp_path / "alice-bob.key"
    assert semveil("keygen", "--out", path).code == 0
    return path


@pytest.fixture
def message(semveil: Callable, photo: Path, key: Path, tmp_path: Path) -> Path:
    path = tmp_path / "m.svl"
    sent = semveil("send", photo, *ALICE, "--key", key, "--out", path)
    assert sent.code == 0, sent
    return path


def difference(pixels: Callable, a: Path, b: Path) -> float:
    return float(np.abs(pixels(a).astype(int) - pixels(b)).mean())


def test_between_two_processes_with_a_key(
    process: Callable, semveil: Callable, photo: Path, key: Path, tmp_path: Path, pixels: Callable
) -> None:
    sent = process("send", photo, *ALICE, "--key", key, "--out", tmp_path / "m.svl", "--json")
    assert sent.code == 0, sent
    told = json.loads(sent.stdout)
    assert (told["protection"], told["guarantee"]["basis"]) == ("rotation", "computational")
    bob = process("receive", tmp_path / "m.svl", "--key", key, *EXACT, "--out", tmp_path / "bob.png")
    eve = process("eavesdrop", tmp_path / "m.svl", *EXACT, "--out", tmp_path / "eve.png")
    assert (bob.code, eve.code) == (0, 0), (bob, eve)
    assert semveil("send", photo, *ALICE, "--protection", "none", "--out", tmp_path / "clear.svl").code == 0
    assert semveil("receive", tmp_path / "clear.svl", *EXACT, "--out", tmp_path / "clear.png").code == 0
    near, far = (
        difference(pixels, tmp_path / "clear.png", tmp_path / f"{name}.png") for name in ("bob", "eve")
    )
    assert near < 0.5 and far > 5 * near
    everything = b"".join(
        path.read_bytes() for path in tmp_path.iterdir() if path != key and path.suffix != ".png"
    )
    assert key.read_text().split()[-1].encode() not in everything


@pytest.mark.parametrize(
    "options", [("--protection", "modulo"), ("--protection", "modulo", "--epsilon", "50", "--guard", "0.1")]
)
def test_modulo_round_trip(
    semveil: Callable, photo: Path, key: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    path = tmp_path / "m.svl"
    sent = semveil("send", photo, *ALICE, "--key", key, *options, "--out", path)
    assert sent.code == 0 and f"semveil receive {path} --key {key} --out bob.png" in sent.stdout
    received = semveil("receive", path, "--key", key, *EXACT, "--out", tmp_path / "bob.png")
    assert received.code == 0, received
    assert "note: you sent this message yourself (same machine)" in received.stderr
    assert "In short: Bob's picture is unprotected: keep it private." in received.stdout
    assert f"Next: semveil protect {tmp_path / 'bob.png'}\n" in received.stdout


def test_with_a_key_a_message_that_anybody_may_have_written_is_refused(
    semveil: Callable, failed: Callable, photo: Path, key: Path, tmp_path: Path
) -> None:
    """Who comes between sends such a message in place of the keyed one."""
    clear, out = tmp_path / "clear.svl", tmp_path / "bob.png"
    assert semveil("send", photo, *ALICE, "--protection", "none", "--out", clear).code == 0
    failed(
        semveil("receive", clear, "--key", key, *EXACT, "--out", out),
        7,
        "was made without one (protection none)",
    )
    assert not out.exists()
    assert semveil("receive", clear, *EXACT, "--out", out).code == 0


def test_passphrase(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    for name, words in (
        ("words", "correct horse battery staple\r\n"),
        ("others", "correct horse battery stable\n"),
    ):
        (tmp_path / name).write_text(words)
        (tmp_path / name).chmod(0o600)
    path = tmp_path / "m.svl"
    assert semveil("send", photo, *ALICE, "--passphrase-file", tmp_path / "words", "--out", path).code == 0
    wrong = semveil("receive", path, "--passphrase-file", tmp_path / "others", "--out", tmp_path / "bob.png")
    assert wrong.code == 7 and "does not fit" in wrong.stderr
    assert (
        semveil("receive", path, "--passphrase-file", tmp_path / "words", "--out", tmp_path / "bob.png").code
        == 0
    )


def test_agreement_between_pinned_identities(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    for name in ("alice", "bob", "mallory"):
        assert semveil("keygen", "--agreement", "--out", tmp_path / name).code == 0
    path = tmp_path / "m.svl"

    def pair(own: str, peer: str) -> tuple[str | Path, ...]:
        return "--identity", tmp_path / f"{own}.secret", "--peer", tmp_path / f"{peer}.public"

    assert semveil("send", photo, *ALICE, *pair("alice", "bob"), "--out", path).code == 0
    for own, peer in (("bob", "mallory"), ("mallory", "alice")):
        wrong = semveil("receive", path, *pair(own, peer), "--out", tmp_path / "wrong.png")
        assert wrong.code == 7, wrong
    assert semveil("receive", path, *pair("bob", "alice"), "--out", tmp_path / "bob.png").code == 0


def test_a_message_is_read_once(semveil: Callable, message: Path, key: Path, tmp_path: Path) -> None:
    receive = ("receive", message, "--key", key, "--out", tmp_path / "bob.png")
    assert semveil(*receive).code == 0
    again = semveil(*receive)
    assert again.code == 7 and "--replay" in again.stderr, again
    assert semveil(*receive, "--replay").code == 0


def test_a_failed_attempt_does_not_block_the_true_message(
    semveil: Callable, message: Path, key: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.key"
    assert semveil("keygen", "--out", other).code == 0
    wrong = semveil("receive", message, "--key", other, "--out", tmp_path / "bob.png")
    assert wrong.code == 7 and "does not fit" in wrong.stderr
    assert not (tmp_path / "bob.png").exists()
    assert semveil("receive", message, "--key", key, "--out", tmp_path / "bob.png").code == 0


def test_tampering_is_found(semveil: Callable, message: Path, key: Path, tmp_path: Path) -> None:
    """The file's own checksum is renewed, as a forger would: the seal finds it all the same."""
    import hashlib

    data = bytearray(message.read_bytes()[:-32])
    place = data.index(b'"assumptions":["') + len(b'"assumptions":["')
    data[place] ^= 1
    forged = tmp_path / "forged.svl"
    forged.write_bytes(bytes(data) + hashlib.sha256(data).digest())
    found = semveil("receive", forged, "--key", key, "--out", tmp_path / "bob.png")
    assert found.code == 7 and "altered" in found.stderr, found


def test_a_deniable_message_must_be_asked_for(
    semveil: Callable, photo: Path, key: Path, tmp_path: Path
) -> None:
    path = tmp_path / "m.svl"
    assert semveil("send", photo, *ALICE, "--key", key, "--deniable", "--out", path).code == 0
    refused = semveil("receive", path, "--key", key, "--out", tmp_path / "bob.png")
    assert refused.code == 6 and "--deniable" in refused.stderr
    other = tmp_path / "other.key"
    assert semveil("keygen", "--out", other).code == 0
    for number, file in enumerate((key, other)):
        opened = semveil(
            "receive", path, "--key", file, "--deniable", "--replay", "--out", tmp_path / f"{number}.png"
        )
        assert opened.code == 0, opened


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--protection", "rotation"), 2, "semveil keygen"),
        (("--protection", "nn", "--key", "{key}"), 2, "uses no key"),
        (("--key", "{key}", "--passphrase-file", "{key}"), 2, "give one key"),
        (("--identity", "{key}"), 2, "go together"),
        (("--deniable",), 2, "--key"),
        (("--key", "{key}", "--epsilon", "3"), 2, "no epsilon"),
        (("--budget", "skin=1", "--epsilon", "3"), 2, "--budget"),
        (("--budget", "skn=1"), 2, "did you mean 'skin'"),
        (("--delta", "0.1"), 2, "gaussian"),
        (("--key", "missing.key"), 7, "missing.key"),
    ],
)
def test_options_that_do_not_go_together(
    semveil: Callable,
    photo: Path,
    key: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    filled = [str(key) if a == "{key}" else a for a in arguments]
    found = semveil("send", photo, *ALICE, *filled, "--out", tmp_path / "m.svl")
    assert found.code == code and words in found.stderr, found
    assert not (tmp_path / "m.svl").exists()


def test_a_keyed_message_without_a_key_says_what_it_needs(
    semveil: Callable, message: Path, tmp_path: Path
) -> None:
    found = semveil("receive", message, "--out", tmp_path / "bob.png")
    assert found.code == 7 and "--key" in found.stderr


def test_a_key_that_others_can_read_is_refused(
    semveil: Callable, message: Path, key: Path, tmp_path: Path
) -> None:
    os.chmod(key, 0o644)
    found = semveil("receive", message, "--key", key, "--out", tmp_path / "bob.png")
    assert found.code == 7 and "chmod 600" in found.stderr


def test_a_cut_message_is_refused(semveil: Callable, message: Path, key: Path, tmp_path: Path) -> None:
    message.write_bytes(message.read_bytes()[: PREFIX.size + 100])
    assert semveil("receive", message, "--key", key, "--out", tmp_path / "bob.png").code == 6


def test_two_messages_of_one_photo_share_no_nonce_and_no_signal(
    semveil: Callable, photo: Path, key: Path, tmp_path: Path
) -> None:
    read = []
    for name in ("a", "b"):
        assert (
            semveil(
                "send", photo, *ALICE, "--key", key, "--private", "all", "--out", tmp_path / f"{name}.svl"
            ).code
            == 0
        )
        read.append(read_message(tmp_path / f"{name}.svl"))
    assert read[0].keyed.nonce != read[1].keyed.nonce
    a, b = (m.symbols.flatten() for m in read)
    correlation = abs(complex((a.conj() * b).mean() / a.abs().square().mean()))
    assert correlation < 5 / len(a) ** 0.5


def test_genuine_noise_and_its_ledger(semveil: Callable, photo: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    for number in range(2):
        options = ("--protection", "laplace", "--private", "all", "--epsilon", "40", "--subject", "Eileen")
        sent = semveil(
            "send", photo, *ALICE, *options, "--ledger", ledger, "--out", tmp_path / f"{number}.svl"
        )
        assert sent.code == 0, sent
    shown = semveil("ledger", "show", "--subject", "eileen", "--ledger", ledger, "--json")
    assert json.loads(shown.stdout)["total"]["epsilon"] == pytest.approx(80)
    assert b"Eileen" not in ledger.read_bytes()
    explained = semveil("certify", tmp_path / "0.svl")
    assert explained.code == 0 and "epsilon 40" in " ".join(explained.stdout.split())
    picture = tmp_path / "eve.png"
    assert semveil("eavesdrop", tmp_path / "0.svl", "--out", picture, "--certificate-in-png").code == 0
    (tmp_path / "eve.png.certificate.json").unlink()
    assert semveil("certify", picture).code == 0
