# SPDX-License-Identifier: Apache-2.0
"""Descriptions of the methods for users: what each hides and leaves, and its options."""

from dataclasses import dataclass
from typing import Any

from semveil.methods.options import Declared, declared_options
from semveil.methods.registry import LINK, METHODS
from semveil.methods.release import layout_of


@dataclass(frozen=True)
class Listed:
    """Description of a method.

    Attributes:
        name: registered name of the method.
        commands: commands that use it.
        layout: default treatment of a photo; None for a link method.
        about: first line of the class's docstring.
        hides, leaves: hidden and remaining parts of an image, in plain words; empty where the method declares
            none.
        by_default: guarantee with the default options, in words; empty where the method declares none.
        options: options in the order of the constructor.
    """

    name: str
    commands: tuple[str, ...]
    layout: str | None
    about: str
    hides: str
    leaves: str
    by_default: str
    options: tuple[Declared, ...]

    def as_dict(self) -> dict[str, Any]:
        """Description as a JSON-ready dictionary."""
        return {
            "method": self.name,
            "commands": list(self.commands),
            "layout": self.layout,
            "about": self.about,
            "hides": self.hides,
            "leaves": self.leaves,
            "by_default": self.by_default,
            "options": [
                {
                    "option": declared.flag,
                    "type": declared.kind.__name__,
                    "default": declared.default,
                    "choices": list(declared.option.choices),
                    "help": declared.option.help,
                }
                for declared in self.options
            ],
        }


def listed(name: str) -> Listed:
    """Describe a method.

    Args:
        name: name of the method, such as `blur`.

    Raises:
        ValueError: there is no such method.

    Example:
        >>> listed("blur").hides, [option.flag for option in listed("blur").options]
        ('fine detail of the face', ['--sigma', '--size'])
    """
    kind: Any = METHODS[name]
    link = name == LINK
    return Listed(
        name=name,
        commands=("send", "transmit") if link else ("protect",),
        layout=None if link else layout_of(kind).value,
        about=(kind.__doc__ or "").strip().partition("\n")[0],
        hides=getattr(kind, "hides", ""),
        leaves=getattr(kind, "leaves", ""),
        by_default=getattr(kind, "by_default", ""),
        options=() if link else tuple(declared_options(kind).values()),
    )


def list_methods() -> tuple[Listed, ...]:
    """Descriptions of all methods, those that protect photos first."""
    return tuple(listed(name) for name in sorted(dict(METHODS.items()), key=lambda name: name == LINK))
