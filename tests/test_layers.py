# SPDX-License-Identifier: Apache-2.0
"""Imports point down: a module imports from lower layers and its own package only, never from siblings, never
in a circle.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "semveil"
LAYERS = (
    ("core",),
    ("faces",),
    ("privacy",),
    ("nn", "mechanisms", "channels", "keys"),
    ("generators", "encoders", "protection", "recognition"),
    ("models",),
    ("methods", "metrics", "attacks", "data"),
    ("radio", "video"),
    ("training",),
    ("link", "audit"),
    ("experiments", "bulk"),
    ("web",),
    ("cli",),
)
# Verbs about experiments; all others do with the library what anybody can do with it.
ABOUT_EXPERIMENTS = {"experiments", "evaluate"}
# A class and the reader of its official files, which its `from_official` asks for.
CLASS_AND_READER = {
    ("semveil.generators.semantic_stylegan", "semveil.generators.official"),
    ("semveil.generators.stylegan2", "semveil.generators.stylegan2_official"),
}
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
    assert list(
        imported("def f():\n    from semveil.cli.main import run\n    import semveil.core.rng\n")
    ) == ["cli", "core"]


def test_only_verbs_about_experiments_import_experiments() -> None:
    found = {
        path.stem
        for path in (PACKAGE / "cli").rglob("*.py")
        if "experiments" in imported(path.read_text(encoding="utf-8"))
    }
    assert found <= ABOUT_EXPERIMENTS
    assert found == ABOUT_EXPERIMENTS, "the check sees those that do"


# Floors inside `experiments`: every paper's folder stands on the kit alone, but for these.
ON_OTHER_PAPERS = {("all_methods", "identity_dp"), ("demo", "dp_semcom")}


def papers_imported(folder: Path) -> set[tuple[str, str]]:
    """Folders of `experiments`, each with another one that it imports from, the kit apart."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = (node.module or "").split(".") if isinstance(node, ast.ImportFrom) else []
            if (
                parts[:2] == ["semveil", "experiments"]
                and len(parts) > 2
                and parts[2] not in ("kit", folder.name)
            ):
                found.add((folder.name, parts[2]))
    return found


def test_papers_stand_on_the_kit_and_not_on_each_other() -> None:
    folders = [path.parent for path in (PACKAGE / "experiments").glob("*/__init__.py")]
    found = {pair for folder in folders for pair in papers_imported(folder)}
    assert found == ON_OTHER_PAPERS
    assert not list((PACKAGE / "experiments").glob("[!_]*.py")), "results stand in folders by paper"


# Floors inside `methods`, lowest first; a module imports from its own floor and from those below.
FLOORS_OF_METHODS = (
    "acceptance certificates gallery latent_codec latent_model on_model options pseudonym registry release "
    "shared_key subspace subspace_noise transmission",
    "latent_link pairs protection_options protections protectors",
    "baselines.levels",
    "baselines.shared",
    "baselines.blur baselines.dp_pix baselines.dp_svd baselines.mosaic baselines.pixel_noise",
    # and any other file that is not named here
    "baselines deep_jscc dp_image dp_semcom identity_dp latent_dp noise_image",
    "digital listing messages semantic_link",
)
FLOOR_OF_A_METHOD = 5


def climbs(edges: Mapping[str, set[str]], floors: Sequence[str], package: str) -> list[str]:
    """Imports from a lower floor of a package to a higher one."""
    level = {f"{package}.{name}": i for i, names in enumerate(floors) for name in names.split()}
    return [
        f"{one} imports {other}" for one in level for other in edges[one] if level.get(other, -1) > level[one]
    ]


def test_methods_stand_on_floors() -> None:
    edges, named = graph(), {name for names in FLOORS_OF_METHODS for name in names.split()}
    there = {name.removeprefix("semveil.methods.") for name in edges if name.startswith("semveil.methods.")}
    assert named <= there
    assert not climbs(edges, with_new_methods(there - named), "semveil.methods")


def with_new_methods(names: set[str]) -> list[str]:
    """The floors, with further files among the methods."""
    return [
        " ".join([floor, *(names if i == FLOOR_OF_A_METHOD else ())])
        for i, floor in enumerate(FLOORS_OF_METHODS)
    ]


def test_a_new_file_is_a_method_and_nothing_below_builds_on_it() -> None:
    floors = with_new_methods({"brand_new"})
    edges = {
        name: set[str]() for names in floors for name in (f"semveil.methods.{one}" for one in names.split())
    }
    assert not climbs(
        edges | {"semveil.methods.brand_new": {"semveil.methods.release"}}, floors, "semveil.methods"
    )
    below = edges | {"semveil.methods.release": {"semveil.methods.brand_new"}}
    assert climbs(below, floors, "semveil.methods") == [
        "semveil.methods.release imports semveil.methods.brand_new"
    ]


def test_that_check_sees_a_climb() -> None:
    edges = {**graph(), "semveil.methods.latent_model": {"semveil.methods.dp_semcom"}}
    assert climbs(edges, FLOORS_OF_METHODS, "semveil.methods") == [
        "semveil.methods.latent_model imports semveil.methods.dp_semcom"
    ]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_every_package_says_what_lives_there(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert len(said.split()) >= 3 and said.splitlines()[0].endswith((".", ":"))


def graph() -> dict[str, set[str]]:
    """Every module and the modules of semveil that it imports when it runs; the package's face itself is left
    out.
    """
    files = {}
    for path in PACKAGE.rglob("*.py"):
        parts = ("semveil", *path.relative_to(PACKAGE).with_suffix("").parts)
        files[".".join(parts).removesuffix(".__init__")] = path
    return {
        name: {
            found
            for found in modules(ast.parse(path.read_text(encoding="utf-8")), set(files))
            if found != name
        }
        - {reader for one, reader in CLASS_AND_READER if one == name}
        for name, path in files.items()
        if name != "semveil"
    }


def modules(node: ast.AST, known: set[str]) -> Iterator[str]:
    """Modules that code imports, also inside functions, but not what only type checkers read."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in known)
    elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("semveil."):
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield whole if whole in known else node.module
    for child in ast.iter_child_nodes(node):
        yield from modules(child, known)


def circle(edges: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, none where there is no circle."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_is_reached_from_itself() -> None:
    assert not circle(graph())


def test_that_check_sees_a_circle() -> None:
    edges = graph()
    assert len(edges) > 300 and "semveil.core.errors" in edges["semveil.privacy.ledger"]
    assert circle({**edges, "semveil.core.errors": {"semveil.privacy.ledger"}})
