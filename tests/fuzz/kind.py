# SPDX-License-Identifier: Apache-2.0
"""A kind of file that is fuzzed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from semveil.core.errors import SemveilError


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: of a good file, whose suffix may matter.
        make: writes a good one.
        read: reads one; what it raises for a bad one is one of `refusals`.
    """

    name: str
    make: Callable[[Path], object]
    read: Callable[[Path], object]
    refusals: tuple[type[Exception], ...] = (SemveilError,)
