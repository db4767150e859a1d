# SPDX-License-Identifier: Apache-2.0
"""Entry points by which other packages extend semveil, listed without importing them."""

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from semveil.core.errors import SemveilError, printable


class PluginError(SemveilError):
    """An entry point cannot be used; the message names its package."""


class PluginWarning(UserWarning):
    """An entry point of another package is skipped."""


@dataclass(frozen=True)
class Plugin:
    """An entry point of another package.

    Attributes:
        name: name by which users select it.
        package: name and version of the package that provides it.
        point: the entry point to import.
    """

    name: str
    package: str
    point: EntryPoint

    def load(self, kind: str) -> Any:
        """Import the object.

        Args:
            kind: kind of entry, for the message, such as `channel`.

        Raises:
            PluginError: the package cannot be imported or has no such object.
        """
        try:
            return self.point.load()
        except Exception as error:
            raise self.unusable(kind, f"{type(error).__name__}: {error}") from error

    def unusable(self, kind: str, reason: str) -> PluginError:
        """Return an error that attributes a failure to the package that provides the entry point.

        Args:
            kind: kind of entry, such as `channel`.
            reason: reason for the failure; its first line is kept.
        """
        line = printable(reason.strip().partition("\n")[0])
        return PluginError(
            f"{kind} {self.name!r} of package {self.package} cannot be used: {line}; update or uninstall it"
        )


def plugins(group: str) -> tuple[Plugin, ...]:
    """Return a group's entry points in all installed packages, in the order of `sys.path`.

    Nothing is imported.

    Args:
        group: group name, such as `semveil.channels`.

    Example:
        >>> plugins("semveil.nothing")
        ()
    """
    return _all_plugins(tuple(sys.path)).get(group, ())


@lru_cache(maxsize=1)
def _all_plugins(path: tuple[str, ...]) -> dict[str, tuple[Plugin, ...]]:
    """Read all groups of semveil; cached until the path changes."""
    found: dict[str, tuple[Plugin, ...]] = {}
    points = entry_points()
    for group in points.groups:
        if group.startswith("semveil."):
            found[group] = tuple(
                Plugin(point.name, _package(point), point) for point in points.select(group=group)
            )
    return found


def _package(point: EntryPoint) -> str:
    return "of no name" if point.dist is None else f"{point.dist.name} {point.dist.version}"
