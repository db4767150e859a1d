# SPDX-License-Identifier: Apache-2.0
"""No message can be read before it is booked, and no message is spent without its picture."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.tiny import SRC

from semveil.privacy.ledger import Ledger

NOISE = (
    "--model",
    "tiny",
    "--protection",
    "laplace",
    "--private",
    "all",
    "--epsilon",
    "40",
    "--subject",
    "Ada",
)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl")


def epsilon(ledger: Ledger) -> float | None:
    total = ledger.total("Ada")
    return None if total is None else total.epsilon


def test_what_is_in_the_way_of_the_certificate_leaves_neither_message_nor_entry(
    semveil: Callable, photo: Path, tmp_path: Path, ledger: Ledger
) -> None:
    (tmp_path / "m.svl.certificate.json").mkdir()
    sent = semveil("send", photo, *NOISE, "--ledger", ledger.path, "--out", tmp_path / "m.svl")
    assert sent.code == 5 and not (tmp_path / "m.svl").exists() and epsilon(ledger) is None
    (tmp_path / "m.svl.certificate.json").rmdir()
    assert semveil("send", photo, *NOISE, "--ledger", ledger.path, "--out", tmp_path / "m.svl").code == 0
    assert epsilon(ledger) == pytest.approx(40)


KILLED = """
import os, sys
from semveil.cli.main import main
true_replace = os.replace
def dying(a, b, **k):
    if str(b).endswith(".svl"): os._exit(9)
    true_replace(a, b, **k)
os.replace = dying
sys.exit(main(sys.argv[1:]))
"""


def test_a_kill_never_leaves_a_message_that_the_ledger_does_not_know(
    home: Path, photo: Path, tmp_path: Path, ledger: Ledger
) -> None:
    words = ["send", str(photo), *NOISE, "--ledger", str(ledger.path), "--out", str(tmp_path / "m.svl")]
    environment = {**os.environ, "SEMVEIL_HOME": str(home), "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *words], env=environment, capture_output=True, text=True
    )
    assert killed.returncode == 9, killed.stderr
    assert not (tmp_path / "m.svl").exists() and epsilon(ledger) == pytest.approx(40)


def test_a_photo_that_is_refused_begins_no_ledger(
    semveil: Callable, photo: Path, tmp_path: Path, ledger: Ledger
) -> None:
    words = (*NOISE, "--ledger", ledger.path, "--limit", "100", "--out", tmp_path / "m.svl")
    assert semveil("send", tmp_path / "absent.png", *words).code != 0 and not ledger.path.exists()
    assert semveil("send", photo, *words).code == 0 and ledger.path.exists()


def test_a_ledger_that_cannot_be_written_keeps_the_message_back(
    semveil: Callable, photo: Path, tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.prepare()

    def full(self: Ledger, *arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ledger, "_append", full)
    assert semveil("send", photo, *NOISE, "--ledger", ledger.path, "--out", tmp_path / "m.svl").code != 0
    assert not list(tmp_path.glob("m.svl*"))


def test_a_limit_refuses_the_message_before_it_is_there(
    semveil: Callable, photo: Path, tmp_path: Path, ledger: Ledger
) -> None:
    def send(name: str, *options: str) -> tuple[int, bool]:
        out = tmp_path / name
        return semveil(
            "send", photo, *NOISE, "--ledger", ledger.path, "--out", out, *options
        ).code, out.exists()

    assert send("a.svl", "--limit", "39") == (8, False) and epsilon(ledger) is None
    assert send("a.svl", "--limit", "81") == (8, False)  # another limit than was fixed
    assert semveil("ledger", "budget", "--subject", "Ada", "--limit", "81", "--ledger", ledger.path).code == 0
    assert send("a.svl", "--limit", "81") == (0, True)
    assert send("b.svl") == (0, True)
    assert send("c.svl") == (8, False) and epsilon(ledger) == pytest.approx(80)  # given once, it stays
    in_clear = (
        "send",
        photo,
        "--model",
        "tiny",
        "--protection",
        "laplace",
        "--private",
        "skin",
        "--epsilon",
        "1",
    )
    book = ("--subject", "Grace", "--ledger", ledger.path, "--limit", "99")
    refused = semveil(*in_clear, *book, "--out", tmp_path / "d.svl")
    assert refused.code == 8 and "no finite epsilon would hold for the whole record" in refused.stderr
    assert not (tmp_path / "d.svl").exists() and ledger.total("Grace") is None


@pytest.fixture
def keyed(semveil: Callable, photo: Path, tmp_path: Path) -> tuple[Path, Path]:
    key, message = tmp_path / "k.key", tmp_path / "k.svl"
    assert semveil("keygen", "--out", key).code == 0
    assert semveil("send", photo, "--model", "tiny", "--key", key, "--out", message).code == 0
    return key, message


def test_a_failed_receive_does_not_spend_the_message(
    semveil: Callable, keyed: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, message = keyed
    words = ("receive", message, "--key", key, "--out", tmp_path / "bob.png")
    (tmp_path / "bob.png.certificate.json").mkdir()
    assert semveil(*words).code == 5 and not (tmp_path / "bob.png").exists()
    (tmp_path / "bob.png.certificate.json").rmdir()
    with monkeypatch.context() as full:
        replace = os.replace
        full.setattr(os, "replace", lambda a, b: _no_space() if str(b).endswith(".png") else replace(a, b))
        assert semveil(*words).code == 5 and not (tmp_path / "bob.png").exists()
    assert semveil(*words).code == 0 and (tmp_path / "bob.png").exists()
    again = semveil(*words[:-1], tmp_path / "again.png")
    assert again.code == 7 and "read before" in again.stderr and not (tmp_path / "again.png").exists()


def _no_space() -> None:
    raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_leaves_no_picture(
    semveil: Callable, keyed: tuple[Path, Path], tmp_path: Path, home: Path
) -> None:
    key, message = keyed
    log = home / "nonces-read.log"
    before = log.read_bytes() if log.exists() else None
    log.unlink(missing_ok=True)
    log.symlink_to(tmp_path / "elsewhere")
    try:
        assert semveil("receive", message, "--key", key, "--out", tmp_path / "bob.png").code == 7
        assert not (tmp_path / "bob.png").exists()
    finally:
        log.unlink()
        if before is not None:
            log.touch(mode=0o600)
            log.write_bytes(before)


def test_of_receivers_at_the_same_time_one_gets_a_picture(
    home: Path, keyed: tuple[Path, Path], tmp_path: Path
) -> None:
    key, message = keyed
    environment = {**os.environ, "SEMVEIL_HOME": str(home), "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"}
    receivers = [
        subprocess.Popen(
            [sys.executable, "-m", "semveil", "receive", message, "--key", key,
             "--out", tmp_path / f"{i}.png"],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for i in range(2)
    ]  # fmt: skip
    assert sorted(receiver.wait(120) for receiver in receivers) == [0, 7]
    assert len(list(tmp_path.glob("[01].png"))) == 1
