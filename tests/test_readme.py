"""What the README shows runs as it stands."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from semveil.cli.main import main

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.fixture
def portrait_folder(tmp_path, monkeypatch):
    Image.fromarray(astronaut()).save(tmp_path / "portrait.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path / "home"))  # an own log of nonces
    return tmp_path


def shown_commands() -> list[str]:
    """Every command line of semveil, in order; each must run."""
    return re.findall(r"^semveil .*$", README, re.M)


def test_the_python_lines_run(portrait_folder, capsys):
    assert main(["keygen", "--out", "alice-bob.key"]) == 0
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "torch.Size([1, 3, 64, 64])" in printed and "all codes with epsilon 0" in printed and "computational" in printed


def test_the_command_lines_run_in_order(portrait_folder, capsys):
    lines = shown_commands()
    verbs = [line.split()[1] for line in lines]
    assert verbs[:5] == ["keygen", "send", "receive", "eavesdrop", "certify"]
    assert {"transmit", "attack", "audit"} < set(verbs)
    said = {}
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0, line
        said[line] = capsys.readouterr().out
    pictures = ("bob.png", "eve.png", "out/portrait/bob.png", "out/attack/direct.png", "out/attack/linear.png")
    for name in (*pictures, "out/portrait/result.json"):
        assert (portrait_folder / name).is_file()
    (certified,) = [text for line, text in said.items() if " certify " in line]
    assert "epsilon 0" in certified and "delta" in certified and "(basis: computational)" in certified
    for folder in ("pasted", "protected", "private", "converted"):
        assert (portrait_folder / folder / "portrait.png").is_file()
    networks, release = [text for line, text in said.items() if " audit " in line]
    assert "3 no finite epsilon" in networks and "7 games: 7 pass" in release
    assert main(shlex.split("receive nn.svl --snr-db 60 --out clean.png")) == 0
    clean, direct, linear = (
        np.asarray(Image.open(portrait_folder / name), float)
        for name in ("clean.png", "out/attack/direct.png", "out/attack/linear.png")
    )
    assert np.square(linear - clean).mean() < np.square(direct - clean).mean() / 4  # regression undoes the paper's pair


def test_a_message_is_read_once_as_the_readme_says(portrait_folder, capsys):
    for line in shown_commands()[:3]:
        assert main(shlex.split(line)[1:]) == 0, line
    assert main(shlex.split(shown_commands()[2])[1:]) == 7
    assert "read before" in capsys.readouterr().err


def test_it_links_to_what_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (Path(__file__).parents[1] / target).exists(), target
