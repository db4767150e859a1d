# SPDX-License-Identifier: Apache-2.0
"""Each example runs as it stands and says what its page says; the notebooks are those of their examples."""

import json
import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SLOW = {"five_methods", "own_channel", "own_generator", "protect_batch", "snr_sweep", "train_pair"}
SAYS = {
    "five_methods": r"five-methods\.png",
    "link": r"epsilon 0 and delta",
    "own_attack": r"linear +0\.0",
    "own_channel": r"bursts on 50%",
    "own_generator": r"epsilon 24 \(proved\)",
    "own_mechanism": r": pass\n.*: violated",
    "protect_batch": r"mirrored: .*epsilon 16.*\n1 photo: portrait\.png, portrait\.png\.certificate\.json",
    "snr_sweep": r"Bob, with the key",
    "train_pair": r"no finite epsilon",
}
FILES = {"five_methods": "five-methods.png", "link": "bob.png", "snr_sweep": "sweep.png"}


def test_every_example_is_listed_here_and_on_its_page():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == set(SAYS)
    page = (EXAMPLES.parent / "docs/tutorials/examples.md").read_text()
    assert {Path(name).stem for name in re.findall(r"\(\.\./\.\./examples/(\w+\.py)\)", page)} == names


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in sorted(SAYS)]
)
def test_it_runs(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.argv", [name])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert re.search(SAYS[name], capsys.readouterr().out, re.S)
    if name in FILES:
        assert (tmp_path / FILES[name]).is_file()


@pytest.mark.parametrize("path", sorted((EXAMPLES / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_has_its_examples_cells(path):
    """`make notebooks` was run after the example was changed."""
    cells = json.loads(path.read_text())["cells"]
    kinds = {"markdown": lambda text: re.sub(r"^# ?", "", text, flags=re.M), "code": lambda text: text}
    header, *parts = re.split(r"^# %%(.*)\n", (EXAMPLES / f"{path.stem}.py").read_text(), flags=re.M)
    written = [("code", header.strip())]
    for kind, body in zip(parts[::2], parts[1::2], strict=True):
        name = "markdown" if "[markdown]" in kind else "code"
        written.append((name, kinds[name](body.strip())))
    assert [(cell["cell_type"], "".join(cell["source"]).strip()) for cell in cells] == written
    assert all(not cell.get("outputs") for cell in cells)
