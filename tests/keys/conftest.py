# SPDX-License-Identifier: Apache-2.0
"""Published test vectors."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    """What every implementation must give; bytes are hexadecimal, doubles in C's hexadecimal notation."""
    return json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
