# SPDX-License-Identifier: Apache-2.0
"""Registries of named objects: duplicates are refused, near misses suggested, plugins included."""

import difflib
import pkgutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

from semveil.core.plugins import Plugin, PluginError, PluginWarning, plugins

T = TypeVar("T")


def suggest(name: str, allowed: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for a near miss, else an empty string.

    Args:
        name: the given name.
        allowed: the existing names.

    Example:
        >>> suggest("gausian", ["laplace", "gaussian"])
        " (did you mean 'gaussian'?)"
    """
    bare = {other.lstrip("-"): other for other in allowed}  # the dashes of flags are no likeness
    near = difflib.get_close_matches(name.lstrip("-"), list(bare), n=1)
    return f" (did you mean {bare[near[0]]!r}?)" if near else ""


def unknown_option(of: str, name: str, known: Iterable[str], others: Iterable[str] = ()) -> str:
    """Error message for an option that does not exist.

    Args:
        of: what has options, such as `method 'blur'`.
        name: the given name.
        known: names of its options, which the message lists.
        others: further names that may have been meant.

    Example:
        >>> unknown_option("method 'blur'", "sigm", ["sigma", "size"])
        "method 'blur' has no option 'sigm' (did you mean 'sigma'?); it has sigma, size"
    """
    names = list(known)
    near = suggest(name, [*names, *others])
    return f"{of} has no option {name!r}{near}; it has {', '.join(names) or 'none'}"


@dataclass(frozen=True)
class _Later:
    """Entry that has not been created yet."""

    make: Callable[[], Any]


class Registry(Generic[T]):
    """Table from name to object for one kind of object.

    Entries come from `add` and `add_later`, from the modules of the package `files`, which call `add`, and
    from the entry points of `group`. Modules and entry points are imported on first access. Look-up treats
    all entries alike.

    Args:
        kind: kind of entry, for messages, such as `channel`.
        group: group of entry points, such as `semveil.channels`; None for no plugins.
        accept: converts the object of an entry point to an entry; raises TypeError for an unsuitable one.
        files: package such as `semveil.attacks` whose modules register entries; None for no package.

    Example:
        >>> colours = Registry[int]("colour")
        >>> colours.add("red", 1)
        1
        >>> colours["rad"]
        Traceback (most recent call last):
        ...
        ValueError: no colour named 'rad' (did you mean 'red'?); available: red
    """

    def __init__(
        self,
        kind: str,
        *,
        group: str | None = None,
        accept: Callable[[str, Any], T] | None = None,
        files: str | None = None,
    ) -> None:
        self.kind, self.group = kind, group
        self._files = files
        self._accept = accept
        self._entries: dict[str, T] = {}
        self._found: tuple[Plugin, ...] = ()
        self._plugged: dict[str, T] = {}
        self._derived: tuple[Callable[[], Iterable[str]], Callable[[str], T]] | None = None

    def __repr__(self) -> str:
        return f"Registry({self.kind!r}: {', '.join(self)})"

    def add(self, name: str, entry: T) -> T:
        """Register an entry and return it.

        Args:
            name: name by which users select it.
            entry: the object; a class that is defined again, as in a notebook, replaces its old version.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._entries and not _same_definition(self._entries[name], entry):
            raise ValueError(f"a {self.kind} named {name!r} is registered already")
        self._entries[name] = entry
        return entry

    def add_later(self, name: str, make: Callable[[], T]) -> None:
        """Register an entry that is created on first access, such as one that needs an expensive import.

        Args:
            name: name by which users select it.
            make: creates the entry.

        Raises:
            ValueError: the name is taken.
        """
        self.add(name, _Later(make))  # type: ignore[arg-type]

    def derive(self, names: Callable[[], Iterable[str]], make: Callable[[str], T]) -> None:
        """Add entries derived from another registry; names registered here take precedence.

        Args:
            names: returns the names; called at each look-up.
            make: creates the entry of a name.
        """
        self._derived = names, make

    def items(self) -> Iterator[tuple[str, T]]:
        """Yield all names with their entries; those of broken packages are skipped with a `PluginWarning`."""
        for name in self:
            try:
                entry = self[name]
            except PluginError as error:
                warnings.warn(str(error), PluginWarning, stacklevel=2)
            else:
                yield name, entry

    def __getitem__(self, name: str) -> T:
        """Return the entry of a name.

        Raises:
            TypeError: the name is no text.
            ValueError: the name is unknown.
            PluginError: the package that provides the entry is broken.
        """
        if not isinstance(name, str):
            raise TypeError(f"a {self.kind} is named by text, got {name!r}")
        self._import_files()
        for table in (self._entries, self._plug_ins()):
            if name in table:
                entry = table[name]
                if isinstance(entry, _Later):
                    entry = table[name] = entry.make()
                return entry
        if self._derived is not None and name in self:
            return self._derived[1](name)
        raise ValueError(f"no {self.kind} named {name!r}{suggest(name, self)}; available: {', '.join(self)}")

    def __contains__(self, name: object) -> bool:
        return any(name == known for known in self)

    def __iter__(self) -> Iterator[str]:
        self._import_files()
        derived = () if self._derived is None else self._derived[0]()
        return iter(dict.fromkeys((*self._entries, *self._plug_ins(), *derived)))

    def __len__(self) -> int:
        return sum(1 for _ in self)  # list() would call __len__

    def _import_files(self) -> None:
        # cleared first, so that a module that uses the registry during its import does not recurse
        files, self._files = self._files, None
        if files is not None:
            import_files(files)

    def _plug_ins(self) -> dict[str, T]:
        """Entries of other packages, without names that are already taken."""
        found = () if self.group is None else plugins(self.group)
        if found is self._found:
            return self._plugged
        self._found, self._plugged = found, {}
        for plugin in found:
            if plugin.name in self._entries or plugin.name in self._plugged:
                text = (
                    f"package {plugin.package} adds a {self.kind} named {plugin.name!r}, which is taken; "
                    "it is left out"
                )
                warnings.warn(text, PluginWarning, stacklevel=3)
                continue
            self._plugged[plugin.name] = _Later(lambda plugin=plugin: self._load(plugin))  # type: ignore[assignment, misc]
        return self._plugged

    def _load(self, plugin: Plugin) -> T:
        loaded = plugin.load(self.kind)
        if self._accept is None:
            return loaded
        try:
            return self._accept(plugin.name, loaded)
        except TypeError as error:
            raise plugin.unusable(self.kind, str(error)) from error


def _same_definition(one: object, other: object) -> bool:
    """Whether both are versions of one class."""
    return (
        isinstance(one, type)
        and isinstance(other, type)
        and (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
    )


def having(*attributes: str) -> Callable[[str, Any], Any]:
    """Return an `accept` function for classes that have given attributes and match their `name`.

    Args:
        *attributes: required names.

    Returns:
        Function that returns a suitable entry and raises TypeError for another one.

    Example:
        >>> having("guarantee")("uniform", int)
        Traceback (most recent call last):
        ...
        TypeError: int lacks guarantee
    """

    def accept(name: str, entry: Any) -> Any:
        called = getattr(entry, "__name__", type(entry).__name__)
        if missing := [attribute for attribute in attributes if not hasattr(entry, attribute)]:
            raise TypeError(f"{called} lacks {', '.join(missing)}")
        if getattr(entry, "name", name) != name:
            raise TypeError(f"{called} calls itself {entry.name!r}")
        return entry

    return accept


def import_files(package: str) -> None:
    """Import all modules of a package (not its subpackages), so that they register their entries.

    Args:
        package: full package name, such as `semveil.audit.games`.
    """
    folder = import_module(package)
    for module in pkgutil.iter_modules(folder.__path__, f"{package}."):
        import_module(module.name)
