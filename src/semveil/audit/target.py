# SPDX-License-Identifier: Apache-2.0
"""Registry of audit targets, filled by the modules of `semveil.audit.games`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from semveil.audit import Game, TrainingGame
from semveil.core.registry import Registry, import_files
from semveil.models.face import DEFAULT_MODEL

AnyGame = Game | TrainingGame
LAST = 100  # default position of a file


@dataclass(frozen=True)
class Target:
    """A mechanism, protection or method to audit.

    Attributes:
        games: function from the claimed epsilon (None for none) to games.
        takes_epsilon: whether the target accepts a budget.
        goes_without: whether it also works without one.
    """

    games: Callable[[Any], Sequence[AnyGame]]
    takes_epsilon: bool = True
    goes_without: bool = False

    def budgets(self, epsilons: Sequence[float]) -> list[float | None]:
        """Budgets to audit the target at; None represents an audit without one.

        Args:
            epsilons: requested budgets; ignored if the target takes none.
        """
        return [*([None] if self.goes_without else []), *(epsilons if self.takes_epsilon else [])]

    @classmethod
    def without_epsilon(cls, games: Callable[[], Sequence[AnyGame]]) -> "Target":
        """Return a target that takes no budget.

        Args:
            games: function that returns the target's games.
        """
        return cls(lambda epsilon: games(), takes_epsilon=False, goes_without=True)


ListTargets = Callable[[str], Mapping[str, Target]]
"""Function from the name or folder of a face model to targets by name."""


@dataclass(frozen=True)
class TargetFile:
    """Targets of one file.

    Attributes:
        targets: function that lists them; called every time, because packages can add mechanisms, protections
            and methods.
        position: order in lists and results; files with equal positions are sorted by name.
    """

    targets: ListTargets
    position: int


TARGET_FILES: Registry[TargetFile] = Registry("module of audit targets")
"""Target files by module name, registered when `targets` imports the files."""


def register_targets(position: int = LAST) -> Callable[[ListTargets], ListTargets]:
    """Return a decorator that registers the function listing the targets of a file in `semveil.audit.games`.

    Args:
        position: order in lists and results.

    Raises:
        ValueError: the file is already registered.
    """

    def register(targets: ListTargets) -> ListTargets:
        TARGET_FILES.add(targets.__module__.rpartition(".")[2], TargetFile(targets, position))
        return targets

    return register


def targets(model: str = DEFAULT_MODEL) -> Registry[Target]:
    """Return all audit targets registered by the files of `semveil.audit.games`.

    Args:
        model: name or folder of the face model that the games use.

    Raises:
        ValueError: two files have a target of the same name.
    """
    import_files("semveil.audit.games")
    found: Registry[Target] = Registry("audit target")
    for _, file in sorted(TARGET_FILES.items(), key=lambda entry: (entry[1].position, entry[0])):
        for name, target in file.targets(model).items():
            found.add(name, target)
    return found


def audited_elsewhere(file: str, model: str) -> set[str]:
    """Return the first parts, such as `dp-image`, of the target names in all other files.

    Args:
        file: name of the calling module; its own targets do not count.
        model: name or folder of the face model that the games use.
    """
    others = [entry for name, entry in TARGET_FILES.items() if name != file]
    return {target.partition("/")[0] for entry in others for target in entry.targets(model)}
