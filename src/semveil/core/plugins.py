# SPDX-License-Identifier: Apache-2.0
"""Entry points by which other packages extend semveil: found without an import, imported on first access."""

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from semveil.core.errors import SemveilError, printable


class PluginError(SemveilError):
    """An entry point cannot be used; the message names its package."""


class PluginWarning(UserWarning):
    """An entry of another package is skipped."""


@dataclass(frozen=True)
class Plugin:
    """An entry point of another package.

    Attributes:
        name: as users say it.
        package: who adds it, with the version.
        point: where it is imported from.
    """

    name: str
    package: str
    point: EntryPoint

    def load(self, kind: str) -> Any:
        """Import it.

        Args:
            kind: of the entry, for the message, such as `channel`.

        Raises:
            PluginError: the package cannot be imported or has no such object.
        """
        try:
            return self.point.load()
        except Exception as error:
            raise self.unusable(kind, f"{type(error).__name__}: {error}") from error

    def unusable(self, kind: str, reason: str) -> PluginError:
        """Error that attributes a failure to the package that provides the entry point.

        Args:
            kind: of the entry, such as `channel`.
            reason: of the failure; its first line is kept.
        """
        line = printable(reason.strip().partition("\n")[0])
        return PluginError(
            f"{kind} {self.name!r} of package {self.package} cannot be used: {line}; update or uninstall it"
        )


def plugins(group: str) -> tuple[Plugin, ...]:
    """The entry points of a group in all installed packages, in the order of `sys.path`; nothing of them is imported.

    Args:
        group: such as `semveil.channels`.

    Example:
        >>> plugins("semveil.nothing")
        ()
    """
    return _all_plugins(tuple(sys.path)).get(group, ())


@lru_cache(maxsize=1)
def _all_plugins(path: tuple[str, ...]) -> dict[str, tuple[Plugin, ...]]:
    """All groups of semveil at once; read again where the path has changed."""
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
