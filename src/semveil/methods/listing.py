# SPDX-License-Identifier: Apache-2.0
"""What each method hides and leaves, and its options, for people who choose one."""

from dataclasses import dataclass
from typing import Any

from semveil.methods.options import Declared, declared_options
from semveil.methods.registry import LINK, METHODS
from semveil.methods.release import layout_of


@dataclass(frozen=True)
class Listed:
    """A method in words.

    Attributes:
        name: as users say it.
        commands: that use it.
        layout: what becomes of a photo by default; None for a method of links.
        about: the first sentence of its description.
        hides, leaves: hidden and remaining parts of a picture, in plain words; empty where the method
            declares none.
        options: by parameter.
    """

    name: str
    commands: tuple[str, ...]
    layout: str | None
    about: str
    hides: str
    leaves: str
    options: tuple[Declared, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "method": self.name,
            "commands": list(self.commands),
            "layout": self.layout,
            "about": self.about,
            "hides": self.hides,
            "leaves": self.leaves,
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
    """The description of a method.

    Args:
        name: of the method, such as `blur`.

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
        options=() if link else tuple(declared_options(kind).values()),
    )


def list_methods() -> tuple[Listed, ...]:
    """All methods, those that protect photos first."""
    return tuple(listed(name) for name in sorted(dict(METHODS.items()), key=lambda name: name == LINK))
