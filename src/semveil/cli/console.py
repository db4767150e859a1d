"""What a user sees: progress and notes on stderr, one table or one JSON object on stdout."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from semveil.cli.streams import writing_output
from semveil.core.errors import printable

PIPED_WIDTH = 250  # columns where nobody's terminal folds a table


@contextmanager
def stages(*, quiet: bool = False) -> Iterator[Callable[..., None]]:
    """A progress bar on stderr for work in several stages; none where that is no terminal, or with `--json`.

    Yields:
        A callback: what is being done, how much is done, how much there is, and whatever else is told (a loss).
    """
    if quiet or not sys.stderr.isatty():
        yield lambda *told: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    words, more = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[more]}", markup=False)
    columns = (words, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), more)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, more="")
        shown = ""

        def advance(stage: str, done: float, total: float | None = None, *rest: Any) -> None:
            nonlocal shown
            if stage != shown:
                bar.reset(task, description=stage, total=total)
                shown = stage
            extra = " ".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in rest)
            bar.update(task, completed=done, total=total, more=extra)

        yield advance


@contextmanager
def progress(label: str, *, quiet: bool = False) -> Iterator[Callable[..., None]]:
    """The same for work in one stage; the callback takes done, total and the rest."""
    with stages(quiet=quiet) as advance:
        advance(label, 0)
        yield partial(advance, label)


def note(text: str) -> None:
    """One line on stderr that is no error."""
    print(f"semveil: note: {printable(text)}", file=sys.stderr)


@contextmanager
def when_interrupted(told: Callable[[], str]) -> Iterator[None]:
    """Say what is kept where Ctrl-C or a signal ends the block.

    Args:
        told: what is kept, and how to go on, in words.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        note(told())
        raise


def show(result: dict[str, Any], lines: Sequence[str] = (), *, as_json: bool, table: Any = None) -> None:
    """The result of a verb on stdout: one JSON object, or a table and lines of text."""
    with writing_output():
        if as_json:
            print(json.dumps(result, indent=1, allow_nan=False))  # in ASCII: names hold what no terminal or UTF-8 has
        else:
            _show_text(lines, table)


def _show_text(lines: Sequence[str], table: Any) -> None:
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
    if table is not None:
        console.print(table)
    for line in lines:
        console.print(printable(line), markup=False, soft_wrap=not console.is_terminal)


def make_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Any:
    """A table; numbers to the right, None as a dash."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for i, column in enumerate(columns):
        number = any(isinstance(row[i], float) for row in rows)
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else printable(str(value))
