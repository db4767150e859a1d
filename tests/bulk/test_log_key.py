# SPDX-License-Identifier: Apache-2.0
"""The key of the logs is made once, and a kill in the making never stands in the way."""

import os
import stat
from pathlib import Path

import pytest

from semveil.bulk.log_key import log_key
from semveil.core.errors import KeyProblem


def test_it_is_made_once_and_private(own_home: Path) -> None:
    first = log_key()
    assert log_key() == first
    assert stat.S_IMODE((own_home / "protect.key").stat().st_mode) == 0o600
    assert os.listdir(own_home) == ["protect.key"]


def test_an_empty_file_is_filled_and_then_stays(own_home: Path) -> None:
    own_home.mkdir()
    (own_home / "protect.key").touch(0o600)
    assert log_key() == log_key()


def test_a_damaged_key_is_never_replaced(own_home: Path) -> None:
    log_key()
    cut = (own_home / "protect.key").read_bytes()[:30]
    (own_home / "protect.key").write_bytes(cut)
    with pytest.raises(KeyProblem, match="cut off or damaged"):
        log_key()
    assert (own_home / "protect.key").read_bytes() == cut


def test_a_kill_while_it_is_made_leaves_none(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killed(descriptor: int) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "fsync", killed)
        log_key()
    assert not (own_home / "protect.key").exists()
    log_key()
