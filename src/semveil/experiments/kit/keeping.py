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
# Networks of the metrics, which are left out where they are not here.
METRIC_WEIGHTS = ("alexnet", "lpips-alex", "squeezenet1_1", "lpips-squeeze", "inception-fid")
_UNFINISHED = "unfinished"
Keep = Callable[[str, Callable[[], Any]], Any]
"""Called with a name and what measures; gives the value, from before a break where it was measured then."""


@dataclass(frozen=True)
class Measurement:
    """Something that is measured and kept.

    Attributes:
        name: such as `dp-semcom/curves`.
        revision: raised whenever its numbers can change for the same inputs, by a corrected metric as by a
            new default. Moving code changes nothing and raises nothing; a test compares with stored values of
            this revision.
    """

    name: str
    revision: int


MEASUREMENTS: Registry[Measurement] = Registry("measurement")


def measurement(name: str, *, revision: int) -> Measurement:
    """Declare a measurement.

    Args:
        name: such as `dp-semcom/curves`; declared once.
        revision: as `Measurement` has it.
    """
    return MEASUREMENTS.add(name, Measurement(name, revision))


def is_outdated(result: Mapping[str, Any]) -> bool:
    """Whether a result was made by an older revision of its measurement, or before measurements had any."""
    name = result.get("experiment")
    return name in list(MEASUREMENTS) and result.get("revision") != MEASUREMENTS[str(name)].revision


def each(jobs: Mapping[str, Callable[[], Any]], keep: Keep, progress: Progress, stage: str) -> list[Any]:
    """What every job gives, in their order, each kept by its name.

    Args:
        jobs: what is measured, by name.
        keep: keeps it.
        progress: told the stage, how many are done and how many there are.
        stage: what is being done.

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
    """A `Keep` that keeps nothing.

    Args:
        name: of the cell, not used.
        measure: gives its content, which is returned.
    """
    return measure()


class Kept:
    """The result file of a measurement: the one that lies there if its key is the same, or a new one.

    Attributes:
        path: of the file.
        result: its content; `part` and `whole` fill it in and save it.

    Args:
        config: everything that goes in, JSON-ready.
        head: what else the file says of itself, such as seeds and what the paper has.

    Example:
        >>> import tempfile
        >>> place, squares = Path(tempfile.mkdtemp()) / "squares.json", Measurement("example/squares", revision=1)
        >>> Kept(place, squares, config={"of": 3}).part("cells", "three", measure=lambda: 9)
        9
        >>> Kept(place, squares, config={"of": 3}).part("cells", "three", measure=lambda: "not measured again")
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
        self.result: dict[str, Any] = kept
        if not self.is_kept:
            self.result = {**known, "key": key, "commit": self._commit, **(head or {})}
            self._mark_draft()

    @property
    def _changed(self) -> bool:
        return self._commit is not None and self._commit.endswith(CHANGED)

    def part(self, *place: str, measure: Callable[[], Any]) -> Any:
        """The value at a place in the result, such as `"cases", "rotation"`; measured and saved where it is not there.

        Args:
            *place: keys from the outermost object to the value.
            measure: gives the value, JSON-ready; not called where there is one.
        """
        *folders, name = place
        inside = self.result
        for folder in folders:
            inside = inside.setdefault(folder, {})
        if name not in inside:
            inside[name] = json.loads(json.dumps(measure()))  # as it will be read after a break
            self._save()
        return inside[name]

    def parts(
        self, folder: str, jobs: Mapping[str, Callable[[], Any]], *, stage: str, progress: Progress
    ) -> None:
        """`part` for each job, by name and in their order.

        Args:
            folder: of the result, in which they stand.
            jobs: what is measured.
            stage: what `progress` is told is being done.
            progress: told after each how many are done.
        """
        each(jobs, lambda name, measure: self.part(folder, name, measure=measure), progress, stage)

    def whole(self, measure: Callable[[Keep], Mapping[str, Any]]) -> Path:
        """Fill in all that a measurement gives at once, unless it is there; `measure` may keep cells on the way.

        Args:
            measure: gives places of the file and their values, JSON-ready; called with a `Keep`, whose cells
                are dropped at the end.

        Returns:
            The file.
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
    """Digests of the metrics' networks, None for one that is not on this machine: what it measures is then missing."""
    return {name: None if (path := find(name)) is None else digest_of_file(path) for name in METRIC_WEIGHTS}


def face_model_card(model: FaceModel) -> dict[str, Any]:
    """What results say of a face model: all of it that numbers depend on, beside how it inverts.

    Args:
        model: loaded; its prior may be missing.
    """
    box = box_as_dict(model.box)
    if (prior := model.prior) is None:
        return {"name": model.name, "digest": model.digest, "clip_box": box, "prior": None}
    digest = digest_of_tensors(prior.tensors.values())
    return {
        "name": model.name,
        "digest": model.digest,
        "clip_box": box,
        "prior": digest,
        "whitening": prior.whitening,
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_result(path) if path.is_file() else {}
    except ValueError:  # damaged: measured anew
        return {}
