# SPDX-License-Identifier: Apache-2.0
"""Settings: a frozen dataclass as schema and defaults, a TOML file of values, `a.b=c` overrides."""

import dataclasses
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from semveil.core.errors import SemveilError
from semveil.core.registry import suggest
from semveil.core.text import read_text

T = TypeVar("T")
# Far above any width, side or depth of a network; settings may be used as exponents of 2.
LARGEST_INT = 1 << 15


class ConfigError(SemveilError):
    """A settings file or override does not match the schema."""

    exit_code = 2


def read_config(
    schema: type[T],
    path: Path | None = None,
    overrides: Sequence[str] = (),
    *,
    defaults: T | None = None,
    besides: Sequence[str] = (),
) -> T:
    """Build settings from the schema's defaults, a TOML file and overrides, in this order.

    Args:
        schema: a frozen dataclass whose fields all have defaults; nested dataclasses are TOML tables.
        path: the TOML file.
        overrides: such as `steps=100` or `generator.size=64`; values in TOML syntax, quotes optional.
        defaults: replaces the schema's defaults.
        besides: tables of the file that are not settings; they are ignored.

    Raises:
        ConfigError: a key is unknown, a value has the wrong type, or the file is not TOML.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Run:
        ...     steps: int = 100
        ...     rate: float = 0.1
        >>> read_config(Run, overrides=["rate=1"])
        Run(steps=100, rate=1.0)
        >>> read_config(Run, overrides=["step=1"])
        Traceback (most recent call last):
        ...
        semveil.core.config.ConfigError: no setting named 'step' (did you mean 'steps'?); settings: steps,
        rate
    """
    values = read_toml(path) if path else {}
    for name in besides:
        values.pop(name, None)
    for text in overrides:
        values = _merged(values, _override(text))
    return _replace(
        schema() if defaults is None else defaults, values, ""
    )  # all at once: interdependent settings may be invalid one at a time


def check_kinds(schema: type, values: object) -> None:
    """Check values from a settings file against a dataclass's annotations (int, float, bool, str, tuples).

    Args:
        schema: the dataclass.
        values: object from the file; names outside the schema are ignored.

    Raises:
        ValueError: the values are not a mapping, or one has the wrong type, is not finite, or is an int
            beyond `LARGEST_INT`; the message names the setting.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Sizes:
        ...     widths: tuple[int, ...] = (1,)
        >>> check_kinds(Sizes, {"widths": [8, "x"]})
        Traceback (most recent call last):
        ...
        ValueError: widths holds [8, 'x'], expected a list of int
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"settings are an object with names, got {ascii(values)[:60]}")
    hints = get_type_hints(schema)
    for name, value in values.items():
        if name in hints and not _is_of_kind(value, hints[name]):
            inner = get_args(hints[name])[0] if get_origin(hints[name]) is tuple else hints[name]
            kind = getattr(inner, "__name__", str(inner))
            expected = f"a list of {kind}" if get_origin(hints[name]) is tuple else f"a sensible {kind}"
            raise ValueError(f"{name} holds {ascii(value)[:60]}, expected {expected}")


def _is_of_kind(value: object, hint: Any) -> bool:
    if get_origin(hint) is tuple:
        items = get_args(hint)
        fixed = Ellipsis not in items
        return (
            isinstance(value, list | tuple)
            and (not fixed or len(value) == len(items))
            and all(_is_of_kind(item, items[0]) for item in value)
        )
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    if hint is int:
        return type(value) is int and abs(value) <= LARGEST_INT
    if hint in (bool, str):
        return type(value) is hint
    return True


def as_json(settings: Any) -> str:
    """Return resolved settings as indented JSON, for storage with their results.

    Args:
        settings: a dataclass instance.
    """
    return json.dumps(dataclasses.asdict(settings), indent=1) + "\n"


def read_toml(path: Path, what: str = "settings file") -> dict[str, Any]:
    """Read the tables of a TOML file.

    Args:
        path: of the file.
        what: kind of file, for the message.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(read_text(path))
    except OSError as error:
        raise ConfigError(f"cannot read the {what} {str(path)!r}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # no text, no TOML, or nested too deeply
        raise ConfigError(f"the {what} {str(path)!r} is no TOML: {error}") from error


def _override(text: str) -> dict[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise ConfigError(
            f"cannot read the override {text!r}; write for example steps=100 or generator.size=64"
        )
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    for name in reversed(key.strip().split(".")):
        parsed = {name: parsed}
    return parsed


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two tables recursively; the second takes precedence."""
    both = dict(first)
    for name, value in second.items():
        mine = both.get(name)
        both[name] = _merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return both


def _replace(settings: Any, values: Mapping[str, Any], prefix: str) -> Any:
    hints = get_type_hints(type(settings))
    names = [field.name for field in dataclasses.fields(settings)]
    changes = {}
    for name, value in values.items():
        if name not in names:
            raise ConfigError(
                f"no setting named {prefix + name!r}{suggest(name, names)}; settings: {', '.join(names)}"
            )
        current = getattr(settings, name)
        if dataclasses.is_dataclass(current):
            if not isinstance(value, dict):
                raise ConfigError(
                    f"{prefix}{name} is a table of settings, got {value!r}; write for example "
                    f"{prefix}{name}.x=1"
                )
            changes[name] = _replace(current, value, f"{prefix}{name}.")
        else:
            changes[name] = _typed(prefix + name, value, hints[name])
    try:
        return dataclasses.replace(settings, **changes)
    except ValueError as error:
        raise ConfigError(f"settings do not fit together: {error}") from error


def _typed(name: str, value: Any, hint: Any) -> Any:
    """Convert a TOML value to the annotated type: int, float, bool, str or a tuple of one of them."""
    if get_origin(hint) is tuple:
        items = get_args(hint)
        fixed = Ellipsis not in items
        if not isinstance(value, list) or (fixed and len(value) != len(items)):
            raise ConfigError(f"{name} must be a list{f' of {len(items)}' if fixed else ''}, got {value!r}")
        return tuple(_typed(name, item, items[0]) for item in value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ConfigError(f"{name} must be of type {getattr(hint, '__name__', hint)}, got {value!r}")
    return value
