# SPDX-License-Identifier: Apache-2.0
"""Help fits 80 columns, is grouped, and completes."""

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from cli.test_main import VERBS
from cli.tiny import SRC

from semveil.cli.main import PANELS


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
    ],
)
def test_the_shell_completes_commands_methods_choices_and_options(words: str, offered: set[str]) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(SRC),
        "_SEMVEIL_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "semveil"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert set(done.stdout.split()) == offered, done.stderr
