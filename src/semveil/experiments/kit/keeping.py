# SPDX-License-Identifier: Apache-2.0
"""Caching of results: whether a measurement is reused or repeated, for every experiment.

A result is reused if its key matches: the digest of the measurement's name and revision, of all inputs
(`config`: sizes, photos, models, recognisers, each with its digest) and of the versions of the underlying
software.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semveil.core.digests import digest_of_file, digest_of_json, digest_of_tensors
from semveil.core.progress import Progress
from semveil.core.provenance import CHANGED, commit, versions
from semveil.core.registry import Registry
from semveil.core.results import read_result, write_result
from semveil.core.weights import find
from semveil.models.face import FaceModel
from semveil.models.folder import box_as_dict

DRAFT = (
    "made from sources that differ from their commit: not for committing, measure again from a clean checkout"
)
# Networks of the metrics; metrics without installed weights are left out.
METRIC_WEIGHTS = ("alexnet", "lpips-alex", "squeezenet1_1", "lpips-squeeze", "inception-fid")
_UNFINISHED = "unfinished"
Keep = Callable[[str, Callable[[], Any]], Any]
"""Function of a name and a measurement; returns the stored value of an interrupted run, or measures it."""


@dataclass(frozen=True)
class Measurement:
    """A named measurement whose result is cached.

    Attributes:
        name: such as `dp-semcom/curves`.
        revision: raised whenever the numbers can change for the same inputs, through a corrected metric or a
            new default. Moving code does not raise it; a test compares with stored values of this revision.
    """

    name: str
    revision: int


MEASUREMENTS: Registry[Measurement] = Registry("measurement")


def measurement(name: str, *, revision: int) -> Measurement:
    """Declare a measurement.

    Args:
        name: such as `dp-semcom/curves`; declared once.
        revision: see `Measurement`.
    """
    return MEASUREMENTS.add(name, Measurement(name, revision))


def is_outdated(result: Mapping[str, Any]) -> bool:
    """Return whether a result's revision is missing or differs from that of its measurement.

    Args:
        result: content of a result file; one of an unknown measurement is not outdated.
    """
    name = result.get("experiment")
    return name in list(MEASUREMENTS) and result.get("revision") != MEASUREMENTS[str(name)].revision


def each(jobs: Mapping[str, Callable[[], Any]], keep: Keep, progress: Progress, stage: str) -> list[Any]:
    """Return the results of all jobs in order, each cached under its name.

    Args:
        jobs: measurements by name.
        keep: caches one result.
        progress: called with the stage, the number of finished jobs and the number of all jobs.
        stage: stage of the work.

    Example:
        >>> each({"two": lambda: 4, "three": lambda: 9}, at_once, lambda stage, done, total: None, "square")
        [4, 9]
    """
    found = []
    for done, (name, measure) in enumerate(jobs.items()):
        progress(stage, done, len(jobs))
        found.append(keep(name, measure))
    progress(stage, len(jobs), len(jobs))
    return found


def at_once(name: str, measure: Callable[[], Any]) -> Any:
    """Measure without caching: the `Keep` that stores nothing.

    Args:
        name: name of the cell, not used.
        measure: returns the content of the cell, which is returned.
    """
    return measure()


class Kept:
    """Result file of a measurement: the existing one if its key matches, otherwise a new one.

    Attributes:
        path: path of the file.
        result: content of the file; `part` and `whole` fill and save it.
        is_kept: whether the existing result is used.
        replaced: what differs from the existing result, such as `config.photos`, if it is not used: saving a
            new value replaces the file.

    Args:
        path: path of the file.
        measurement: name and revision.
        config: all inputs, JSON-ready.
        head: further fields of the file, such as seeds and the paper's values.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "squares.json"
        >>> squares = Measurement("example/squares", revision=1)
        >>> Kept(place, squares, config={"of": 3}).part("cells", "three", measure=lambda: 9)
        9
        >>> again = Kept(place, squares, config={"of": 3})
        >>> again.part("cells", "three", measure=lambda: "not measured again")
        9
    """

    def __init__(
        self,
        path: Path,
        measurement: Measurement,
        *,
        config: Mapping[str, Any],
        head: Mapping[str, Any] | None = None,
    ) -> None:
        known = {
            "experiment": measurement.name,
            "revision": measurement.revision,
            "config": json.loads(json.dumps(dict(config))),
            "versions": versions(),
        }
        self.path, self._commit = path, commit()
        key = digest_of_json(known)
        kept = _read(path)
        self.is_kept = kept.get("key") == key and not (kept.get("draft") and not self._changed)
        self.replaced = [] if self.is_kept or not kept else _differences(kept, known)
        self.result: dict[str, Any] = kept
        if not self.is_kept:
            self.result = {**known, "key": key, "commit": self._commit, **(head or {})}
            self._mark_draft()

    @property
    def _changed(self) -> bool:
        return self._commit is not None and self._commit.endswith(CHANGED)

    def part(self, *place: str, measure: Callable[[], Any]) -> Any:
        """Return a value of the result; measure and save it if it is missing.

        Args:
            *place: keys from the outermost object to the value, such as `"cases", "rotation"`.
            measure: returns the value, JSON-ready; not called if the value exists.
        """
        *folders, name = place
        inside = self.result
        for folder in folders:
            inside = inside.setdefault(folder, {})
        if name not in inside:
            inside[name] = json.loads(json.dumps(measure()))  # the same types as when read from the file
            self._save()
        return inside[name]

    def parts(
        self, folder: str, jobs: Mapping[str, Callable[[], Any]], *, stage: str, progress: Progress
    ) -> None:
        """Call `part` for each job in order.

        Args:
            folder: key under which the values are stored.
            jobs: measurements by name.
            stage: stage reported to `progress`.
            progress: called after each job.
        """
        each(jobs, lambda name, measure: self.part(folder, name, measure=measure), progress, stage)

    def whole(self, measure: Callable[[Keep], Mapping[str, Any]]) -> Path:
        """Fill in all fields of the file with one measurement, unless they exist.

        Args:
            measure: returns fields of the file, JSON-ready; called with a `Keep`, whose cells are dropped at
                the end.

        Returns:
            The path of the file.
        """
        if self.is_kept and _UNFINISHED not in self.result:
            return self.path
        self.result.setdefault(_UNFINISHED, {})
        body = measure(lambda name, cell: self.part(_UNFINISHED, name, measure=cell))
        del self.result[_UNFINISHED]
        self.result |= body
        self._save()
        return self.path

    def _save(self) -> None:
        before = [self.result["commit"], *self.result.get("continued_at", [])]
        if self._commit not in before:
            self.result["continued_at"] = [*before[1:], self._commit]
        self._mark_draft()
        write_result(self.path, self.result)

    def _mark_draft(self) -> None:
        if self._changed:
            self.result["draft"] = DRAFT


def metric_weights() -> dict[str, str | None]:
    """Return digests of the metrics' networks; None for missing weights, whose metrics are not measured."""
    return {name: None if (path := find(name)) is None else digest_of_file(path) for name in METRIC_WEIGHTS}


def face_model_card(model: FaceModel) -> dict[str, Any]:
    """Return the description of a face model in results: all that numbers depend on, except the inversion.

    Args:
        model: the loaded model; its prior may be missing.
    """
    card = {"name": model.name, "digest": model.digest, "clip_box": box_as_dict(model.box)}
    if (prior := model.prior) is None:
        return {**card, "prior": None}
    return {**card, "prior": digest_of_tensors(prior.tensors.values()), "whitening": prior.whitening}


def _differences(kept: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    """Fields of the key that differ; `draft` for a result of changed sources with the same key."""
    found: list[str] = []
    for name, value in known.items():
        before = kept.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            fields = sorted({*before, *value})
            found += [f"{name}.{field}" for field in fields if before.get(field) != value.get(field)]
        elif before != value:
            found.append(name)
    return found or ["draft"]


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_result(path) if path.is_file() else {}
    except ValueError:  # damaged: measure again
        return {}
