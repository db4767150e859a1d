# SPDX-License-Identifier: Apache-2.0
"""Key files: only their owner may read them, nothing is overwritten, and what is no key is refused."""

import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from semveil.core.errors import KeyProblem, OutputError
from semveil.keys import Identity, Secret, read_identity, read_secret, write_identity, write_secret
from semveil.keys.private_file import LARGEST, read_private

EDITED = {
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "no last newline": lambda data: data.removesuffix(b"\n"),
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "a second newline": lambda data: data + b"\n",
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "all of it": lambda data: b"\xef\xbb\xbf" + data.removesuffix(b"\n") + b"\r\n\r\n",
}

posix = pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A key file as `write_secret` makes it."""
    path = tmp_path / "my.key"
    write_secret(path, Secret(bytes(range(32))))
    return path


@pytest.fixture
def open_umask() -> object:
    """A umask that leaves every permission."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_secret_comes_back_from_its_file(tmp_path: Path, key_file: Path) -> None:
    assert read_secret(key_file) == Secret(bytes(range(32)))
    assert key_file.read_text() == f"semveil-key-1 {bytes(range(32)).hex()}\n"
    secret = Secret.generate()
    write_secret(tmp_path / "other.key", secret)
    assert read_secret(tmp_path / "other.key") == secret


@posix
@pytest.mark.usefixtures("open_umask")
def test_files_are_private_from_the_moment_they_appear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes, fsync = [], os.fsync

    def watched(descriptor: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_secret(tmp_path / "a.key", Secret.generate())
    write_identity(tmp_path / "a.secret", Identity.generate())
    assert modes == [0o600, 0o600]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_nothing_is_overwritten_and_no_link_followed(tmp_path: Path, key_file: Path) -> None:
    before = key_file.read_bytes()
    (tmp_path / "link.key").symlink_to(tmp_path / "elsewhere")
    for path in (key_file, tmp_path / "link.key", tmp_path):
        with pytest.raises(OutputError, match="exists and keys are never overwritten"):
            write_secret(path, Secret.generate())
    assert key_file.read_bytes() == before
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(OutputError, match="No such file"):
        write_secret(tmp_path / "none" / "my.key", Secret.generate())


def test_a_full_disk_leaves_no_half_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_secret(tmp_path / "my.key", Secret.generate())
    assert not list(tmp_path.iterdir())


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o610])
@pytest.mark.parametrize("read", [read_secret, read_identity])
def test_files_that_others_may_open_are_refused(
    tmp_path: Path, key_file: Path, mode: int, read: Callable
) -> None:
    path = key_file
    if read is read_identity:
        path = tmp_path / "my.secret"
        write_identity(path, Identity.generate())
    path.chmod(mode)
    with pytest.raises(KeyProblem, match=rf"mode {mode:04o}\).*chmod 600"):
        read(path)
    path.chmod(0o400)
    read(path)


@posix
def test_links_folders_and_pipes_are_refused(tmp_path: Path, key_file: Path) -> None:
    (tmp_path / "link.key").symlink_to(key_file)
    (tmp_path / "dangling.key").symlink_to(tmp_path / "nothing")
    for name in ("link.key", "dangling.key"):
        with pytest.raises(KeyProblem, match="is a link; if its target is meant"):
            read_secret(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.key", 0o600)
    for path in (tmp_path, tmp_path / "pipe.key"):
        with pytest.raises(KeyProblem, match="not a regular file"):
            read_secret(path)
    with pytest.raises(KeyProblem, match=r"no key at .*semveil keygen"):
        read_secret(tmp_path / "missing.key")


@pytest.mark.parametrize("change", EDITED.values(), ids=EDITED)
def test_a_key_that_went_through_another_program_is_read(
    key_file: Path, change: Callable[[bytes], bytes]
) -> None:
    whole = key_file.read_bytes()
    key_file.write_bytes(change(whole))
    assert key_file.read_bytes() != whole
    assert read_secret(key_file) == Secret(bytes(range(32)))


def test_a_kill_while_a_key_is_made_leaves_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killed(descriptor: int) -> None:
        raise Killed

    path = tmp_path / "new.key"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "fsync", killed)
        write_secret(path, Secret.generate())
    assert not path.exists()
    write_secret(path, Secret.generate())


@pytest.mark.parametrize("taken", [False, True])
def test_keys_are_made_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    path = tmp_path / "new.key"

    def no_links(source: Path, target: Path) -> None:
        if taken:
            path.write_text("another was quicker")
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    if taken:
        with pytest.raises(OutputError, match="never overwritten"):
            write_secret(path, Secret.generate())
        assert path.read_text() == "another was quicker"
    else:
        write_secret(path, Secret.generate())
        read_secret(path)
    assert os.listdir(tmp_path) == ["new.key"]


def test_every_truncation_is_refused(key_file: Path) -> None:
    whole = key_file.read_bytes()
    for length in range(len(whole) - 1):  # the line end alone holds nothing
        key_file.write_bytes(whole[:length])
        with pytest.raises(KeyProblem, match=r"is empty|cut off or damaged|is no key file"):
            read_secret(key_file)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n", "is no key file"),
        (b"hunter2\n", "is no key file"),
        (bytes(32), "is no key file"),
        (b"semveil-key-1 " + b"AB" * 32 + b"\n", "cut off or damaged"),
        (b"semveil-key-1 " + b"ab" * 33 + b"\n", "cut off or damaged"),
        (b"semveil-key-1 " + b"ab" * 32 + b"\nsemveil-key-1 " + b"cd" * 32 + b"\n", "cut off or damaged"),
        (b"\xff\xfe\xff", "is no key file"),
        (b"\n", "is empty; delete it"),
        (b"semveil-key-2 " + b"ab" * 32 + b"\n", "is no key file"),
        (b"semveil-identity-1 x25519 " + b"ab" * 32 + b"\n", "is no key file"),
        (b"a" * 100_000, "is no key file"),
    ],
)
def test_what_is_no_key_is_refused(key_file: Path, content: bytes, words: str) -> None:
    key_file.write_bytes(content)
    with pytest.raises(KeyProblem, match=words) as caught:
        read_secret(key_file)
    assert "ab" * 32 not in str(caught.value).lower()


def test_secrets_are_compared_hidden_and_kept_out_of_pickles() -> None:
    secret, same, other = Secret(bytes(range(32))), Secret(bytes(range(32))), Secret(bytes(32))
    assert secret == same
    assert secret != other
    assert secret != bytes(range(32))
    assert repr(secret) == f"{secret}" == "Secret(...)"
    with pytest.raises(TypeError, match="unhashable"):
        hash(secret)
    for kept in (secret, Identity.generate()):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(kept)


@pytest.mark.parametrize("value", [b"", bytes(31), bytes(33), "0" * 32, bytearray(32)])
def test_values_that_are_not_32_bytes_are_refused(value: bytes) -> None:
    with pytest.raises(KeyProblem, match="32 bytes"):
        Secret(value)


def test_secrets_come_from_the_operating_system(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len({Secret.generate().value for _ in range(100)}) == 100
    monkeypatch.setattr(os, "urandom", lambda count: b"\7" * count)
    monkeypatch.setattr("secrets.token_bytes", lambda count: os.urandom(count))
    assert Secret.generate() == Secret(b"\7" * 32)


@pytest.mark.parametrize(("size", "taken"), [(LARGEST, True), (LARGEST + 1, False)])
def test_private_files_are_read_up_to_their_largest_size(tmp_path: Path, size: int, taken: bool) -> None:
    path = tmp_path / "large.key"
    path.write_text("x" * size, encoding="utf-8")
    path.chmod(0o600)
    if taken:
        assert len(read_private(path, "key")) == size
    else:
        with pytest.raises(KeyProblem, match="larger than 65,536 bytes"):
            read_private(path, "key")
