"""Names that users select by: a registry that refuses duplicates and suggests near misses."""

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def suggest(name: str, allowed: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for a near miss, else an empty string."""
    near = difflib.get_close_matches(name, list(allowed), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


@dataclass(frozen=True)
class _Later:
    """An entry that is not made yet."""

    make: Callable[[], Any]


class Registry(Generic[T]):
    """A table from name to object for one kind of thing.

    Example:
        >>> colours = Registry[int]("colour")
        >>> colours.add("red", 1)
        1
        >>> colours["rad"]
        Traceback (most recent call last):
        ...
        ValueError: no colour named 'rad' (did you mean 'red'?); available: red
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Register `entry` under `name` and return it; a name can be taken once."""
        if name in self._entries:
            raise ValueError(f"a {self.kind} named {name!r} is registered already")
        self._entries[name] = entry
        return entry

    def add_later(self, name: str, make: Callable[[], T]) -> None:
        """Register what is made when somebody first asks for it, such as by an import that costs."""
        self.add(name, _Later(make))  # type: ignore[arg-type]

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise ValueError(
                f"no {self.kind} named {name!r}{suggest(name, self._entries)}; available: {', '.join(self._entries)}"
            )
        entry = self._entries[name]
        if isinstance(entry, _Later):
            entry = self._entries[name] = entry.make()
        return entry

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
