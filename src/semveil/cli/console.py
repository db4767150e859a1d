# SPDX-License-Identifier: Apache-2.0
"""Output to the user: progress and notes on stderr, one table or one JSON object on stdout."""

import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from semveil.cli.streams import INTERRUPTED, SIGNALLED, tell_end, writing_output
from semveil.cli.terminal import ALARM, CODE, NARROWEST, told
from semveil.core.errors import printable

PIPED_WIDTH = 100  # columns of a table that is not printed on a terminal, unless COLUMNS is set
TELL_EVERY = 60.0  # seconds between progress lines where stderr is no terminal
NEVER_FOLDED = 12  # columns; words and numbers in a table up to this width are not wrapped
NOTHING_KEPT = "nothing is written yet; run the same command again to start over"
ALARMS = ("UNPROTECTED", "REFUTED", "UNDONE", "protects nobody", "no guarantee")


@contextmanager
def stages(*, quiet: bool = False) -> Iterator[Callable[..., None]]:
    """Show a progress bar on stderr for work in several stages; one line a minute if it is not a terminal.

    Args:
        quiet: show nothing, as with `--json`.

    Yields:
        A callback (stage, done, total, *more): the stage's name, the amounts done and in total, and further
            values such as a loss.
    """
    if quiet or not sys.stderr.isatty():
        yield (lambda *ignored: None) if quiet else _told_each_minute()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.theme import Theme

    theme = Theme(
        {"progress.download": "none", "progress.remaining": "none", "bar.complete": CODE, "bar.pulse": CODE}
    )
    words, more = (
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[more]}", markup=False),
    )
    columns = (words, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), more)
    with Progress(*columns, console=Console(stderr=True, theme=theme), transient=True) as bar:
        task = bar.add_task("", total=None, more="")
        shown = ""

        def advance(stage: str, done: float, total: float | None = None, *rest: Any) -> None:
            nonlocal shown
            if stage != shown:
                bar.reset(task, description=stage, total=total)
                shown = stage
            bar.update(task, completed=done, total=total, more=_more(rest))

        yield advance


def _told_each_minute() -> Callable[..., None]:
    """Callback of `stages` that prints a note when `TELL_EVERY` seconds have passed since the last one."""
    last = time.monotonic()

    def advance(stage: str, done: float, total: float | None = None, *rest: Any) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= TELL_EVERY:
            last = now
            of = "" if total is None else f" of {total}"
            note(", ".join(part for part in (f"{stage}: {done}{of}", _more(rest)) if part))

    return advance


def _more(values: Sequence[Any]) -> str:
    """Further values of a progress callback as text."""
    return " ".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in values)


@contextmanager
def progress(label: str, *, quiet: bool = False) -> Iterator[Callable[..., None]]:
    """Show a progress bar for work in one stage, as `stages` does.

    Args:
        label: name of the stage.
        quiet: show nothing, as with `--json`.

    Yields:
        A callback (done, total, *more).
    """
    with stages(quiet=quiet) as advance:
        advance(label, 0)
        yield partial(advance, label)


def note(text: str) -> None:
    """Print a note, as opposed to an error, to stderr.

    Args:
        text: one line; unprintable characters are escaped.
    """
    print(told(f"semveil: note: {printable(text)}", sys.stderr), file=sys.stderr)


@contextmanager
def when_interrupted(kept: Callable[[], str] | str) -> Iterator[None]:
    """Print what is kept if Ctrl-C or a signal ends the block.

    Args:
        kept: message that says what is kept and how to resume, or a function that returns it.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        code = error.code if isinstance(error, SystemExit) else INTERRUPTED
        if isinstance(code, int) and code > SIGNALLED:
            tell_end(code, kept if isinstance(kept, str) else kept())
        raise


Line = str | tuple[str, str]
"""A sentence, or a label and its text; an empty label continues the line above."""


def show(result: dict[str, Any], lines: Sequence[Line] = (), *, as_json: bool, table: Any = None) -> None:
    """Print the result of a command on stdout: one JSON object, or a table and lines of text.

    Args:
        result: JSON-ready result.
        lines: sentences, wrapped at words, and labelled facts, printed in two columns.
        as_json: print the result and nothing else.
        table: result of `make_table`, printed above the lines.
    """
    with writing_output():
        if as_json:
            # in ASCII: file names may contain what terminals or UTF-8 cannot represent
            print(json.dumps(result, indent=1, allow_nan=False))
        else:
            _show_text(lines, table)


def _show_text(lines: Sequence[Line], table: Any) -> None:
    from rich.console import Console

    # terminals only: with FORCE_COLOR, output to a file has colours but the same lines
    fold = sys.stdout.isatty()
    console = Console(highlight=False)
    if not fold:
        console.width = shutil.get_terminal_size((PIPED_WIDTH, 24)).columns
    console.width = max(console.width, NARROWEST)
    if table is not None and _fits(table, console):
        _print_table(table, console)
    elif table is not None:
        rows = _as_lines(table)
        if fold:
            lines = [*rows, *lines]
        else:  # only facts are one line each in a pipe
            _print_folded(rows, console)
    if fold:
        _print_folded(lines, console)
        return
    for line in lines:
        console.print(_unfolded(line), soft_wrap=True)


def _print_table(table: Any, console: Any) -> None:
    """Print a table without the blanks that fill its last column."""
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        # blanks at the end, also between the codes of colours
        print(re.sub(r"(?:\x1b\[[\d;]*m| )+$", lambda end: end[0].replace(" ", ""), line))


def _print_folded(lines: Sequence[Line], console: Any) -> None:
    column = 2 + max((len(line[0]) for line in lines if not isinstance(line, str)), default=0)
    for line in lines:
        for part in _folded(line, column, console):
            console.print(part, soft_wrap=True)


def _fits(table: Any, console: Any) -> bool:
    """Whether every column is as wide as its words; otherwise rich would break them letter by letter."""
    wide = console.options.update(max_width=10_000)  # otherwise the minimum is capped at the console's width
    return bool(console.measure(table, options=wide).minimum <= console.width)


def _as_lines(table: Any) -> list[Line]:
    """Rows of a table too wide for the terminal: the first cell, then the others with their headings."""
    headings = [str(column.header) for column in table.columns]
    rows = zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True)
    return [
        (
            row[0],
            "; ".join(f"{name} {cell}" for name, cell in zip(headings[1:], row[1:], strict=True) if cell),
        )
        for row in rows
    ]


def _unfolded(line: Line) -> Any:
    """A single line, so that programs find it by its label."""
    if isinstance(line, str):
        return _marked(line)
    label, text = line
    return _marked(f"{label}: {text}" if label else f"  {text}")


def _folded(line: Line, column: int, console: Any) -> Iterator[Any]:
    """Lines that fit the terminal, without trailing blanks, which would be copied too."""
    from rich.text import Text

    label, text = ("", line) if isinstance(line, str) else line
    beside = 0 if isinstance(line, str) else column
    for i, part in enumerate(_marked(text).wrap(console, console.width - beside, overflow="fold")):
        part.rstrip()
        yield Text.assemble((f"{'' if i else label:{beside}}", "bold"), part)


def _marked(line: str) -> Any:
    """Text with warnings in red, which is legible on light and dark terminals."""
    from rich.text import Text

    text = Text(printable(line))
    text.highlight_words(ALARMS, ALARM)
    return text


def make_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Any:
    """Table for the terminal; columns with floats are right-aligned, and None is shown as a dash.

    Args:
        columns: headings.
        rows: one value for each column.

    Returns:
        A `rich.table.Table`.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for i, column in enumerate(columns):
        number = any(isinstance(row[i], float) for row in rows)
        longest = max((len(_cell(row[i])) for row in rows), default=0)
        table.add_column(
            column,
            justify="right" if number else "left",
            overflow="fold",
            no_wrap=longest <= NEVER_FOLDED,
            min_width=min(longest, NEVER_FOLDED),
        )
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else printable(str(value))
