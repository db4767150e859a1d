# SPDX-License-Identifier: Apache-2.0
"""Public names that were renamed stay for one minor release, with a warning."""

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def renamed(module: str, names: Mapping[str, str], *, stacklevel: int = 2) -> Callable[[str], Any]:
    """A module's `__getattr__` for names that were renamed.

    Args:
        module: its `__name__`.
        names: old name -> new name, both of that module.
        stacklevel: of the warning: 2 names the caller of the function, 3 that one's caller.

    Returns:
        A function that gives the object of the new name with a `DeprecationWarning`, and raises
        AttributeError for a name that was never there.

    Example:
        >>> __getattr__ = renamed("semveil.mechanisms", {"Release": "ExactRelease"})
    """

    def __getattr__(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warnings.warn(
            f"{module}.{name} is now {module}.{names[name]}", DeprecationWarning, stacklevel=stacklevel
        )
        return getattr(sys.modules[module], names[name])

    return __getattr__
