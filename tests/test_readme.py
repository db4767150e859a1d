"""What the README shows runs as it stands."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image
from skimage.data import astronaut

from semveil.cli.main import main

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.fixture
def portrait_folder(tmp_path, monkeypatch):
    Image.fromarray(astronaut()).save(tmp_path / "portrait.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_lines_run(portrait_folder, capsys):
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "torch.Size([1, 3, 64, 64])" in printed and "no finite epsilon" in printed


def test_the_command_lines_run(portrait_folder):
    lines = re.findall(r"^semveil ((?:transmit|send|receive|eavesdrop) .*)$", README, re.M)
    assert [line.split()[0] for line in lines] == ["transmit", "send", "receive", "eavesdrop"]
    for line in lines:
        assert main(shlex.split(line)) == 0, line
    for picture in ("bob.png", "eve.png", "out/portrait/bob.png", "out/portrait/result.json"):
        assert (portrait_folder / picture).is_file()


def test_it_links_to_what_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (Path(__file__).parents[1] / target).exists(), target
