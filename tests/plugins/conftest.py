# SPDX-License-Identifier: Apache-2.0
"""The example package as an installer leaves it: its folder on the path, and beside it what says which entry
points it has.
"""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from semveil.experiments.kit.experiment import EXPERIMENTS, FIGURES
from semveil.experiments.kit.keeping import MEASUREMENTS

collect_ignore = ["example_package"]  # whose import declares a result for good
EXAMPLE = Path(__file__).parent / "example_package"


def describe(site: Path, name: str, entry_points: dict[str, dict[str, str]]) -> None:
    """Write a package's metadata into a folder of the path."""
    folder = site / f"{name.replace('-', '_')}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [
        f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items())
        for group, points in entry_points.items()
    ]
    (folder / "entry_points.txt").write_text("\n".join(lines))


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Results that a package declares are gone after the test, and so are the modules that declared them."""
    for registry in (EXPERIMENTS, FIGURES, MEASUREMENTS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "semveil_example"]:
        del sys.modules[name]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages that is on the path of this process."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example package, installed as `pip install -e` would do it; what must be on the path of other
    processes.
    """
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    describe(site, project["name"], project["entry-points"])
    monkeypatch.syspath_prepend(str(EXAMPLE))
    return site
