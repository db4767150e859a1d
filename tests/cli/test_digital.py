# SPDX-License-Identifier: Apache-2.0
"""`send --digital` and `receive`: sealed bytes between processes; nothing altered passes, and no channel is
simulated.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def key(semveil: Callable, tmp_path: Path) -> Path:
    path = tmp_path / "alice-bob.key"
    assert semveil("keygen", "--out", path).code == 0
    return path


@pytest.fixture
def message(semveil: Callable, photo: Path, key: Path, tmp_path: Path) -> Path:
    path = tmp_path / "m.svd"
    sent = semveil(
        "send", photo, "--model", "tiny", "--key", key, "--digital", "--bytes", "200", "--out", path
    )
    assert sent.code == 0, sent
    return path


def test_bob_sees_what_a_perfect_channel_would_bring(
    semveil: Callable, photo: Path, key: Path, message: Path, tmp_path: Path, pixels: Callable
) -> None:
    told = json.loads(
        semveil("receive", message, "--key", key, "--out", tmp_path / "bob.png", "--json").stdout
    )
    assert (told["protection"], told["guarantee"]["epsilon"], told["authenticated"]) == ("aead", 0.0, True)
    assert (
        semveil("send", photo, "--model", "tiny", "--protection", "none", "--out", tmp_path / "c.svl").code
        == 0
    )
    assert (
        semveil("receive", tmp_path / "c.svl", "--snr-db", "200", "--out", tmp_path / "clear.png").code == 0
    )
    difference = pixels(tmp_path / "bob.png").astype(int) - pixels(tmp_path / "clear.png")
    assert np.abs(difference).mean() < 2
    assert message.stat().st_size < 500


def test_it_is_read_once_and_certified(semveil: Callable, key: Path, message: Path, tmp_path: Path) -> None:
    receive = ("receive", message, "--key", key, "--out", tmp_path / "bob.png")
    assert semveil(*receive).code == 0
    again = semveil(*receive)
    assert again.code == 7 and "--replay" in again.stderr
    certified = json.loads(semveil("certify", message, "--json").stdout)["certificate"]
    (tmp_path / "m.svd.certificate.json").unlink()
    bare = json.loads(semveil("certify", message, "--json").stdout)["certificate"]
    assert (
        certified["release"] == bare["release"] == "message" and certified["release_id"] == bare["release_id"]
    )


def test_a_forger_who_renews_the_checksum_is_found_out(
    semveil: Callable, key: Path, message: Path, tmp_path: Path, failed: Callable
) -> None:
    data, forged, out = message.read_bytes()[:-32], tmp_path / "forged.svd", tmp_path / "bob.png"
    for place in (len(data) - 1, len(data) - 100, data.index(b'"tiny"') + 1):
        bad = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        forged.write_bytes(bad + hashlib.sha256(bad).digest())
        failed(semveil("receive", forged, "--model", "tiny", "--key", key, "--out", out), 7, "altered")
    failed(semveil("receive", message, "--out", out), 7, "--key")
    assert not out.exists()
    assert semveil("receive", message, "--key", key, "--out", out).code == 0  # forgeries did not use it up


def test_there_is_nothing_to_hear(
    semveil: Callable, key: Path, message: Path, tmp_path: Path, failed: Callable
) -> None:
    out = tmp_path / "eve.png"
    failed(semveil("eavesdrop", message, "--out", out), 6, "no symbols to hear")
    failed(semveil("attack", message, "--out", tmp_path / "a"), 6, "no symbols to hear")
    for options in (("--snr-db", "3"), ("--channel", "rayleigh")):
        failed(semveil("receive", message, "--key", key, "--out", out, *options), 6, "no simulated channel")
    failed(semveil("receive", message, "--key", key, "--out", out, "--deniable"), 6, "leave --deniable")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--digital",), "needs a key"),
        (("--bytes", "300"), "--bytes is for --digital"),
        (("--digital", "KEY", "--epsilon", "3"), "other protections"),
        (("--digital", "KEY", "--deniable"), "other protections"),
        (("--digital", "KEY", "--for-snr-db", "20"), "choose --bytes"),
        (("--for-snr-db", "200", "--protection", "none"), "for an SNR of -100 to 100 dB"),
        (("--digital", "KEY", "--iq", "m.sigmf"), "leave --iq out"),
        (("--digital", "KEY", "--bytes", "3"), "16"),
    ],
)
def test_options_that_do_not_go_together(
    semveil: Callable,
    photo: Path,
    key: Path,
    tmp_path: Path,
    failed: Callable,
    options: tuple[str, ...],
    words: str,
) -> None:
    given = [word for option in options for word in (("--key", str(key)) if option == "KEY" else (option,))]
    failed(semveil("send", photo, "--model", "tiny", *given, "--out", tmp_path / "m.svd"), 2, words)


def test_symbols_are_stored_at_the_precision_that_an_snr_is_worth(
    semveil: Callable, photo: Path, key: Path, tmp_path: Path, pixels: Callable
) -> None:
    """Bob's noise at 20 dB, with the same seed, from rounded symbols:
    next to the picture that floats give.
    """
    send = ("send", photo, "--model", "tiny", "--protection", "none")
    for name, more in (
        ("floats", ()),
        ("rounded", ("--for-snr-db", "20")),
        ("coarse", ("--for-snr-db", "-10")),
    ):
        assert semveil(*send, *more, "--out", tmp_path / f"{name}.svl").code == 0
        receive = (
            "receive",
            tmp_path / f"{name}.svl",
            "--snr-db",
            "20",
            "--seed",
            "1",
            "--out",
            tmp_path / f"{name}.png",
        )
        assert semveil(*receive).code == 0
    seen = {name: pixels(tmp_path / f"{name}.png").astype(int) for name in ("floats", "rounded", "coarse")}
    near, far = (np.abs(seen[name] - seen["floats"]).mean() for name in ("rounded", "coarse"))
    assert near < 0.3 * far
    assert (tmp_path / "rounded.svl").stat().st_size < (tmp_path / "floats.svl").stat().st_size
    assert (
        semveil(
            "send", photo, "--model", "tiny", "--key", key, "--for-snr-db", "20", "--out", tmp_path / "k.svl"
        ).code
        == 0
    )
    assert semveil("receive", tmp_path / "k.svl", "--key", key, "--out", tmp_path / "k.png").code == 0
