# SPDX-License-Identifier: Apache-2.0
"""Repeatable entropy for tests of the exact samplers, which know no seed."""

import random
from types import SimpleNamespace

import pytest

from semveil.mechanisms.exact import sampler as exact


@pytest.fixture
def fixed_entropy(monkeypatch: pytest.MonkeyPatch) -> random.Random:
    """The exact samplers read this stream in place of the operating system's."""
    stream = random.Random(20)
    monkeypatch.setattr(exact, "os", SimpleNamespace(urandom=stream.randbytes))
    return stream
