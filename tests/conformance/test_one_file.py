# SPDX-License-Identifier: Apache-2.0
"""A noise law, a channel or an attack is one new file: it registers itself, and nothing else names it."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from semveil.core.registry import Registry

FOLDERS = {
    "semveil.mechanisms.additive": ("semveil.mechanisms", "MECHANISMS", "Gaussian"),
    "semveil.mechanisms.sphere": ("semveil.mechanisms", "SPHERE_MECHANISMS", "PrivUnit"),
    "semveil.channels": ("semveil.channels", "CHANNELS", "AWGN"),
    "semveil.attacks": ("semveil.attacks", "ATTACKS", "Direct"),
}


@pytest.fixture
def new_file(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Registry[object]]:
    """The registry of a folder that has a file more."""
    home, name, entry = FOLDERS[request.param]
    registry = getattr(importlib.import_module(home), name)
    list(registry)  # all that is there already is imported
    text = f"from {home} import {entry}, {name}\n\n{name}.add('brand-new', {entry})\n"
    (tmp_path / "brand_new.py").write_text(text, encoding="utf-8")
    folder = importlib.import_module(request.param)
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.setattr(registry, "_files", request.param)
    yield registry
    del sys.modules[f"{request.param}.brand_new"]
    del folder.brand_new


@pytest.mark.parametrize("new_file", FOLDERS, indirect=True)
def test_a_file_in_the_folder_is_enough(new_file: Registry[object]) -> None:
    assert "brand-new" in new_file and new_file["brand-new"] is not None


@pytest.mark.parametrize(("home", "name"), [(home, name) for home, name, _ in FOLDERS.values()])
def test_files_are_looked_for_in_the_folders_named_here(home: str, name: str) -> None:
    folders = {folder for folder, (_, known, _) in FOLDERS.items() if known == name}
    source = Path(str(importlib.import_module(home).__file__)).parent
    assert any(
        f'files="{folder}"' in path.read_text(encoding="utf-8")
        for folder in folders
        for path in source.rglob("*.py")
    )
