# SPDX-License-Identifier: Apache-2.0
"""Fields of certificates as JSON has them: read strictly, so that a damaged or forged one is refused with the reason."""

from dataclasses import fields
from typing import Any, NoReturn, cast

from semveil.core.registry import suggest


def read_record(kind: type, content: Any) -> Any:
    """A small dataclass from its JSON; numbers and texts must be what their annotations say."""
    plain = fields_of(kind, content)
    checks = {float: is_number, int: lambda value: type(value) is int, bool: lambda value: type(value) is bool}
    for part in fields(kind):
        check = checks.get(cast(type, part.type), lambda value: isinstance(value, str))
        check_field(check(plain[part.name]), f"{part.name}, {getattr(part.type, '__name__', part.type)}", plain[part.name])
    return kind(**plain)


def fields_of(kind: type, content: Any) -> dict[str, Any]:
    """The fields of a dataclass from its JSON: all of them, and no other.

    Raises:
        ValueError: one is missing or unknown, or it is no object.
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
    """A list of one type, as a tuple."""
    check_field(isinstance(values, list) and all(type(v) is kind for v in values), f"a list of {kind.__name__}", values)
    return tuple(values)


def is_number(value: Any) -> bool:
    """Whether it is a finite number, and no truth value."""
    return type(value) in (int, float) and abs(value) <= 1e300


def check_field(valid: object, requirement: str, got: object) -> None:
    """Refuse a certificate that does not have what it needs."""
    if not valid:
        raise ValueError(f"a certificate needs {requirement}; got {ascii(got)[:200]}")


def no_constant(constant: str) -> NoReturn:
    """For `json.loads`: NaN and infinities are no numbers."""
    raise ValueError(f"{constant} is not allowed")


def no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `json.loads`: what stands twice could be read in two ways."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a field stands in it twice")
    return content
