# SPDX-License-Identifier: Apache-2.0
"""`--config FILE.toml`: options from a file, under those on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from semveil.cli.command import CONFIG, value_of
from semveil.cli.main import app

MOSAIC = """
method = "mosaic"
block = 8
size = 64
whole-photo = false
on_no_face = "skip"
json = true
"""


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "options.toml"
        path.write_text(text)
        return path

    return write


def test_every_command_reads_a_file() -> None:
    def commands(command: object, prefix: str = "") -> list[tuple[str, object]]:
        children = getattr(command, "commands", {})
        found = [pair for name, child in children.items() for pair in commands(child, f"{prefix} {name}")]
        return found or [(prefix, command)]

    for name, command in commands(typer.main.get_command(app)):
        context = command.make_context(name, [], resilient_parsing=True)  # type: ignore[attr-defined]
        flags = {flag for param in command.get_params(context) for flag in param.opts}  # type: ignore[attr-defined]
        assert CONFIG in flags, name


def test_options_of_the_command_and_of_the_method_are_read(
    semveil: Callable, config: Callable, photo: Path, tmp_path: Path
) -> None:
    answer = semveil("protect", photo, "--out", tmp_path / "out", "--config", config(MOSAIC))
    result = json.loads(answer.stdout)
    assert (result["method"], result["layout"], result["photos"]["protected"]) == ("mosaic", "crops", 1)
    as_given = semveil(
        "protect",
        photo,
        "--out",
        tmp_path / "out",
        "--method",
        "mosaic",
        "--block",
        8,
        "--size",
        64,
        "--json",
    )
    assert json.loads(as_given.stdout)["photos"]["done_before"] == 1  # the very same settings


def test_the_command_line_wins(semveil: Callable, config: Callable, photo: Path, tmp_path: Path) -> None:
    path = config(MOSAIC)
    answer = semveil("protect", photo, "--out", tmp_path / "out", "--method", "dp-pix", "--config", path)
    assert json.loads(answer.stdout)["method"] == "dp-pix"
    again = semveil(
        "protect", photo, "--out", tmp_path / "out", "--method", "dp-pix", "--block", "16", f"--config={path}"
    )
    assert json.loads(again.stdout)["photos"]["done_before"] == 0  # 8 in the file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("snr_dp = 3", "has no option 'snr_dp' (did you mean 'snr-db'?)"),
        ("photos = ['a.jpg']", "has no option 'photos'"),
        ("snr-db = true", "takes a value, got true"),
        ("json = 1", "must be true or false, got 1"),
        ("snr-db = 'x'", "--snr-db"),
        ("seed = 'many'", "'many'"),
        ("snr-db = 3\nsnr_db = 4", "gives option --snr-db twice"),
        ("private = ['skin', 'skinn']", "did you mean 'skin'"),
        ("snr-db =", "is no TOML"),
    ],
)
def test_mistakes_in_the_file_are_one_line(
    semveil: Callable, failed: Callable, config: Callable, photo: Path, tmp_path: Path, text: str, words: str
) -> None:
    failed(semveil("transmit", photo, "--config", config(text), "--out", tmp_path / "out"), 2, words)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there_is_one_line(semveil: Callable, failed: Callable, tmp_path: Path) -> None:
    failed(semveil("transmit", "a.jpg", "--config", tmp_path / "none.toml"), 2, "No such file")


def test_lists_and_tables_are_written_as_on_the_command_line(
    semveil: Callable, config: Callable, photo: Path, tmp_path: Path
) -> None:
    text = "model = 'tiny'\nprivate = ['skin', 'eyes']\nprotection = 'laplace'\nepsilon = 40\njson = true"
    answer = semveil("send", photo, "--config", config(text), "--out", tmp_path / "m.svl")
    assert json.loads(answer.stdout)["private_codes"] == [0, 1, 4, 5, 6, 7]
    text = "model = 'tiny'\njson = true\nprotection = 'laplace'\n[budget]\nskin = 5\neyes = 3"
    answer = semveil("send", photo, "--config", config(text), "--out", tmp_path / "m.svl")
    assert json.loads(answer.stdout)["guarantee"]["epsilon"] == pytest.approx(8)


def test_a_training_keeps_its_settings_and_takes_options_from_a_table(
    semveil: Callable, failed: Callable, config: Callable, face_set: Path, tmp_path: Path
) -> None:
    words = ("train", "stylegan2", face_set, "--out", tmp_path / "made", "--config")
    failed(semveil(*words, config("[options]\nminuts = 3")), 2, "did you mean 'minutes'")
    failed(semveil(*words, config("stepz = 3\n[options]\nminutes = 3")), 2, "did you mean 'steps'")
    failed(semveil(*words, config("minutes = 3")), 2, "no setting named 'minutes'")


def test_a_value_is_found_before_the_line_is_read() -> None:
    assert value_of("--method", ["--method", "a", "--method=b"]) == "b"
    assert value_of("--method", ["--", "--method", "a"]) is None
    assert value_of("--method", ["--method"]) is None
