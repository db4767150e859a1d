# SPDX-License-Identifier: Apache-2.0
"""Modules that moved are found under their old names, and say the new one."""

import importlib
import subprocess
import sys
from importlib.util import find_spec

import pytest

from semveil.core.moved import MOVED


@pytest.mark.parametrize(
    "old", ["core.privacy", "core.pixels", "mechanisms.laplace", "methods.face_model", "core.ledger"]
)
def test_an_old_name_is_the_same_module(old: str) -> None:
    code = (
        "import importlib, sys, warnings\n"
        "warnings.simplefilter('error')\n"
        f"new = importlib.import_module('semveil.{MOVED[old]}')\n"
        "name, spec = new.__name__, new.__spec__.name\n"
        "warnings.simplefilter('default')\n"
        f"old = importlib.import_module('semveil.{old}')\n"
        "assert old is new and (new.__name__, new.__spec__.name) == (name, spec), new.__spec__\n"
    )
    done = subprocess.run([sys.executable, "-W", "default", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"DeprecationWarning: semveil.{old} is now semveil.{MOVED[old]}" in done.stderr


def test_every_new_name_exists_and_no_old_one() -> None:
    for old, new in MOVED.items():
        assert find_spec(f"semveil.{new}") is not None
        with pytest.warns(DeprecationWarning, match=new):
            assert find_spec(f"semveil.{old}") is not None


def test_names_that_never_were_are_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"semveil\.core\.privacies"):
        importlib.import_module("semveil.core.privacies")
