# SPDX-License-Identifier: Apache-2.0
"""Layout of help: two columns for 80-column terminals, grouped options, examples that can be copied."""

import re
import textwrap
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from semveil.cli.terminal import CODE, NAME, NARROWEST

WIDEST = 100  # columns; longer lines are hard to read
LEFT = 26  # columns of the names; a longer one gets its own line
EXAMPLE = "Example: "
OPTIONS = "Options"  # heading of options without a panel
_CODE = re.compile(r"`([^`]+)`")


def command_help(command: Any, context: typer.Context) -> str:
    """Help of a command: usage, description, examples, options by group.

    Args:
        command: a typer command or group.
        context: context of the command line.
    """
    out = _Page()
    out.write(
        Text.assemble(("Usage: ", "bold"), f"{context.command_path} {' '.join(_usage(command, context))}")
    )
    text = command.help_text(context) if hasattr(command, "help_text") else command.help
    for paragraph in _paragraphs(text or ""):
        out.paragraph(paragraph)
    params = [param for param in command.get_params(context) if not getattr(param, "hidden", False)]
    arguments = [param for param in params if param.param_type_name == "argument"]
    out.section("Arguments", [_argument(param) for param in arguments])
    if hasattr(command, "list_commands"):
        _commands(out, command, context)
    options = [param for param in params if param.param_type_name == "option"]
    panels = dict.fromkeys(_panel(param) for param in options)
    for panel in sorted(panels, key=lambda name: name == OPTIONS):  # options common to all commands come last
        out.section(panel, [_option(param, context) for param in options if _panel(param) == panel])
    return out.text()


def in_colour() -> bool:
    """Whether help has colours: on a terminal, or if FORCE_COLOR is set."""
    return Console().is_terminal


def short_help(command: Any) -> str:
    """First sentence of a command's help, without markup and full stop.

    Args:
        command: a typer command.
    """
    first = (_paragraphs(command.short_help or command.help or "") or [""])[0]
    return _CODE.sub(r"\1", re.split(r"(?<=\w)\. |\.$", first)[0])


def _usage(command: Any, context: typer.Context) -> Iterable[str]:
    for param in command.get_params(context):
        if param.param_type_name == "argument":
            name = param.metavar or param.name.upper()
            yield name if param.required else f"[{name}]"
    if hasattr(command, "list_commands"):
        yield "COMMAND"
    yield "[OPTIONS]"


def _commands(out: "_Page", group: Any, context: typer.Context) -> None:
    found = [group.get_command(context, name) for name in group.list_commands(context)]
    panels: dict[str, list[tuple[str, str]]] = {}
    for command in found:
        name = getattr(command, "rich_help_panel", None)
        panels.setdefault(name if isinstance(name, str) else "Commands", []).append(
            (command.name, short_help(command))
        )
    left = 2 + max(len(command.name) for command in found)
    for heading, rows in panels.items():
        out.section(heading, rows, left=left)


def _panel(param: Any) -> str:
    return getattr(param, "rich_help_panel", None) or OPTIONS


def _argument(param: Any) -> tuple[str, str]:
    return param.metavar or param.name.upper(), param.help or ""


def _option(param: Any, context: typer.Context) -> tuple[str, str]:
    names = sorted(param.opts, key=len)
    left = ", ".join(names)
    if param.secondary_opts:
        left += f" / {', '.join(param.secondary_opts)}"
    is_flag = getattr(param, "is_flag", False)
    if not is_flag and not getattr(param, "count", False):
        left += f" {param.metavar or 'N'}"
    text = param.help or ""
    default = _default(param, context)
    if default:
        text += f" [default: {default}]"
    elif param.required:
        text += " [required]"
    return left, text


def _default(param: Any, context: typer.Context) -> str:
    """Default value as text; empty if the help states it or there is none."""
    value = param.get_default(context, call=False)
    if not getattr(param, "show_default", True) or value is None or value in ((), []) or callable(value):
        return ""
    if isinstance(value, bool):
        if param.secondary_opts:
            return str((param.opts if value else param.secondary_opts)[0]).lstrip("-")
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]


class _Page:
    """A page of help as text, with colours if stdout is a terminal or FORCE_COLOR is set."""

    def __init__(self) -> None:
        self._console = Console(file=StringIO(), force_terminal=in_colour(), highlight=False)
        self._console.width = max(min(Console().width, WIDEST), NARROWEST)

    def write(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)

    def paragraph(self, text: str) -> None:
        self.write(Text())
        if text.startswith(EXAMPLE):  # never folded, so that it can be copied
            self.write(Text.assemble((EXAMPLE, "bold"), text.removeprefix(EXAMPLE)))
            return
        for line in _folded(text, self._console.width - 1):
            self.write(line)

    def section(self, heading: str, rows: Sequence[tuple[str, str]], *, left: int = LEFT) -> None:
        if not rows:
            return
        self.write(Text())
        self.write(Text(heading, "bold"))
        for name, text in rows:
            lines = _folded(text, self._console.width - left - 3)
            if len(name) > left - 2:
                self.write(Text.assemble("  ", _named(name)))
            else:
                first = lines.pop(0) if lines else Text()
                self.write(Text.assemble("  ", _named(name), " " * (left - len(name)), first))
            for line in lines:
                self.write(Text.assemble(" " * (left + 2), line))

    def text(self) -> str:
        file = self._console.file
        assert isinstance(file, StringIO)
        return file.getvalue()


def _named(name: str) -> Text:
    """Name of an option highlighted, its metavar plain."""
    words = re.split(r"(\s+)", name)
    return Text.assemble(*((word, NAME if word.startswith("-") or len(words) == 1 else "") for word in words))


def _folded(text: str, width: int) -> list[Text]:
    """The text wrapped to `width` columns, with code highlighted and choices in quotes."""
    code: set[str] = set()

    def unquoted(found: re.Match[str]) -> str:
        name = found[1] if found[1].startswith(("semveil ", "-")) else f"'{found[1]}'"
        code.add(name)
        return name

    plain = _CODE.sub(unquoted, text)
    lines = [
        Text(line) for line in textwrap.wrap(plain, width, break_long_words=False, break_on_hyphens=False)
    ]
    for line in lines:
        line.highlight_words(sorted(code, key=len, reverse=True), CODE)
        line.highlight_regex(r"(?<![\w-])--?[a-z][a-z-]*", CODE)
    return lines
