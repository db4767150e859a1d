# SPDX-License-Identifier: Apache-2.0
"""Strict parsing of certificate fields from JSON; invalid ones are rejected with a reason."""

from dataclasses import fields
from typing import Any, NoReturn, cast

from semveil.core.registry import suggest


def read_record(kind: type, content: Any) -> Any:
    """Construct a flat dataclass from JSON, checking values against the field annotations.

    Annotations are float, int, bool, or otherwise str.

    Args:
        kind: the dataclass.
        content: of any type.

    Raises:
        ValueError: as for `fields_of`, a value has another type, or the dataclass rejects it.
    """
    plain = fields_of(kind, content)
    checks = {
        float: is_number,
        int: lambda value: type(value) is int,
        bool: lambda value: type(value) is bool,
    }
    for part in fields(kind):
        check = checks.get(cast(type, part.type), lambda value: isinstance(value, str))
        check_field(
            check(plain[part.name]),
            f"{part.name}, {getattr(part.type, '__name__', part.type)}",
            plain[part.name],
        )
    return kind(**plain)


def fields_of(kind: type, content: Any) -> dict[str, Any]:
    """Validate that a JSON value is an object with exactly the fields of a dataclass, and return a copy.

    Args:
        kind: the dataclass.
        content: of any type.

    Raises:
        ValueError: it is not an object, or a field is missing or unknown.
    """
    names = {f.name for f in fields(kind)}
    if not isinstance(content, dict):
        raise ValueError(f"expected an object for {kind.__name__}, got {type(content).__name__}")
    if unknown := sorted(set(content) - names):
        raise ValueError(f"unknown field {unknown[0]!r}{suggest(unknown[0], names)} in {kind.__name__}")
    if missing := sorted(names - set(content)):
        raise ValueError(f"{kind.__name__} lacks {', '.join(missing)}")
    return dict(content)


def tuple_of(values: Any, kind: type) -> tuple[Any, ...]:
    """Convert a JSON list of one type to a tuple.

    Args:
        values: of any type.
        kind: exact type of the elements; a bool is not an int.

    Raises:
        ValueError: it is not a list, or an element has another type.

    Example:
        >>> tuple_of([1, 2], int)
        (1, 2)
    """
    check_field(
        isinstance(values, list) and all(type(v) is kind for v in values),
        f"a list of {kind.__name__}",
        values,
    )
    return tuple(values)


def is_number(value: Any) -> bool:
    """Whether a value is a finite int or float of magnitude at most 1e300, and not a bool.

    Args:
        value: of any type.
    """
    return type(value) in (int, float) and abs(value) <= 1e300


def check_field(valid: object, requirement: str, got: object) -> None:
    """Reject an invalid certificate field.

    Args:
        valid: the result of the check.
        requirement: on the field, for the message.
        got: the rejected value, for the message.

    Raises:
        ValueError: `valid` is false.
    """
    if not valid:
        raise ValueError(f"a certificate needs {requirement}; got {ascii(got)[:200]}")


def no_constant(constant: str) -> NoReturn:
    """Reject NaN and infinities, as `parse_constant` for `json.loads`.

    Args:
        constant: as in the text.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{constant} is not allowed")


def no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Reject repeated keys, which are ambiguous, as `object_pairs_hook` for `json.loads`.

    Args:
        pairs: of one JSON object.

    Raises:
        ValueError: a key occurs twice.
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a field stands in it twice")
    return content
