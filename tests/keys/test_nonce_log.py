# SPDX-License-Identifier: Apache-2.0
"""Bob's log: a nonce goes in once, whatever crashes and however many processes there are."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from semveil.core.errors import KeyProblem, OutputError
from semveil.keys import NonceLog, new_nonce

pytest.importorskip("fcntl")

RACE = """
import sys
from semveil.core.errors import KeyProblem
from semveil.keys import NonceLog
path, own = sys.argv[1:]
log, won = NonceLog(path), 0
sys.stdin.read()  # until the test lets all go at once
for i in range(100):
    log.add(f"{own} {i}".encode())
    try:
        log.add(f"common {i}".encode())
        won += 1
    except KeyProblem:
        pass
print(won)
"""


@pytest.fixture
def log(tmp_path: Path) -> NonceLog:
    """An empty log in a folder that does not exist yet."""
    return NonceLog(tmp_path / "new" / "nonces.log")


def test_a_message_is_read_once(log: NonceLog) -> None:
    nonces = [new_nonce() for _ in range(50)]
    for nonce in nonces:
        log.check(nonce)
        log.check(nonce)
        log.add(nonce)
    again = NonceLog(log.path)
    for nonce in nonces:
        for act in (again.check, again.add):
            with pytest.raises(KeyProblem, match=r"read before; it may be a replay"):
                act(nonce)
    assert len(log.path.read_bytes()) == 50 * 65


def test_checking_makes_no_file_and_the_file_is_private(log: NonceLog) -> None:
    log.check(new_nonce())
    assert not log.path.exists()
    before = os.umask(0)
    try:
        log.add(new_nonce())
    finally:
        os.umask(before)
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_the_log_holds_no_nonce(log: NonceLog) -> None:
    nonce = new_nonce()
    log.add(nonce)
    content = log.path.read_bytes()
    assert nonce not in content
    assert nonce.hex().encode() not in content


@pytest.mark.parametrize("torn", [1, 30, 64])
def test_a_torn_last_line_is_dropped_and_the_rest_stays(log: NonceLog, torn: int) -> None:
    nonces = [new_nonce() for _ in range(4)]
    for nonce in nonces[:3]:
        log.add(nonce)
    log.path.write_bytes(log.path.read_bytes()[: 2 * 65 + torn])  # the third add was cut off
    for nonce in nonces[2:]:
        log.check(nonce)
        log.add(nonce)
    for nonce in nonces:
        with pytest.raises(KeyProblem, match="read before"):
            log.check(nonce)
    assert len(log.path.read_bytes()) == 4 * 65


def test_other_files_and_damaged_logs_are_refused_and_left_alone(log: NonceLog) -> None:
    log.add(new_nonce())
    for content in (
        b"semveil-key-1 " + b"ab" * 32 + b"\n",
        b"\n",
        log.path.read_bytes().upper(),
        b"x" * 64 + b"\n",
    ):
        log.path.write_bytes(content)
        for act in (log.check, log.add):
            with pytest.raises(KeyProblem, match="is no nonce log or is damaged"):
                act(new_nonce())
        assert log.path.read_bytes() == content


def test_unsafe_logs_are_refused(log: NonceLog, tmp_path: Path) -> None:
    log.add(new_nonce())
    log.path.chmod(0o644)
    link = NonceLog(tmp_path / "link.log")
    link.path.symlink_to(log.path)
    for act, words in (
        (log.check, "chmod 600"),
        (log.add, "chmod 600"),
        (link.check, "is a link"),
        (link.add, "is a link"),
    ):
        with pytest.raises(KeyProblem, match=words):
            act(new_nonce())
    with pytest.raises(KeyProblem, match=r"regular file|Is a directory"):
        NonceLog(tmp_path).add(new_nonce())


def test_a_log_that_cannot_be_written_is_an_output_error(
    log: NonceLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    nonce = new_nonce()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left on device"):
            log.add(nonce)
    blocked = log.path.parent / "file"
    blocked.write_text("")
    with pytest.raises(OutputError, match="cannot write the nonce log"):
        NonceLog(blocked / "nonces.log").add(nonce)


def test_what_fails_does_not_use_the_nonce_up(log: NonceLog) -> None:
    nonce = new_nonce()
    log.add(new_nonce())
    before = log.path.read_bytes()
    for error in (OutputError("the disk is full"), KeyboardInterrupt()):
        with pytest.raises(type(error)), log.claim(nonce):
            # room is made
            assert log.path.read_bytes().startswith(before) and len(log.path.read_bytes()) == len(before) + 65
            raise error
        assert log.path.read_bytes() == before and not log.holds(nonce)
    with log.claim(nonce):
        pass
    with pytest.raises(KeyProblem, match="read before"), log.claim(nonce):
        pytest.fail("claimed twice")


def test_a_kill_between_the_picture_and_the_log_leaves_the_nonce_unused(log: NonceLog) -> None:
    nonce = new_nonce()
    log.add(new_nonce())
    killed = f"""
import os
from semveil.keys import NonceLog
with NonceLog({str(log.path)!r}).claim(bytes.fromhex({nonce.hex()!r})):
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == 9
    assert not log.holds(nonce)
    log.add(nonce)
    assert log.holds(nonce) and len(log.path.read_bytes()) == 2 * 65


def test_of_two_who_claim_one_nonce_one_gets_through(log: NonceLog, tmp_path: Path) -> None:
    """The second comes while the first is still writing its picture."""
    code = """
import sys, time
from pathlib import Path
from semveil.core.errors import KeyProblem
from semveil.keys import NonceLog
log, picture, started = sys.argv[1:]
try:
    with NonceLog(log).claim(bytes(32)):
        Path(started).touch()
        time.sleep(0.5)
        Path(picture).touch()
except KeyProblem:
    sys.exit(7)
"""
    started = tmp_path / "started"
    first = subprocess.Popen([sys.executable, "-c", code, str(log.path), str(tmp_path / "a"), str(started)])
    while not started.exists():
        assert first.poll() is None
    second = subprocess.run(
        [sys.executable, "-c", code, str(log.path), str(tmp_path / "b"), str(started)], check=False
    )
    assert (first.wait(60), second.returncode) == (0, 7)
    assert (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_of_many_processes_one_adds_a_nonce(log: NonceLog) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(log.path), str(i)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(4)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
    won = []
    for racer in racers:
        assert racer.stdout is not None
        won.append(int(racer.stdout.read()))
        racer.stdout.close()
        assert racer.wait(60) == 0
    assert sum(won) == 100
    lines = log.path.read_bytes().split(b"\n")
    assert len(lines) == len(set(lines)) == 4 * 100 + 100 + 1
