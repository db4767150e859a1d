# SPDX-License-Identifier: Apache-2.0
"""Definition of an experiment: name, presets, measurement, figures, tables and claims."""

import importlib.util
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from matplotlib.figure import Figure

import semveil.experiments
from semveil.core.plugins import plugins
from semveil.core.progress import Progress
from semveil.core.registry import Registry, import_files, suggest
from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.keeping import Keep, Kept, Measurement, measurement

Result = dict[str, Any]
"""The content of a JSON file."""
Drawing = Callable[[Result, Path], Figure]
"""Called with a result and the folder of its JSON, which may hold pictures that it names."""
Jobs = Mapping[str, Callable[[], Any]]
Told = str | Iterable[str]
"""Markdown, or its paragraphs."""
Size = TypeVar("Size")
GROUP = "semveil.experiments"
COMMON = ("kit", "demo")  # folders without results of their own


@dataclass(frozen=True)
class Run:
    """One call of `reproduce`.

    Attributes:
        figure: that was asked for, such as `fig3`.
        preset: size of the run, one of the experiment's.
        folder: of the JSON and what lies beside it.
        data: photos, or None for public ones.
        model: name or folder; the preset's where None.
        verifier: recogniser, or several with commas between them; the preset's where None.
        progress: what is being done, how much is done, how much there is.
    """

    figure: str
    preset: Any
    folder: Path
    data: Path | None
    model: str | None
    verifier: str | None
    progress: Progress

    @property
    def verifiers(self) -> Iterable[str]:
        """Names of recognisers, for a preset of several."""
        return self.verifier.split(",") if self.verifier else self.preset.verifiers


class Inputs(Protocol):
    """What is measured on, loaded."""

    @property
    def config(self) -> Mapping[str, Any]:
        """All that goes in, JSON-ready: with the measurement and the versions it is the result's key."""
        ...

    @property
    def head(self) -> Mapping[str, Any]:
        """What else the file says of itself, such as seeds and names of photos."""
        ...


@dataclass(frozen=True, eq=False)
class Experiment:
    """One result file.

    Attributes:
        measurement: name, such as `dp-semcom/curves`, and revision.
        presets: sizes by name.
        load: gives what a run works on; None for a result that another command writes.
        measure: fills in the file; cells that an interrupted run has done are kept.
        figures: by name, such as `fig3`; a paper's tables are drawn too.
        photographs: figures that show faces, kept at fewer dots because photographs do not compress.
        table: the result as Markdown, or its paragraphs.
        claims: what the paper, or we, say of it, and whether that holds.
        paper: what the paper's text says, with its source; null where it gives no number.
    """

    measurement: Measurement
    presets: Registry[Any] = field(default_factory=lambda: Registry("preset"))
    load: Callable[[Run], Any] | None = None
    measure: Callable[[Any, Kept, Run], None] | None = None
    figures: Mapping[str, Drawing] = field(default_factory=dict)
    photographs: frozenset[str] = frozenset()
    table: Callable[[Result], Told] | None = None
    claims: Callable[[Result], Iterable[Claim]] | None = None
    paper: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        return self.measurement.name

    @property
    def file(self) -> str:
        """Name of the JSON."""
        return f"{self.name.rpartition('/')[2]}.json"


EXPERIMENTS: Registry[Experiment] = Registry("experiment")
"""By the name of the result; `load_all` fills it."""
FIGURES: Registry[Experiment] = Registry("figure")
"""The experiment of each figure, such as `dp-semcom/fig3`; one without figures is found by its own name."""


def presets(*sizes: Size) -> Registry[Size]:
    """Sizes of a run by their names.

    Args:
        *sizes: dataclasses with a `name`, no two the same.
    """
    found: Registry[Size] = Registry("preset")
    for size in sizes:
        found.add(getattr(size, "name"), size)  # noqa: B009
    return found


def experiment(name: str, *, revision: int, **parts: Any) -> Experiment:
    """Declare a result that is measured here.

    Args:
        name: such as `dp-semcom/curves`; what precedes the first `/` is the paper.
        revision: as `Measurement` has it.
        **parts: the other attributes of `Experiment`.
    """
    return _declared(Experiment(measurement(name, revision=revision), **parts))


def written_elsewhere(name: str, **parts: Any) -> Experiment:
    """Declare a result that another command writes: it is only drawn and told here, and is never outdated.

    Args:
        name: as for `experiment`.
        **parts: attributes of `Experiment` without `measurement`, `load` and `measure`.
    """
    return _declared(Experiment(Measurement(name, revision=1), **parts))


def _declared(made: Experiment) -> Experiment:
    EXPERIMENTS.add(made.name, made)
    paper = made.name.partition("/")[0]
    for figure in [f"{paper}/{short}" for short in made.figures] or [made.name]:
        FIGURES.add(figure, made)
    return made


def papers() -> list[str]:
    """What names of figures begin with: folders with results, and what packages of others add as `semveil.experiments`."""
    folders = pkgutil.iter_modules(semveil.experiments.__path__)
    own = [folder.name.replace("_", "-") for folder in folders if folder.ispkg and folder.name not in COMMON]
    return [*own, *(plugin.name for plugin in plugins(GROUP) if plugin.name not in own)]


def load_paper(paper: str) -> None:
    """Import every file of a paper's folder, or the module that another package names, which declare their results.

    Args:
        paper: as `papers` names it, such as `dp-semcom`.

    Raises:
        PluginError: the package that adds it is broken.
    """
    theirs = {plugin.name: plugin for plugin in plugins(GROUP)}
    name = f"semveil.experiments.{paper.replace('-', '_')}"
    if paper in theirs and importlib.util.find_spec(name) is None:
        theirs[paper].load("experiment")
        return
    import_files(name)


def load_all() -> None:
    """Import the results of all papers."""
    for paper in papers():
        load_paper(paper)


def find(figure: str) -> Experiment:
    """The experiment that shows a figure.

    Args:
        figure: such as `dp-semcom/fig3`.

    Raises:
        ValueError: there is no such figure.

    Example:
        >>> find("dp-semcom/fig3").name
        'dp-semcom/curves'
    """
    _load_named(figure)
    if figure in FIGURES:
        return FIGURES[figure]
    paper, known = figure.partition("/")[0], _figures_by_paper()
    if paper in known:
        near = suggest(figure, [f"{paper}/{short}" for short in known[paper]])
        raise ValueError(f"no figure named {figure!r}{near}; {paper}/ has {', '.join(known[paper])}")
    near = suggest(paper, known) or suggest(figure, FIGURES)
    raise ValueError(f"no figure named {figure!r}{near}; semveil reproduce lists all names")


def figures() -> dict[str, list[str]]:
    """Names of all figures by paper, with numbers in the order of their size."""
    load_all()
    return _figures_by_paper()


def _figures_by_paper() -> dict[str, list[str]]:
    """Of the results that are loaded."""
    found: dict[str, list[str]] = {}
    for name in FIGURES:
        paper, _, short = name.partition("/")
        found.setdefault(paper, []).append(short)
    return {paper: sorted(names, key=_by_number) for paper, names in sorted(found.items())}


def _by_number(name: str) -> tuple[str, int]:
    letters = name.rstrip("0123456789")
    return letters, int(name.removeprefix(letters) or 0)


def of_result(result: Result) -> Experiment:
    """The experiment that made a result.

    Args:
        result: content of a result file; its `experiment` names what made it.

    Raises:
        ValueError: there is no such experiment.
    """
    _load_named(result["experiment"])
    return EXPERIMENTS[result["experiment"]]


def _load_named(name: str) -> None:
    """Import the results of the paper that a name begins with; of all papers if it is none's, so that the error names them."""
    paper = name.partition("/")[0]
    if paper in papers():
        load_paper(paper)
    else:
        load_all()


def whole(body: Callable[[Any, Path, Progress, Keep], Mapping[str, Any]]) -> Callable[[Any, Kept, Run], None]:
    """A measurement that gives all of the file at once; `body` may write pictures into the folder, and keep cells.

    Args:
        body: called with what `load` gave, the folder of the JSON, what is told of progress, and what keeps
            cells that a break must not lose; gives the rest of the file, JSON-ready.
    """

    def measure(inputs: Any, kept: Kept, run: Run) -> None:
        kept.whole(partial(body, inputs, run.folder, run.progress))

    return measure


def cells(
    place: str,
    jobs: Callable[[Any], Jobs],
    *,
    stage: str,
    first: Mapping[str, Callable[[Any], Any]] | None = None,
) -> Callable[[Any, Kept, Run], None]:
    """A measurement of cells that do not depend on each other, each kept when it is done.

    Args:
        place: where they stand in the file.
        jobs: what is measured of the inputs, by name.
        stage: what `progress` is told is being done.
        first: other places of the file, filled in before.
    """

    def measure(inputs: Any, kept: Kept, run: Run) -> None:
        for name, made in (first or {}).items():
            kept.part(name, measure=partial(made, inputs))
        kept.parts(place, jobs(inputs), stage=stage, progress=run.progress)

    return measure
