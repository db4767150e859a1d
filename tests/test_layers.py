"""Imports point down: a module imports from lower layers and its own package only, siblings never from each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "semveil"
LAYERS = (
    ("core",),
    ("nn", "mechanisms", "channels", "keys"),
    ("generators", "encoders", "protection", "recognition"),
    ("methods", "metrics", "attacks", "data"),
    ("radio",),
    ("training",),
    ("experiments", "bulk"),
    ("cli",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def imported(source: str) -> Iterator[str]:
    """Packages of semveil that a module imports, also inside functions."""
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "semveil" and len(parts) > 1 and parts[1] in LEVEL:
                yield parts[1]


def test_every_package_has_a_layer() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(LEVEL)


@pytest.mark.parametrize("package", LEVEL)
def test_imports_point_down(package: str) -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in sorted((PACKAGE / package).rglob("*.py"))
        for name in imported(path.read_text(encoding="utf-8"))
        if name != package and LEVEL[name] >= LEVEL[package]
    ]
    assert not wrong


def test_the_check_sees_imports_in_functions() -> None:
    assert list(imported("def f():\n    from semveil.cli.main import run\n    import semveil.core.rng\n")) == ["cli", "core"]
