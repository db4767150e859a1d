# SPDX-License-Identifier: Apache-2.0
"""Files of audit targets register themselves: a new target is one new file."""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import semveil
import semveil.audit.games
from semveil.audit.run import audit, choose, targets
from semveil.audit.target import TARGET_FILES

PACKAGE = Path(semveil.__file__).parent
GAMES = "semveil.audit.games"
COIN = '''
"""A coin that claims epsilon and takes {spent:g} times as much."""

import numpy as np

from semveil.audit import Game
from semveil.audit.target import Target, register_targets
from semveil.privacy.guarantee import Basis, Guarantee


def games(epsilon):
    heads = 1 / (1 + np.exp(-{spent} * epsilon))
    rng = np.random.default_rng(0)

    def draw(world, count):
        return (rng.random((count, 1)) < (heads, 1 - heads)[world]).astype(float)

    claim = Guarantee(epsilon, "one bit", Basis.PROVED)
    return [Game("coin", "heads or tails", claim, draw, lambda outputs: {{"face": outputs[:, 0]}})]


{register}
def coin_targets(model):
    return {{"{name}": Target(games)}}
'''


@pytest.fixture
def new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Writes one more file beside those of the package, for the length of a test."""
    targets()  # the package's own files are there already
    monkeypatch.setattr(TARGET_FILES, "_entries", dict(TARGET_FILES._entries))
    monkeypatch.setattr(semveil.audit.games, "__path__", [*semveil.audit.games.__path__, str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(*, spent: float = 1.0, name: str = "coin", register: str = "@register_targets()") -> None:
        (tmp_path / "coin.py").write_text(COIN.format(spent=spent, name=name, register=register))

    yield write
    if sys.modules.pop(f"{GAMES}.coin", None):
        del semveil.audit.games.coin  # type: ignore[attr-defined]


def test_a_new_file_is_a_new_target_and_comes_last(new_file: Callable[..., None]) -> None:
    before = list(targets())
    new_file()
    assert list(targets()) == [*before, "coin"]
    assert choose(["coin"], targets()) == ["coin"]


def test_a_file_that_does_not_register_is_no_target(new_file: Callable[..., None]) -> None:
    new_file(register="")
    assert f"{GAMES}.coin" not in sys.modules
    assert "coin" not in targets()
    assert f"{GAMES}.coin" in sys.modules, "it was imported all the same"


@pytest.mark.parametrize(("spent", "alarms"), [(1.0, 0), (2.0, 1)])
def test_a_new_target_is_audited(
    new_file: Callable[..., None], tiny_model_folder: Path, spent: float, alarms: int
) -> None:
    new_file(spent=spent)
    result = audit(["coin"], epsilons=[1.0], draws=20_000, model=str(tiny_model_folder))
    assert [found["target"] for found in result["findings"]] == ["coin"]
    assert result["alarms"] == alarms


def test_a_name_that_another_file_has_is_refused(new_file: Callable[..., None]) -> None:
    new_file(name="ledger")
    with pytest.raises(ValueError, match="'ledger' is registered already"):
        targets()


def test_every_file_of_games_registers() -> None:
    targets()
    assert set(TARGET_FILES) == {path.stem for path in (PACKAGE / "audit" / "games").glob("[!_]*.py")}


def names_games(source: str) -> bool:
    """Whether a module imports a file of games by its name."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    return any(node.module == GAMES or (node.module or "").startswith(f"{GAMES}.") for node in nodes)


def test_nothing_lists_the_files_by_hand() -> None:
    outside = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "games"]
    assert not [path for path in outside if names_games(path.read_text(encoding="utf-8"))]
    assert names_games("from semveil.audit.games.ledger import ledger_games"), "the check sees one"
