# SPDX-License-Identifier: Apache-2.0
"""An empty path is refused, and never taken for the current folder."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer

from semveil.cli.main import app


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", {})
    for name, child in children.items():
        yield from commands(child, (*words, name))
    if not children:
        yield words, command


def takes_path(hint: Any) -> bool:
    return hint is Path or any(map(takes_path, get_args(hint)))


def path_options() -> list[tuple[str, ...]]:
    return [
        (*words, param.opts[0])
        for words, command in commands(typer.main.get_command(app))
        for param in command.params
        if param.param_type_name == "option"
        and takes_path(get_type_hints(command.callback, include_extras=True).get(param.name))
        and param.name != "config"  # settings of a training, read before everything else
    ]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "current"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("words", path_options(), ids=" ".join)
def test_every_option_for_a_path_refuses_an_empty_one(
    semveil: Callable, empty: Path, words: tuple[str, ...]
) -> None:
    answer = semveil(*words, "")
    assert answer.code == 2 and f"{words[-1]} is empty; name a file or folder" in answer.stderr
    assert not list(empty.iterdir())


def test_an_empty_path_in_a_file_of_options_is_refused(
    semveil: Callable, empty: Path, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "options.toml").write_text('out = ""\n')
    answer = semveil("protect", photo, "--method", "mosaic", "--config", tmp_path / "options.toml")
    assert answer.code == 2 and "--out is empty" in answer.stderr and not list(empty.iterdir())


def test_a_photo_without_a_name_is_not_the_current_folder(
    semveil: Callable, empty: Path, photo: Path, tmp_path: Path
) -> None:
    (empty / "photo.png").write_bytes(photo.read_bytes())
    answer = semveil("protect", "", "--method", "mosaic", "--out", tmp_path / "out")
    assert (
        answer.code == 3 and "a path of photos is empty" in answer.stderr and not (tmp_path / "out").exists()
    )


def test_the_current_folder_may_be_named(semveil: Callable, empty: Path, photo: Path) -> None:
    assert semveil("protect", photo, "--method", "mosaic", "--out", ".").code == 0
    assert list(empty.glob("*.png"))
