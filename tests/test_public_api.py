"""What `import semveil` gives, and that it costs nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import semveil

SRC = Path(__file__).resolve().parents[1] / "src"


def test_public_names() -> None:
    assert semveil.__all__ == sorted(semveil.__all__)
    for name in semveil.__all__:
        assert getattr(semveil, name).__doc__, f"semveil.{name} has no docstring"
    assert {"load_method", "load_model", "Guarantee", "Sensitivity", "SemveilError"} <= set(semveil.__all__)


def test_unknown_names_fail_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_methods'"):
        _ = semveil.load_methods


def test_the_import_is_silent_and_cheap() -> None:
    code = "import sys, semveil; sys.exit(bool({'torch', 'numpy', 'matplotlib', 'typer'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(SRC)}, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
