# SPDX-License-Identifier: Apache-2.0
"""Alice, Bob and Eve in processes of their own, with one message file between them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli.tiny import make_model

from semveil.channels import read_message
from semveil.models.face import load_model

ALICE = ("--model", "tiny")


@pytest.fixture
def message(semveil: Callable, photo: Path, tmp_path: Path) -> Path:
    """A message that Alice protected with the pair for epsilon 10."""
    path = tmp_path / "m.svl"
    assert semveil("send", photo, *ALICE, "--out", path).code == 0
    return path


def test_three_processes(
    process: Callable, semveil: Callable, photo: Path, tmp_path: Path, pixels: Callable
) -> None:
    sent = process("send", photo, *ALICE, "--epsilon", "10", "--out", tmp_path / "m.svl", "--json")
    assert (
        sent.code == 0
        and "(nn) is used, which guarantees nothing" in sent.stderr
        and len(sent.stderr.splitlines()) == 1
    )
    assert json.loads(sent.stdout)["nominal_epsilon"] == 10
    assert b"private name" not in (tmp_path / "m.svl").read_bytes()
    bob = process(
        "receive", tmp_path / "m.svl", "--out", tmp_path / "bob.png", "--snr-db", "25", "--seed", "1"
    )
    eve = process("eavesdrop", tmp_path / "m.svl", "--out", tmp_path / "eve.png", "--seed", "1")
    assert (bob.code, eve.code) == (0, 0), (bob, eve)
    assert "Bob's picture is unprotected: keep it private" in " ".join(bob.stdout.split())
    images = [pixels(tmp_path / f"{name}.png") for name in ("bob", "eve")]
    assert all(image.shape == (32, 32, 3) for image in images)
    assert not np.array_equal(*images)
    again = semveil(
        "receive", tmp_path / "m.svl", "--out", tmp_path / "again.png", "--snr-db", "25", "--seed", "1"
    )
    assert again.code == 0
    assert np.array_equal(images[0], pixels(tmp_path / "again.png"))


def test_without_noise_bob_sees_what_alice_sent(
    semveil: Callable, photo: Path, tmp_path: Path, pixels: Callable, home: Path
) -> None:
    path = tmp_path / "m.svl"
    assert semveil("send", photo, *ALICE, "--protection", "none", "--out", path).code == 0
    assert read_message(path).snr_db is None
    for verb in ("receive", "eavesdrop"):
        assert semveil(verb, path, "--snr-db", "200", "--out", tmp_path / f"{verb}.png").code == 0
    assert np.array_equal(pixels(tmp_path / "receive.png"), pixels(tmp_path / "eavesdrop.png"))
    out = tmp_path / "out"
    assert semveil("transmit", photo, *ALICE, "--protection", "none", "--out", out).code == 0
    difference = pixels(tmp_path / "receive.png").astype(int) - pixels(out / "inverted.png")
    assert np.abs(difference).max() <= 1


def test_receivers_draw_independent_noise(
    semveil: Callable, message: Path, tmp_path: Path, pixels: Callable
) -> None:
    for name in ("a", "b"):
        assert semveil("receive", message, "--snr-db", "0", "--out", tmp_path / f"{name}.png").code == 0
    assert not np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


def test_bob_finds_the_pair_by_its_hash_or_takes_a_file(
    semveil: Callable, photo: Path, tmp_path: Path, failed: Callable, home: Path
) -> None:
    pairs, path, bob = tmp_path / "pairs", tmp_path / "m.svl", tmp_path / "bob.png"
    fresh = ("--epsilon", "8", "--noise", "fresh", "--epochs", "1")
    assert semveil("train", "protector", *ALICE, *fresh, "--out", pairs).code == 0
    (pair,) = pairs.iterdir()
    assert semveil("send", photo, *ALICE, "--pair", pair, "--out", path).code == 0
    assert read_message(path).nominal_epsilon == 8
    failed(semveil("receive", path, "--out", bob), 6, "give Alice's pair file with --pair")
    assert not bob.exists()
    assert semveil("receive", path, "--pair", pair, "--out", bob).code == 0
    cached = home / "pairs" / load_model("tiny").digest[:16] / "any-name.safetensors"
    shutil.copy(pair, cached)
    try:
        assert semveil("receive", path, "--out", bob).code == 0
    finally:
        cached.unlink()
    failed(
        semveil("send", photo, *ALICE, "--pair", pair, "--epsilon", "9", "--out", path),
        2,
        "was trained for epsilon 8.0",
    )


def test_another_pair_is_refused(semveil: Callable, message: Path, tmp_path: Path, failed: Callable) -> None:
    pairs = tmp_path / "pairs"
    assert semveil("train", "protector", *ALICE, "--epochs", "2", "--out", pairs).code == 0
    (other,) = pairs.iterdir()
    failed(
        semveil("receive", message, "--pair", other, "--out", tmp_path / "bob.png"),
        6,
        "use Alice's pair file",
    )


def test_another_or_no_model_is_refused(
    semveil: Callable, message: Path, tmp_path: Path, failed: Callable, home: Path
) -> None:
    other = make_model(tmp_path / "other", seed=1)
    out = tmp_path / "x.png"
    for verb in ("receive", "eavesdrop"):
        failed(semveil(verb, message, "--model", other, "--out", out), 6, "both sides need the same weights")
    shutil.move(home / "models" / "tiny", tmp_path / "gone")
    load_model.cache_clear()
    try:
        failed(
            semveil("receive", message, "--out", out),
            6,
            "the message needs a model that is not here: no model named 'tiny'",
        )
    finally:
        shutil.move(tmp_path / "gone", home / "models" / "tiny")
    assert not out.exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "photo", "absent", "folder"])
def test_damaged_messages_are_one_line(
    semveil: Callable, message: Path, photo: Path, tmp_path: Path, failed: Callable, damage: str
) -> None:
    content = message.read_bytes()
    bad = tmp_path / "bad.svl"
    if damage == "folder":
        bad.mkdir()
    elif damage != "absent":
        flipped = content[:200] + bytes([content[200] ^ 1]) + content[201:]
        bad.write_bytes(
            {"cut": content[:-9], "flipped": flipped, "empty": b"", "photo": photo.read_bytes()}[damage]
        )
    for verb in ("receive", "eavesdrop"):
        failed(semveil(verb, bad, "--out", tmp_path / "x.png"), 6, "bad.svl")
    assert not (tmp_path / "x.png").exists()


def test_outputs_are_checked_before_the_work(
    semveil: Callable, message: Path, photo: Path, tmp_path: Path, failed: Callable
) -> None:
    failed(semveil("receive", message, "--out", tmp_path / "bob.jpg"), 5, "must end in .png")
    failed(
        semveil("send", photo, *ALICE, "--out", tmp_path / "none" / "m.svl"),
        5,
        "does not exist; create it first",
    )
    failed(semveil("send", photo, *ALICE, "--out", tmp_path), 5, "it is a folder")
    failed(semveil("receive", message, "--snr-db", "400", "--out", tmp_path / "bob.png"), 2, "--snr-db")
