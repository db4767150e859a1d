# SPDX-License-Identifier: Apache-2.0
"""`semveil methods`: what each method hides and leaves visible, and its options."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import completion, options
from semveil.cli.console import Line, make_table, show

if TYPE_CHECKING:
    from semveil.methods.listing import Listed
    from semveil.methods.options import Declared


def methods(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Only this method, with its options.", metavar="NAME", autocompletion=completion.method
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List the methods: what each hides, what it leaves visible, its options.

    Example: semveil methods

    Example: semveil methods identity-dp
    """
    from semveil.methods.listing import list_methods, listed

    if name is None:
        show_methods(list_methods(), as_json=as_json)
        return
    method = listed(name)
    show(method.as_dict(), _card(method), as_json=as_json, table=None if as_json else _options_table(method))


def show_methods(found: "tuple[Listed, ...]", *, as_json: bool) -> None:
    """Print methods with their options as a table, or as one JSON object.

    Args:
        found: methods to show.
        as_json: print JSON.
    """
    rows = [row for method in found for row in _rows(method)]
    table = None if as_json else make_table(["method", "", ""], rows)
    lines: list[Line] = [
        "Hidden does not mean guaranteed: semveil certify FILE says what a picture's certificate guarantees.",
        ("One method", "semveil methods NAME, or semveil protect --method NAME --help"),
        ("Which one", "docs/which-method.md"),
    ]
    show({"methods": [method.as_dict() for method in found]}, lines, as_json=as_json, table=table)


def option_text(declared: "Declared") -> str:
    """Help text of a method's option, with its choices and default.

    Args:
        declared: the option.
    """
    allowed = f" One of {', '.join(declared.option.choices)}." if declared.option.choices else ""
    default = "" if declared.default is None else f" [default: {_plain(declared.default)}]"
    return f"{declared.option.help}{allowed}{default}"


def _plain(value: Any) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _rows(method: "Listed") -> list[list[str]]:
    facts = (
        ("hides", method.hides),
        ("leaves", method.leaves),
        ("default", method.by_default),
        ("options", _flags(method)),
    )
    known = [(name, text) for name, text in facts if text]
    return [[method.name if i == 0 else "", name, text] for i, (name, text) in enumerate(known)]


def _flags(method: "Listed") -> str:
    return " ".join(option.flag for option in method.options) or f"see {' and '.join(method.commands)}"


def _card(method: "Listed") -> list[Line]:
    command = f"semveil {method.commands[-1]} PHOTO" + (
        "" if method.layout is None else f" --method {method.name}"
    )
    lines: list[Line] = [("Method", f"{method.name}: {method.about}")]
    lines += [("Hides", method.hides)] if method.hides else []
    lines += [("Leaves", method.leaves)] if method.leaves else []
    lines += [("By default", method.by_default)] if method.by_default else []
    return [*lines, ("Next", command)]


def _options_table(method: "Listed") -> Any:
    rows = [[option.flag, option_text(option)] for option in method.options]
    return make_table(["option", "meaning"], rows) if rows else None
