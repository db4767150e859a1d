# SPDX-License-Identifier: Apache-2.0
"""A written file is whole or absent, whatever goes wrong on the way."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from semveil.core import files
from semveil.core.errors import OutputError
from semveil.core.files import append_line, atomic_write, open_regular, write_whole


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize(
    ("content", "stored"), [(b"\x00\xff\r\n", b"\x00\xff\r\n"), ("grün\r\n", "grün\r\n".encode()), (b"", b"")]
)
def test_what_is_written_is_what_is_read(tmp_path, content, stored):
    write_whole(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == stored
    assert names(tmp_path) == ["file"]


def test_the_target_is_untouched_until_the_block_ends(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with atomic_write(path) as handle:
        handle.write(b"new")
        handle.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, OutputError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("before", [None, b"old"])
def test_an_error_leaves_the_folder_as_it_was(tmp_path, error, before):
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)
    was = names(tmp_path)
    with pytest.raises(error), atomic_write(path) as handle:
        handle.write(b"half")
        raise error("stop")
    assert names(tmp_path) == was
    assert before is None or path.read_bytes() == before


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_or_a_failed_rename_leaves_no_trace(tmp_path, monkeypatch, step):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(OutputError, match=r"cannot write .*file': No space left"):
        write_whole(tmp_path / "file", b"data")
    assert names(tmp_path) == []


def test_the_data_reach_the_disk_before_the_name(tmp_path, monkeypatch):
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(files.os, "fsync", lambda fd: (steps.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(files.os, "replace", lambda a, b: (steps.append("replace"), replace(a, b))[1])
    write_whole(tmp_path / "file", b"data")
    assert steps[:2] == ["fsync", "replace"]


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    program = (
        "import sys, time\nfrom semveil.core.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as handle:\n    handle.write(b'new'); handle.flush(); print('ready', "
        "flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
        writer.send_signal(signal.SIGKILL)
    assert path.read_bytes() == b"old"


def test_a_reader_sees_only_whole_versions(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"0" * 100_000)
    program = (
        "import sys\nfrom semveil.core.files import write_whole\n"
        "for i in range(60): write_whole(sys.argv[1], b'%d' % (i % 10) * 100_000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)]) as writer:
        while writer.poll() is None:
            data = path.read_bytes()
            assert len(data) == 100_000 and len(set(data)) == 1
            time.sleep(0.001)
        assert writer.returncode == 0


def test_permissions_follow_the_umask_or_the_file_replaced(tmp_path):
    old = os.umask(0o027)
    try:
        write_whole(tmp_path / "new", b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o600)
    write_whole(tmp_path / "new", b"y")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_a_symbolic_link_is_followed_and_kept(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_name_of_the_longest_length_is_written(tmp_path):
    write_whole(tmp_path / ("n" * 255), b"x")
    assert names(tmp_path) == ["n" * 255]


def test_errors_name_the_target_and_the_fix(tmp_path):
    with pytest.raises(OutputError, match=r"absent.*create it first"):
        write_whole(tmp_path / "absent" / "file", b"x")
    with pytest.raises(OutputError, match="is a folder"):
        write_whole(tmp_path, b"x")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="not a regular file"):
        write_whole(tmp_path / "pipe", b"x")
    with pytest.raises(OutputError, match="name too long"):
        write_whole(tmp_path / ("n" * 256), b"x")
    assert names(tmp_path) == ["pipe"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="file"):
        write_whole(tmp_path / "file", b"x")


def test_only_regular_files_are_opened_and_nothing_waits(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    with os.fdopen(open_regular(tmp_path / "file"), "rb") as file:
        assert file.read() == b"content"
    for path in (tmp_path / "pipe", tmp_path / "link", "/dev/zero", tmp_path):
        for flags in (os.O_RDONLY, os.O_RDWR | os.O_CREAT):
            with pytest.raises(OSError, match="not a regular file"):
                open_regular(path, flags)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "absent")


@pytest.mark.parametrize("before", [b"", b"one\n", b"one\ntor"])
def test_a_line_is_added_whole_or_not_at_all(tmp_path, monkeypatch, before):
    path = tmp_path / "log"
    path.write_bytes(before)
    descriptor = open_regular(path, os.O_RDWR | os.O_APPEND)
    write = os.write

    def full(descriptor, data):
        write(descriptor, data[:2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(os, "write", full)
        append_line(descriptor, b"two\n")
    assert path.read_bytes() == before
    append_line(descriptor, b"two\n")
    os.close(descriptor)
    assert path.read_bytes() == before + (b"\n" if before.endswith(b"r") else b"") + b"two\n"


@pytest.mark.parametrize("there", [False, True])
def test_what_is_private_is_so_whatever_was_there(tmp_path, there):
    path, before = tmp_path / "file", os.umask(0)
    try:
        if there:
            write_whole(path, b"old")
            assert stat.S_IMODE(path.stat().st_mode) == 0o666
        write_whole(path, b"new", private=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_synced_takes_nothing_back(tmp_path, monkeypatch):
    real = os.open

    def closed(path, *rest, **options):
        if path == tmp_path:
            raise PermissionError(13, "Permission denied")
        return real(path, *rest, **options)

    monkeypatch.setattr(files.os, "open", closed)
    write_whole(tmp_path / "file", b"data")
    assert (tmp_path / "file").read_bytes() == b"data"
