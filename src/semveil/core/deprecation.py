# SPDX-License-Identifier: Apache-2.0
"""Renamed public names, kept for one minor release with a warning."""

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def renamed(module: str, names: Mapping[str, str], *, stacklevel: int = 2) -> Callable[[str], Any]:
    """Return a module-level `__getattr__` that resolves renamed names.

    Args:
        module: the module's `__name__`.
        names: old name -> new name, both in that module.
        stacklevel: stack level of the warning: 2 points to the caller of the function, 3 to that caller's
            caller.

    Returns:
        A function that returns the object under the new name with a `DeprecationWarning`, and raises
        AttributeError for an unknown name.

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
