# SPDX-License-Identifier: Apache-2.0
"""What the README and the tutorials show runs as it stands."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from semveil.cli.main import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.fixture
def portrait_folder(tmp_path, monkeypatch):
    Image.fromarray(astronaut()).save(tmp_path / "portrait.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path / "home"))  # an own log of nonces
    return tmp_path


def shown_commands(text: str = README) -> list[str]:
    """Every command line of semveil in a block, in order; each must run."""
    return re.findall(r"^semveil .*$", text, re.M)


def commands_in_the_table() -> list[str]:
    """Those beside "I want to ..."."""
    rows = re.findall(r"^\| [^|]* \| (`semveil .*) \|$", README, re.M)
    return [command for row in rows for command in re.findall(r"`(semveil [^`]+)`", row)]


def run(lines: list[str], capsys) -> dict[str, str]:
    """What each line prints."""
    said = {}
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0, line
        said[line] = capsys.readouterr().out
    return said


def tutorial(name: str) -> list[str]:
    return shown_commands((ROOT / "docs/tutorials" / f"{name}.md").read_text())


def test_the_two_commands_of_make_are_there():
    assert re.findall(r"^make (\S+)", README, re.M)[:2] == ["demo", "test"]


def test_the_python_lines_run(portrait_folder, capsys):
    assert main(["keygen", "--out", "alice-bob.key"]) == 0
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert (
        "torch.Size([1, 3, 128, 128])" in printed
        and "all codes with epsilon 0" in printed
        and "computational" in printed
    )


def test_the_command_lines_run_in_order(portrait_folder, capsys):
    lines = shown_commands()
    assert [line.split()[1] for line in lines] == ["keygen", "send", "receive", "eavesdrop", "certify"]
    said = run(lines, capsys)
    for name in ("bob.png", "eve.png"):
        assert (portrait_folder / name).is_file()
    certified = said[lines[-1]]
    assert "epsilon 0" in certified and "delta" in certified and "(basis: computational)" in certified


def test_what_one_wants_to_do_is_what_the_commands_do(portrait_folder, capsys):
    """Protected photos, one of which is restored, the guarantee of one of them, and an audit that passes."""
    lines = commands_in_the_table()
    assert [line.split()[1] for line in lines] == [
        *["protect"] * 3,
        *["keygen", "protect", "restore"],
        *["certify", "audit"],
    ]
    said = run(lines, capsys)
    assert "in every pixel" in said[lines[5]] and (portrait_folder / "portrait.restored.png").is_file()
    for folder in ("out/protect/identity-dp", "pasted", "private", "sealed"):
        assert (portrait_folder / folder / "portrait.png").is_file()
    assert "identity" in said[lines[6]] and "7 games: 7 pass" in said[lines[7]]


@pytest.mark.slow
def test_the_tutorial_on_protecting_runs(portrait_folder, capsys):
    lines = [line for line in tutorial("protect") if line not in commands_in_the_table()]  # those run above
    said = run([line for line in lines if "pasted" not in line], capsys)
    for folder in ("broad", "blurred", "converted"):
        assert (portrait_folder / folder / "portrait.png").is_file()
    assert len(said) == 4


@pytest.mark.slow
def test_the_tutorial_on_sending_runs(portrait_folder, capsys):
    """It shows the README's lines, which run above, and all three parties in one process."""
    readme, lines = shown_commands(), tutorial("send")
    assert lines[: len(readme)] == readme
    run(lines[len(readme) :], capsys)
    for name in ("bob.png", "eve.png", "result.json"):
        assert (portrait_folder / "out/portrait" / name).is_file()


@pytest.mark.slow
def test_the_tutorial_on_questioning_runs(portrait_folder, capsys):
    lines = [line for line in tutorial("question") if line not in commands_in_the_table()]
    said = run(lines, capsys)
    (networks,) = [text for line, text in said.items() if " audit " in line]
    assert "3 no finite epsilon" in networks
    assert main(shlex.split("receive nn.svl --snr-db 60 --out clean.png")) == 0
    clean, direct, linear = (
        np.asarray(Image.open(portrait_folder / name), float)
        for name in ("clean.png", "out/attack/direct.png", "out/attack/linear.png")
    )
    # regression undoes the paper's pair
    assert np.square(linear - clean).mean() < np.square(direct - clean).mean() / 4


def test_a_message_is_read_once_as_the_readme_says(portrait_folder, capsys):
    for line in shown_commands()[:3]:
        assert main(shlex.split(line)[1:]) == 0, line
    assert main(shlex.split(shown_commands()[2])[1:]) == 7
    assert "read before" in capsys.readouterr().err


def test_it_links_to_what_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
