# SPDX-License-Identifier: Apache-2.0
"""Options of methods, read from the annotations of their constructors."""

import inspect
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from semveil.core.registry import suggest

KINDS = (int, float, str, bool)


@dataclass(frozen=True)
class Option:
    """Marks a keyword parameter of a method's constructor as an option for users.

    Written `Annotated[float, Option("...")]`. The option has the parameter's type (int, float, str, bool, any
    of them or None) and default.

    Args:
        help: one line, with the unit.
        choices: allowed texts, if limited.
    """

    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Declared:
    """Option declared by a method.

    Attributes:
        name: name of the parameter, such as `noise_seed`.
        kind: int, float, str or bool.
        default: default of the parameter; None where the method decides.
        option: help and choices.
    """

    name: str
    kind: type
    default: Any
    option: Option

    @property
    def flag(self) -> str:
        """Command-line flag, such as `--noise-seed`."""
        return "--" + self.name.replace("_", "-")

    def read(self, text: str) -> Any:
        """Parse a value from text.

        Args:
            text: command-line argument; `true` or `false` for a bool.

        Raises:
            ValueError: the text is of another type, is not finite, or is not an allowed choice.
        """
        if self.option.choices and text not in self.option.choices:
            near = suggest(text, self.option.choices)
            raise ValueError(
                f"{self.flag} has no choice {text!r}{near}; allowed: {', '.join(self.option.choices)}"
            )
        if self.kind is bool:
            if text not in ("true", "false"):
                raise ValueError(f"{self.flag} is true or false, got {text!r}")
            return text == "true"
        try:
            value = self.kind(text)
        except ValueError:
            words = {int: "a whole number", float: "a number"}[self.kind]
            raise ValueError(f"{self.flag} takes {words}, got {text!r}") from None
        if self.kind is float and not math.isfinite(value):
            raise ValueError(f"{self.flag} takes a finite number, got {text!r}")
        return value


def plain_numbers(options: Mapping[str, Any]) -> dict[str, Any]:
    """The same options, with scalars of numpy and torch as numbers of Python, which exact arithmetic needs.

    Args:
        options: values by name.

    Example:
        >>> import numpy as np
        >>> plain_numbers({"epsilon": np.float32(0.5), "styles": 3, "layout": "crops"})
        {'epsilon': 0.5, 'styles': 3, 'layout': 'crops'}
    """
    return {
        name: value.item() if getattr(value, "shape", None) == () else value
        for name, value in options.items()
    }


def declared_options(method: type) -> dict[str, Declared]:
    """Options of a method by parameter name, in the order of its constructor.

    Args:
        method: class whose constructor marks options by `Annotated[..., Option(...)]`.

    Raises:
        TypeError: an option has no default, or a type other than int, float, str or bool.

    Example:
        >>> class Blur:
        ...     def __init__(self, *, sigma: Annotated[float, Option("Width in pixels.")] = 4.0) -> None: ...
        >>> declared_options(Blur)["sigma"].flag, declared_options(Blur)["sigma"].read("2")
        ('--sigma', 2.0)
    """
    constructor = method.__init__  # type: ignore[misc]
    hints = get_type_hints(constructor, include_extras=True)
    found = {}
    for name, parameter in inspect.signature(constructor).parameters.items():
        hint = hints.get(name)
        option = next((extra for extra in get_args(hint)[1:] if isinstance(extra, Option)), None)
        if get_origin(hint) is not Annotated or option is None:
            continue
        if parameter.default is inspect.Parameter.empty:
            raise TypeError(f"option {name!r} of {method.__name__} needs a default")
        found[name] = Declared(name, _kind(get_args(hint)[0], name), parameter.default, option)
    return found


def read_options(method: type, texts: Mapping[str, str]) -> dict[str, Any]:
    """Constructor arguments from command-line flags.

    Args:
        method: class of the method.
        texts: value by flag, such as `--sigma`.

    Raises:
        ValueError: the method has no such option, or a value cannot be parsed.
    """
    known = {declared.flag: declared for declared in declared_options(method).values()}
    values = {}
    for flag, text in texts.items():
        if flag not in known:
            name = getattr(method, "name", method.__name__)
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise ValueError(f"method {name!r} has no option {flag}{suggest(flag, known)}; {has}")
        values[known[flag].name] = known[flag].read(text)
    return values


class Shown:
    """Mixin whose `repr` shows a method's model and the options that differ from their defaults."""

    def __repr__(self) -> str:
        model = getattr(getattr(self, "model", None), "name", None)
        parts = [] if model is None else [repr(model)]
        for name, declared in declared_options(type(self)).items():
            value = getattr(
                self, {"epsilon": "nominal_epsilon"}.get(name, name), getattr(self, name, declared.default)
            )
            if isinstance(value, KINDS) and value != declared.default:
                parts.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"


def _kind(hint: Any, name: str) -> type:
    kinds = (
        [kind for kind in get_args(hint) if kind is not type(None)]
        if get_origin(hint) in (Union, types.UnionType)
        else [hint]
    )
    if len(kinds) != 1 or kinds[0] not in KINDS:
        raise TypeError(f"option {name!r} must be an int, float, str or bool (or None), got {hint}")
    return kinds[0]
