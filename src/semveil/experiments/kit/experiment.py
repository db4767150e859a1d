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
"""Content of a result file (JSON)."""
Drawing = Callable[[Result, Path], Figure]
"""Function of a result and the folder of its JSON, which may contain images that the result names."""
Jobs = Mapping[str, Callable[[], Any]]
Told = str | Iterable[str]
"""Markdown, or its paragraphs."""
Size = TypeVar("Size")
GROUP = "semveil.experiments"
COMMON = ("kit", "demo")  # folders that declare no results


@dataclass(frozen=True)
class Run:
    """One call of `reproduce`.

    Attributes:
        figure: requested figure, such as `fig3`.
        preset: one of the experiment's presets.
        folder: folder of the JSON and its images.
        data: path of the photos; None for public ones.
        model: name or folder of a model; None for the preset's.
        verifier: recogniser, or several separated by commas; None for the preset's.
        progress: progress callback.
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
        """Names of the recognisers; requires a preset with `verifiers`."""
        return self.verifier.split(",") if self.verifier else self.preset.verifiers


class Inputs(Protocol):
    """Loaded inputs of a measurement."""

    @property
    def config(self) -> Mapping[str, Any]:
        """All inputs, JSON-ready; with the measurement and the versions they form the result's key."""
        ...

    @property
    def head(self) -> Mapping[str, Any]:
        """Further fields of the result file, such as seeds and names of photos."""
        ...


@dataclass(frozen=True, eq=False)
class Experiment:
    """Definition of one result file.

    Attributes:
        measurement: name, such as `dp-semcom/curves`, and revision.
        presets: run sizes by name.
        load: loads the inputs of a run; None for a result that another command writes.
        measure: fills the result file; cells finished by an interrupted run are reused.
        figures: drawing functions by name, such as `fig3`; a paper's tables may be drawn too.
        photographs: figures that show faces; saved at a lower resolution, as photographs do not compress.
        table: returns the result as Markdown, or its paragraphs.
        claims: checks the claims of the paper, or our own, against the result.
        paper: values from the paper's text, with their source; null where it gives no number.
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
        """File name of the JSON."""
        return f"{self.name.rpartition('/')[2]}.json"


EXPERIMENTS: Registry[Experiment] = Registry("experiment")
"""Experiments by name of their result; filled by `load_all`."""
FIGURES: Registry[Experiment] = Registry("figure")
"""Experiments by figure, such as `dp-semcom/fig3`; an experiment without figures by its own name."""


def presets(*sizes: Size) -> Registry[Size]:
    """Return a registry of run sizes by name.

    Args:
        *sizes: dataclasses with distinct `name` fields.
    """
    found: Registry[Size] = Registry("preset")
    for size in sizes:
        found.add(getattr(size, "name"), size)  # noqa: B009
    return found


def experiment(name: str, *, revision: int, **parts: Any) -> Experiment:
    """Declare a result that `reproduce` measures.

    Args:
        name: such as `dp-semcom/curves`; the part before the first `/` is the paper.
        revision: see `Measurement`.
        **parts: the other attributes of `Experiment`.
    """
    return _declared(Experiment(measurement(name, revision=revision), **parts))


def written_elsewhere(name: str, **parts: Any) -> Experiment:
    """Declare a result that another command writes; it is only drawn and tabulated, and never outdated.

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
    """Return the prefixes of figure names.

    They are the folders with results, and the plugins of other packages in the group `semveil.experiments`.
    """
    folders = pkgutil.iter_modules(semveil.experiments.__path__)
    own = [folder.name.replace("_", "-") for folder in folders if folder.ispkg and folder.name not in COMMON]
    return [*own, *(plugin.name for plugin in plugins(GROUP) if plugin.name not in own)]


def load_paper(paper: str) -> None:
    """Import the modules that declare the results of a paper.

    These are all files of the paper's folder, or the module that a plugin names.

    Args:
        paper: one of `papers`, such as `dp-semcom`.

    Raises:
        PluginError: the package that adds the paper is broken.
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
    """Return the experiment that draws a figure.

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
    """Return the names of all figures by paper, numbered ones in numerical order."""
    load_all()
    return _figures_by_paper()


def _figures_by_paper() -> dict[str, list[str]]:
    """Names of the figures of all loaded results, by paper."""
    found: dict[str, list[str]] = {}
    for name in FIGURES:
        paper, _, short = name.partition("/")
        found.setdefault(paper, []).append(short)
    return {paper: sorted(names, key=_by_number) for paper, names in sorted(found.items())}


def _by_number(name: str) -> tuple[str, int]:
    letters = name.rstrip("0123456789")
    return letters, int(name.removeprefix(letters) or 0)


def of_result(result: Result) -> Experiment:
    """Return the experiment that produced a result.

    Args:
        result: content of a result file; its `experiment` is the name.

    Raises:
        ValueError: there is no such experiment.
    """
    _load_named(result["experiment"])
    return EXPERIMENTS[result["experiment"]]


def _load_named(name: str) -> None:
    """Import the results of the paper in a name's prefix.

    For an unknown prefix, all papers are imported, so that the error can list them.
    """
    paper = name.partition("/")[0]
    if paper in papers():
        load_paper(paper)
    else:
        load_all()


def whole(body: Callable[[Any, Path, Progress, Keep], Mapping[str, Any]]) -> Callable[[Any, Kept, Run], None]:
    """Return a measurement that computes the whole file in one call.

    Args:
        body: function of the loaded inputs, the folder of the JSON (it may write images there), the progress
            callback, and a `Keep` that saves intermediate results; returns the fields of the file,
            JSON-ready.
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
    """Return a measurement of independent cells, each saved when it is done.

    Args:
        place: key of the cells in the file.
        jobs: returns the measurements by name, from the inputs.
        stage: stage reported to `progress`.
        first: functions of the inputs for other keys of the file, measured before the cells.
    """

    def measure(inputs: Any, kept: Kept, run: Run) -> None:
        for name, made in (first or {}).items():
            kept.part(name, measure=partial(made, inputs))
        kept.parts(place, jobs(inputs), stage=stage, progress=run.progress)

    return measure
