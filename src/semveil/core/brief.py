# SPDX-License-Identifier: Apache-2.0
"""Short `repr`s of results: tensors by type and shape, long collections and texts by length."""

from collections.abc import Sized
from dataclasses import fields
from typing import Any

LONGEST = 60


class Brief:
    """Mixin that gives a dataclass (with `repr=False`) a one-line `repr`.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(repr=False)
        ... class Found(Brief):
        ...     name: str
        ...     places: list[int]
        >>> Found("x", [1] * 99)
        Found(name='x', places=<list of 99>)
    """

    def __repr__(self) -> str:
        shown = [f"{field.name}={brief(getattr(self, field.name))}" for field in fields(self)]  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(shown)})"


def brief(value: Any) -> str:
    """Return a short representation of a value.

    Tensors and arrays are shown by dtype and shape, long collections and texts by type and length.

    Args:
        value: any object.

    Example:
        >>> import torch
        >>> brief(torch.zeros(2, 3)), brief("short"), brief(b"12345" * 100)
        ('<float32 2 x 3>', "'short'", '<bytes of 500>')
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"<{str(value.dtype).removeprefix('torch.')} {' x '.join(map(str, value.shape)) or 'number'}>"
    if isinstance(value, tuple | list | bytes | dict) and len(value) > 8:
        return f"<{type(value).__name__} of {len(value)}>"
    if isinstance(value, tuple | list):
        inner = ", ".join(map(brief, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    text = repr(value)
    if len(text) <= LONGEST or isinstance(value, Brief):
        return text
    many = f" of {len(value)}" if isinstance(value, Sized) else ""
    return f"<{type(value).__name__}{many}>"
