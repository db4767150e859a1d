# SPDX-License-Identifier: Apache-2.0
"""Uploads: nobody else's to read, gone in time, and nothing but uploads is touched."""

import os
import time
from pathlib import Path

import pytest

from semveil.core.errors import PhotoError
from semveil.web.limits import KEPT_SECONDS, SWEEP_SECONDS
from semveil.web.uploads import remove_older, size_of, taken, upload_folder


def put(folder: Path, name: str, *, age: float = 0.0) -> Path:
    path = folder / "hash" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"12345")
    for one in (path, path.parent):
        os.utime(one, (time.time() - age,) * 2)
    return path


def test_the_limits_leave_no_upload_for_a_minute() -> None:
    assert KEPT_SECONDS + SWEEP_SECONDS < 60


def test_the_folder_is_its_owners_whatever_the_umask_and_goes_after_an_error() -> None:
    before = os.umask(0)
    try:
        with pytest.raises(RuntimeError), upload_folder() as folder:
            assert folder.stat().st_mode & 0o777 == 0o700
            put(folder, "anna.jpg")
            raise RuntimeError
    finally:
        os.umask(before)
    assert not folder.exists()


def test_old_uploads_go_while_the_program_runs() -> None:
    with upload_folder(kept=5, sweep=0.05) as folder:
        old, new = put(folder, "old.jpg", age=6), folder / "new.jpg"
        new.write_bytes(b"1")
        for _ in range(200):
            time.sleep(0.02)
            if not old.exists():
                break
        assert not old.exists() and new.exists()


def test_a_look_removes_what_is_old_and_only_that(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.jpg"
    elsewhere.write_bytes(b"1")
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / "link").symlink_to(elsewhere)
    young = put(folder, "young.jpg", age=10)
    remove_older(folder, 20)
    assert young.exists() and size_of(folder) > 5
    remove_older(folder, 5)
    assert not young.exists()
    assert elsewhere.exists()


def test_an_upload_is_gone_after_reading_also_where_that_fails(tmp_path: Path) -> None:
    path = put(tmp_path, "anna.jpg")
    with pytest.raises(RuntimeError), taken(str(path), tmp_path):
        raise RuntimeError
    assert not path.parent.exists() and tmp_path.exists()


@pytest.mark.parametrize("name", ["../outside.jpg", "/etc/hostname", "gone.jpg", "."])
def test_only_uploads_are_read_and_removed(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(b"1")
    with pytest.raises(PhotoError), taken(str(folder / name), folder):
        pass
    assert outside.exists() and folder.exists()


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(b"1")
    (folder / "link.jpg").symlink_to(outside)
    with (
        pytest.raises(PhotoError, match="no file that was dropped here"),
        taken(str(folder / "link.jpg"), folder),
    ):
        pass
    assert outside.exists()
