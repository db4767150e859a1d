# SPDX-License-Identifier: Apache-2.0
"""What `import semveil` gives, that it stays, and that it costs nothing."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import semveil

NAMES = json.loads((Path(__file__).parent / "public_names.json").read_text(encoding="utf-8"))
SRC = Path(__file__).resolve().parents[1] / "src"


def test_public_names() -> None:
    assert semveil.__all__ == sorted(semveil.__all__)
    for name in semveil.__all__:
        assert getattr(semveil, name).__doc__, f"semveil.{name} has no docstring"
    assert {"load_method", "load_model", "Guarantee", "Sensitivity", "SemveilError"} <= set(semveil.__all__)


@pytest.mark.parametrize("module", NAMES)
def test_names_that_programs_use_are_there(module: str) -> None:
    """Who removes or renames one breaks programs: it stays for one minor release with a warning, and then
    leaves the list.
    """
    found = importlib.import_module(module)
    assert sorted(found.__all__) == NAMES[module]
    assert all(hasattr(found, name) for name in NAMES[module])


def test_every_package_with_public_names_is_in_the_list() -> None:
    packages = {f"semveil.{path.parent.name}" for path in (SRC / "semveil").glob("*/__init__.py")} | {
        "semveil"
    }
    assert {name for name in packages if hasattr(importlib.import_module(name), "__all__")} == set(NAMES)


def test_all_names_are_listed() -> None:
    assert set(semveil.__all__) <= set(dir(semveil))


def test_unknown_names_fail_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_methods'"):
        _ = semveil.load_methods


def test_the_import_is_silent_and_cheap() -> None:
    code = "import sys, semveil; sys.exit(bool({'torch', 'numpy', 'matplotlib', 'typer'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
