# SPDX-License-Identifier: Apache-2.0
"""Audit targets by name; every module of `semveil.audit.games` registers its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from semveil.audit import Game, TrainingGame
from semveil.core.registry import Registry, import_files
from semveil.models.face import DEFAULT_MODEL

AnyGame = Game | TrainingGame
LAST = 100  # position of a file that asks for none


@dataclass(frozen=True)
class Target:
    """Something to audit.

    Attributes:
        games: claimed epsilon, or None for none -> games.
        takes_epsilon: a budget can be asked of it.
        goes_without: it also works without one.
    """

    games: Callable[[Any], Sequence[AnyGame]]
    takes_epsilon: bool = True
    goes_without: bool = False

    def budgets(self, epsilons: Sequence[float]) -> list[float | None]:
        """Budgets to audit the target at; None stands for an audit without one.

        Args:
            epsilons: asked for; ignored where the target takes none.
        """
        return [*([None] if self.goes_without else []), *(epsilons if self.takes_epsilon else [])]

    @classmethod
    def without_epsilon(cls, games: Callable[[], Sequence[AnyGame]]) -> "Target":
        """A target of which no budget can be asked.

        Args:
            games: gives its games.
        """
        return cls(lambda epsilon: games(), takes_epsilon=False, goes_without=True)


ListTargets = Callable[[str], Mapping[str, Target]]
"""Name or folder of a face model -> targets by name."""


@dataclass(frozen=True)
class TargetFile:
    """The targets of one file.

    Attributes:
        targets: lists them, anew on each call, because packages can add mechanisms, protections and methods.
        position: in lists and results; files of equal position follow by name.
    """

    targets: ListTargets
    position: int


TARGET_FILES: Registry[TargetFile] = Registry("module of audit targets")
"""By name of the module; `targets` imports the files, which fill it."""


def register_targets(position: int = LAST) -> Callable[[ListTargets], ListTargets]:
    """Decorator for the function by which a file of `semveil.audit.games` lists its targets.

    Args:
        position: in lists and results.

    Raises:
        ValueError: the file has registered already.
    """

    def register(targets: ListTargets) -> ListTargets:
        TARGET_FILES.add(targets.__module__.rpartition(".")[2], TargetFile(targets, position))
        return targets

    return register


def targets(model: str = DEFAULT_MODEL) -> Registry[Target]:
    """All audit targets: what every file of `semveil.audit.games` registers.

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
    """First parts, such as `dp-image`, of the names of all other files' targets.

    Args:
        file: name of the module that asks; its own targets do not count.
        model: name or folder of the face model that the games use.
    """
    others = [entry for name, entry in TARGET_FILES.items() if name != file]
    return {target.partition("/")[0] for entry in others for target in entry.targets(model)}
