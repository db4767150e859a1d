# SPDX-License-Identifier: Apache-2.0
"""Files appear together, in order, and only after what must come before them."""

import os
from pathlib import Path

import pytest

from semveil.core import publish as module
from semveil.core.errors import OutputError
from semveil.core.publish import publish


def test_no_byte_is_on_the_disk_before_it_is_booked(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"before")
    seen = []

    def booked() -> None:
        seen.append(b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.name != "old"))
        assert (tmp_path / "old").read_bytes() == b"before"

    publish(
        [(tmp_path / "certificate", b"says"), (tmp_path / "message", b"secret"), (tmp_path / "old", b"new")],
        once=booked,
    )
    assert seen == [bytes(13)]  # room, and nothing in it
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "certificate": b"says", "message": b"secret", "old": b"new",
    }  # fmt: skip


def test_the_order_is_the_one_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (renamed.append(Path(b).name), replace(a, b)))
    publish([(tmp_path / name, b"x") for name in "bca"])
    assert renamed == list("bca")


@pytest.mark.parametrize("blocked", ["a", "b"])
def test_what_is_in_the_way_shows_before_anything_is_booked(tmp_path: Path, blocked: str) -> None:
    (tmp_path / blocked).mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        publish([(tmp_path / "a", b"1"), (tmp_path / "b", b"2")], once=lambda: pytest.fail("booked"))
    assert os.listdir(tmp_path) == [blocked]


def test_a_full_disk_shows_before_anything_is_booked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        publish([(tmp_path / "a", b"1")], once=lambda: pytest.fail("booked"))
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_booked_is_not_published(tmp_path: Path) -> None:
    def refused() -> None:
        raise OutputError("the ledger is full")

    with pytest.raises(OutputError, match="ledger is full"):
        publish([(tmp_path / "a", b"1"), (tmp_path / "b", b"2")], once=refused)
    assert os.listdir(tmp_path) == []


def test_two_files_of_one_name_are_refused_before_the_action(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "link").symlink_to("a")
    done: list[None] = []
    for other in ("a", "link", "./a"):
        with pytest.raises(OutputError, match="would both be"):
            publish(
                [(tmp_path / "a", b"1"), (Path(f"{tmp_path}/{other}"), b"2")], once=lambda: done.append(None)
            )
    assert not done and (tmp_path / "a").read_bytes() == b"old"
