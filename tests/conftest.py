"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


def _shared() -> Path:
    return Path(os.environ.get("SEMVEIL_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The developers' folder of photos, weights and parity numbers; users do not have it."""
    path = _shared()
    if not path.is_dir():
        pytest.skip(f"needs the developers' data folder, looked for in {path} (set SEMVEIL_SHARED)")
    return path
