# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the message tests."""

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.svl"
