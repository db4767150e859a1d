# SPDX-License-Identifier: Apache-2.0
"""What a project promises to those who come to it, held to what the repository does."""

import re
import tomllib
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_step_of_a_workflow_is_a_target_of_make(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    steps = re.findall(r"^ *- run: (.*)$", text, re.M)
    assert steps and text.count("run:") - text.count("run: {shell") == len(steps), "each on one line"
    for step in steps:
        if step.startswith("sudo apt-get "):
            continue  # another program that the tests need
        words = re.sub(r"\$\{\{ *matrix\.bound *\}\}", "lowest", step).split()
        assert words[0] == "make" and words[1] in targets(), step


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.stem)
def test_workflows_and_issue_forms_are_valid_yaml(path: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="needs PyYAML, which Dask brings")
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def test_all_targets_are_phony_and_told_by_help() -> None:
    (phony,) = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)", MAKEFILE, re.M)
    assert targets() == set(phony.replace("\\\n", " ").split())
    silent = {"help", "clean"}
    assert {name for name in targets() if not re.search(rf"^{name}:.*##", MAKEFILE, re.M)} == silent


def test_every_command_has_its_threat_model() -> None:
    from semveil.cli.main import app

    page = (ROOT / "docs" / "threat-models.md").read_text(encoding="utf-8")
    rows = " ".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| "))
    commands = typer.main.get_command(app).list_commands(None)  # type: ignore[attr-defined]
    assert len(commands) > 15
    assert [name for name in commands if f"`{name}" not in rows] == []


def test_versions_agree() -> None:
    models = tomllib.loads(
        (ROOT / "packages" / "semveil-models" / "pyproject.toml").read_text(encoding="utf-8")
    )["project"]
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    assert cited and {PROJECT["version"], models["version"], cited[1]} == {PROJECT["version"]}
    for name in ("README.md", "docs/citing.md"):
        assert f"version = {{{PROJECT['version']}}}" in (ROOT / name).read_text(encoding="utf-8"), name


def test_a_bug_report_asks_for_no_photo() -> None:
    form = (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8")
    form = " ".join(form.split())
    assert "attach no photo" in form and "private report form" in form
    assert not re.search(r"(attach|upload|include|send)\s+(a|the|your)\s+(photo|picture|image)", form, re.I)


@pytest.mark.parametrize(
    "name",
    ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "docs/threat-models.md", "docs/packaging.md"],
)
def test_pages_link_to_what_is_there_and_name_nobody(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (ROOT / name).parent.joinpath(target).exists(), target
    assert not re.search(r"[\w.]+@[\w-]+\.\w+", text), "an address"


def test_every_requirement_has_a_lower_bound() -> None:
    import sys

    sys.path.insert(0, str(ROOT / "tools"))
    from lowest import lowest

    extras = [one for asked in PROJECT["optional-dependencies"].values() for one in asked]
    pins = list(lowest([*PROJECT["dependencies"], *extras]))
    assert len(pins) > 20 and all("==" in pin for pin in pins if not pin.startswith("torch>"))
    with pytest.raises(ValueError, match="no lower bound"):
        list(lowest(["numpy"]))


def test_fast_tests_exist() -> None:
    for line in (ROOT / "tests" / "fast.txt").read_text(encoding="utf-8").split():
        assert (ROOT / line).exists(), line
