# SPDX-License-Identifier: Apache-2.0
"""Help fits 80 columns, is grouped, and completes."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.test_main import VERBS
from cli.tiny import SRC

from semveil.cli.main import PANELS

LEARNED = "dp-semcom/learned"


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("verb", ["", *VERBS, "train", "ledger", "protect --method dp-image"])
def test_no_line_is_longer_than_the_terminal(semveil: Callable, verb: str) -> None:
    text = semveil(*verb.split(), "--help").stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text and "`" not in text and "<bool>" not in text


def test_help_of_a_method_says_what_it_hides_and_has_its_own_examples(semveil: Callable) -> None:
    text = semveil("protect", "--method", "blur", "--help").stdout
    assert "Method blur hides fine detail of the face." in text
    examples = [line for line in text.splitlines() if line.startswith("Example: ")]
    assert examples and all("--method blur" in line for line in examples)


def test_commands_are_grouped_by_purpose_and_each_has_one_line(semveil: Callable) -> None:
    text = semveil("--help").stdout
    lines = text.splitlines()
    assert [line for line in lines if line in PANELS] == list(PANELS)
    listed = [line for line in lines if re.match(r"  [a-z]+ +\S", line)]
    assert len(listed) == sum(map(len, PANELS.values()))  # so none is folded


@pytest.mark.parametrize("group", ["data", "ledger", "models", "train"])
def test_groups_have_an_example(semveil: Callable, group: str) -> None:
    assert f"\nExample: semveil {group} " in semveil(group, "--help").stdout


@pytest.mark.parametrize("group", ["data", "ledger", "models", "train"])
def test_a_group_without_a_command_prints_its_help(semveil: Callable, group: str) -> None:
    alone, asked = semveil(group), semveil(group, "--help")
    assert (alone.code, alone.stderr) == (0, "") and alone.stdout.strip() == asked.stdout.strip()


def test_options_are_grouped_and_what_every_command_has_comes_last(semveil: Callable) -> None:
    lines = semveil("transmit", "--help").stdout.splitlines()
    headings = [line for line in lines if re.match(r"[A-Z]\w+( \w+)*$", line) and not line.endswith(".")]
    assert (
        headings[0] == "Arguments"
        and headings[-1] == "Options"
        and {"Protection", "Channel", "Output"} < set(headings)
    )


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("semveil tra", {"transmit", "train"}),
        ("semveil protect --method dp", {"dp-image", "dp-pix", "dp-svd"}),
        ("semveil protect --doubtful ", {"cover", "refuse", "keep"}),
        ("semveil protect --method blur --sig", {"--sigma"}),
        ("semveil methods dp-s", {"dp-semcom", "dp-svd"}),
        ("semveil models info faces", {"faces-128"}),
        ("semveil models get lpips-a", {"lpips-alex"}),
        ("semveil reproduce dp-semcom/fig", {f"dp-semcom/fig{n}" for n in (3, 4, 5, 6)}),
        ("semveil audit --mechanism dp-semcom/l", {f"dp-semcom/{n}laplace" for n in ("", "l2-")} | {LEARNED}),
        ("semveil attack m.svl --attack l", {"linear", "learned-same", "learned-deep"}),
        ("semveil send a.jpg --model ", {"faces-128", "celebamask-hq-512"}),
        ("semveil protect --model identity", {"identity-128"}),
        ("semveil evaluate --model ", {"identity-128"}),
    ],
)
def test_the_shell_completes_names(words: str, offered: set[str], tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(SRC),
        "SEMVEIL_HOME": str(tmp_path),
        "_SEMVEIL_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    started = "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))"
    done = subprocess.run(
        [sys.executable, "-c", f"{started}; from semveil.cli.start import run; run()"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert set(done.stdout.split()) == offered, done.stderr
    networks = (
        "--method blur",
        "reproduce",
        "audit",
        "attack",
    )  # their registries are filled by modules of networks
    assert done.stderr.split() == ["False"] or any(word in words for word in networks)
