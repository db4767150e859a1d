# SPDX-License-Identifier: Apache-2.0
"""What terminals show: lines that fit, can be copied, and are readable on light and dark backgrounds."""

import io
import json
import re
import sys
from collections.abc import Callable

import pytest

from semveil.cli.console import make_table, note, show, stages
from semveil.cli.main import main
from semveil.cli.terminal import told

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
RED, MAGENTA, DEFAULT = "31", "35", "39"
WORDS = (
    "the photo as a whole is protected in this message with epsilon 0: as good as it gets, for all codes, "
    "UNPROTECTED"
)
LINES = [
    WORDS,
    ("In short", WORDS),
    ("", WORDS),
    ("Next", "semveil certify a-rather-long-name-of-a-folder/of-a-photo.png"),
]


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Screen]:
    """Makes stdout or stderr a terminal."""

    def patched(name: str = "stdout") -> Screen:
        made = Screen()
        monkeypatch.setattr(sys, name, made)
        return made

    return patched


def colours(text: str) -> set[str]:
    """Foreground colours in a text, as SGR numbers; those of 256 or more as a whole."""
    found = set()
    for codes in re.findall(r"\x1b\[([0-9;]*)m", text):
        for code in re.findall(r"38;[0-9;]+|\d+", codes):
            if code.startswith("38;") or 30 <= int(code) <= 39 or int(code) >= 90:
                found.add(code)
    return found


@pytest.mark.parametrize("width", [80, 100, 50])
def test_lines_of_a_result_fit_and_end_without_blanks(
    screen: Callable, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = screen()
    show({}, LINES, as_json=False)
    lines = ESCAPE.sub("", shown.getvalue()).splitlines()
    assert max(map(len, lines)) <= width
    assert [line for line in lines if line != line.rstrip()] == []
    text = " ".join(" ".join(lines).split())
    assert text.count(WORDS) == 3 and "In short the photo" in text and text.startswith(WORDS)


def test_a_file_gets_the_same_lines_with_colours_as_without(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs find a fact by its label, `Written: ...`, whatever FORCE_COLOR says."""
    show({}, LINES, as_json=False)
    plain = capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    show({}, LINES, as_json=False)
    coloured = capsys.readouterr().out
    assert coloured != plain and ESCAPE.sub("", coloured) == plain
    assert f"In short: {WORDS}" in plain.splitlines()


def test_help_is_coloured_where_colours_are_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--help"]) == 0
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["--help"]) == 0
    assert MAGENTA in colours(capsys.readouterr().out)


@pytest.mark.parametrize("width", ["1", "20"])
@pytest.mark.parametrize("verb", [[], ["protect"], ["reproduce"]])
def test_a_very_narrow_terminal_is_no_error(
    screen: Callable, monkeypatch: pytest.MonkeyPatch, verb: list[str], width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    shown = screen()
    assert main([*verb, "--help"]) == 0
    show({}, LINES, as_json=False, table=make_table(["name", "value"], [["a", 1.5]]))
    assert "In short" in shown.getvalue()


WIDE = make_table(
    ["target", "inputs", "claim", "basis", "ε ≥", "detects to", "power", "draws", "verdict", "by"],
    [
        [
            "release/laplace",
            "two opposite corners of the box",
            "1: strong",
            "proved",
            0.66,
            4.8,
            1.0,
            "4000",
            "pass",
            "distinguishing game",
        ]
    ],
)


@pytest.mark.parametrize("width", [80, 200])
def test_a_table_that_is_too_wide_is_told_in_lines(
    screen: Callable, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Columns were squeezed to one letter, and the first ones vanished."""
    monkeypatch.setenv("COLUMNS", str(width))
    shown = screen()
    show({}, ["One game."], as_json=False, table=WIDE)
    lines = ESCAPE.sub("", shown.getvalue()).splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert (
        "release/laplace" in text
        and "two opposite corners of the box" in text
        and "distinguishing game" in text
    )
    assert ("verdict pass; by distinguishing game" in text) == (width == 80)


@pytest.mark.parametrize("width", ["60", "80", None])
@pytest.mark.parametrize("verb", ["methods", "methods identity-dp", "models list"])
def test_a_table_in_a_pipe_is_as_wide_as_columns_say_and_ends_without_blanks(
    semveil: Callable, monkeypatch: pytest.MonkeyPatch, verb: str, width: str | None
) -> None:
    monkeypatch.delenv("COLUMNS") if width is None else monkeypatch.setenv("COLUMNS", width)
    lines = semveil(*verb.split()).stdout.splitlines()
    facts = [line for line in lines if re.match(r"[A-Z][\w ]*: |Hidden does", line)]
    assert facts and [line for line in lines if line != line.rstrip()] == []
    widest = max(len(line) for line in lines if line not in facts)
    assert widest <= int(width or 100) and (width or widest > 80)


def test_a_table_in_a_pipe_with_colours_ends_without_blanks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    show({}, as_json=False, table=make_table(["name", "what it is"], [["a", "short"], ["b", "longer text"]]))
    coloured = capsys.readouterr().out
    plain = ESCAPE.sub("", coloured).splitlines()
    assert "\x1b" in coloured and plain == [line.rstrip() for line in plain]


def test_a_table_that_is_too_wide_for_a_pipe_is_told_in_folded_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show({}, [("Written", WORDS)], as_json=False, table=WIDE)
    *rows, fact = capsys.readouterr().out.splitlines()
    assert max(map(len, rows)) <= 80 and "detects to 4.8" in " ".join(" ".join(rows).split())
    assert fact == f"Written: {WORDS}"


def test_progress_in_a_pipe_is_a_line_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 61.0, 62.0, 122.0])
    monkeypatch.setattr("semveil.cli.console.time.monotonic", lambda: next(clock))
    with stages() as advance:
        for done in range(3):
            advance("attack: linear", done, 9)
        advance("Training", 7, None, "mse", 0.25)
    assert capsys.readouterr().err.splitlines() == [
        "semveil: note: attack: linear: 1 of 9",
        "semveil: note: Training: 7, mse 0.25",
    ]
    with stages(quiet=True) as advance:
        advance("Training", 1)
    assert capsys.readouterr().err == ""


def test_colours_are_readable_on_white_and_on_black(screen: Callable) -> None:
    """Not cyan, green, yellow or white, which vanish on white, nor blue or black, which vanish on black."""
    shown, error = screen(), screen("stderr")
    main(["protect", "--help"])
    show({}, LINES, as_json=False, table=make_table(["name", "value"], [["a", 1.5]]))
    with stages() as advance:
        advance("Inverting", 1, 3)
        advance("Inverting", 3, 3)
    assert colours(shown.getvalue()) == {RED, MAGENTA}
    # what is left of a bar
    bars = {code for code in colours(error.getvalue()) if not code.startswith("38;5;237")}
    # a green of middle brightness: done
    assert "Inverting" in error.getvalue() and bars <= {MAGENTA, "38;5;70"}


def test_no_color_is_obeyed(screen: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = screen()
    main(["protect", "--help"])
    show({}, LINES, as_json=False)
    assert colours(shown.getvalue()) == set()


def test_errors_and_notes_are_folded_at_words_on_a_terminal_and_are_one_line_elsewhere(
    screen: Callable,
) -> None:
    path = "/" + "a-long-name/" * 9 + "photo.jpg"
    error = screen("stderr")
    main(["certify", path])
    note(WORDS)
    lines = error.getvalue().splitlines()
    assert any(path in line for line in lines)  # names are never torn
    assert max(len(line) for line in lines if path not in line) <= 80
    assert " ".join(error.getvalue().split()).endswith(f"semveil: note: {WORDS}")
    assert told(WORDS, io.StringIO()) == WORDS


@pytest.mark.parametrize("verb", ["demo", "transmit", "protect", "models get"])
def test_an_option_without_its_value_names_the_command_to_ask(
    semveil: Callable, failed: Callable, verb: str
) -> None:
    failed(
        semveil(*verb.split(), "--device" if verb != "models get" else "--config"),
        2,
        f"(see semveil {verb} --help)",
    )


def test_reproduce_without_a_name_lists_the_names(semveil: Callable) -> None:
    lines = dict(line.split(": ", 1) for line in semveil("reproduce").stdout.splitlines())
    assert "fig3, fig4, fig5" in lines["dp-semcom"] and "fig9, fig10, fig11" in lines["dp-image"]
    assert "fig3" in json.loads(semveil("reproduce", "--json").stdout)["figures"]["dp-semcom"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("foo", "semveil reproduce lists all names"),
        ("dp-semcam/fig3", "did you mean 'dp-semcom'?"),
        ("dp-image/fig99", "dp-image/ has fig4, fig5, fig7, fig8, fig9, fig10"),
        ("dp-image", "dp-image/ has fig4"),
    ],
)
def test_a_wrong_name_of_a_figure_is_met_with_the_right_ones(
    semveil: Callable, failed: Callable, name: str, said: str
) -> None:
    answer = semveil("reproduce", name)
    failed(answer, 2, said)
    assert len(answer.stderr) < 400
