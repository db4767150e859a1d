# SPDX-License-Identifier: Apache-2.0
"""Protection of photos and folders: finished outputs are kept, new or changed photos are processed."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from semveil.bulk.account import Account, ClipFacts, Fate, Mark
from semveil.bulk.clip import protect_clip
from semveil.bulk.clip_store import CLIPS, ClipStore
from semveil.bulk.enrolled import enrol, enrolment_digest
from semveil.bulk.kept import NotRecorded, unrecorded
from semveil.bulk.manifest import Manifest, NotPlaced, PhotoEntry
from semveil.bulk.output_notes import copies, is_picture, left_over
from semveil.bulk.pool import Lost, Pool, open_pool
from semveil.bulk.promise import weaker, with_kept
from semveil.bulk.recognised import write_log
from semveil.bulk.recorded import Recorded
from semveil.bulk.settings import Settings
from semveil.bulk.sources import (
    Source,
    SourceError,
    Sources,
    assign_names,
    check_places,
    find_sources,
    sha256_of,
)
from semveil.bulk.summary import Refused, Summary
from semveil.bulk.task import Outcome, Task, protect_photo
from semveil.core.errors import OutputError, PhotoError
from semveil.core.output_path import output_path
from semveil.core.progress import Progress, quiet
from semveil.methods.registry import module_of
from semveil.methods.release import Layout
from semveil.privacy.certificate import Certificate
from semveil.privacy.guarantee import Guarantee
from semveil.privacy.ledger import Booking, Ledger, OverLimit

LOST = 1  # exit code of photos whose workers died


def protect_photos(
    given: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    settings: Settings,
    *,
    ledger: Ledger | None = None,
    limit: float | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    clip_progress: Progress = quiet,
) -> Summary:
    """Protect photos, clips and folders into an output folder of the same structure; a later call resumes.

    A photo `holiday/anna.jpg` becomes `holiday/anna.png` with its certificate, or `holiday/anna.face-0.png`
    and so on if it shows several faces and is not kept whole; `anna.partly-unprotected.png` if some faces
    were left unchanged, `anna.covered.png` if all were only covered, `anna.unprotected.png` if it was copied
    and is not all of one colour. A clip `anna.mov` becomes `anna.mp4`, always whole, after all photos.

    However a run ends, each photo is either complete in the output with a line in the log, or absent; the
    next run processes missing photos and those whose content or settings changed. Nothing else in the output
    folder is ever replaced. Outputs that were changed or deleted since are made again, and a note says so:
    that is a further release. A release is recorded in the ledger before it is visible, so after a kill the
    ledger may have one release too many, never one too few. With several workers, scripts need the usual `if
    __name__ == "__main__":`.

    Args:
        given: photos, clips and folders.
        out: the output folder; created if missing.
        settings: settings of the run.
        ledger: records every release about the subject or enrolled people, including those of earlier runs
            that it lacks; if one of these cannot be recorded, its photo is refused.
        limit: fixed as the budget of these people, see `Ledger.fix_budgets`; a photo is refused if its
            release would take a person's total above the budget.
        workers: number of processes, as for `open_pool`.
        cluster: address of a Dask scheduler, as for `open_pool`.
        progress: called with the number of photos and clips done and the total.
        clip_progress: called with the stage of a clip, the number of its frames done and the total.

    Returns:
        Summary of the run.

    Raises:
        PhotoError: a path does not exist, or there is no photo.
        SourceError: sources conflict with each other or with the output folder.
        BulkError, OutputError, KeyProblem: the run cannot start or continue; finished outputs are kept.
        ValueError: the method does not take these options, or there is a ledger and nobody to record.
    """
    notes: tuple[str, ...] = ()
    if ledger is not None:
        if settings.subject is None and settings.enrolled is None:
            raise ValueError(
                "a ledger needs to know whom photos show; name the subject, or a folder of enrolled people"
            )
        if ledger.prepare():
            notes = (f"began a new ledger: {ledger.path}",)
    elif limit is not None:
        raise ValueError(
            "a limit needs a ledger, and to know whom photos show; name the subject, or enrolled people"
        )
    people = None if settings.enrolled is None else enrolment_digest(settings.enrolled)
    names: tuple[str, ...] = () if settings.subject is None else (settings.subject,)
    if settings.enrolled is not None and people is not None:
        names = enrol(settings.enrolled, people).names  # reports an invalid folder early
    if ledger is not None and limit is not None:
        ledger.fix_budgets(names, limit)
    method = settings.build()
    digest, size = settings.digest(method), method.size
    out = output_path(out).absolute()
    sources = find_sources(given, out)
    clips = None
    if any(source.is_clip for source in sources.photos):
        clips = _ForClips(settings.for_clips(), settings.for_clips().digest(method, clip=True), clip_progress)
    del method  # workers build their own
    check_places(sources.photos, keep=bool(settings.keep))
    preload = ("semveil.bulk.task", module_of(settings.method))
    tasks = (
        max(workers or 1, len(sources.photos)) if clips else len(sources.photos)
    )  # a clip has many stretches
    with Manifest(out) as manifest, open_pool(workers, cluster, tasks=tasks, preload=preload) as pool:
        run = _Run(manifest, settings, digest, people, sources, clips, ledger, size, notes)
        return run.go(pool, progress)


@dataclass(frozen=True)
class _ForClips:
    """Settings for the clips of a run."""

    settings: Settings
    digest: str
    progress: Progress


@dataclass
class _Run:
    """State of a run: counts, and the handling of outcomes by the process that started it."""

    manifest: Manifest
    settings: Settings
    digest: str
    people: str | None
    sources: Sources
    clips: _ForClips | None
    ledger: Ledger | None
    size: int
    beforehand: tuple[str, ...]
    refused: list[Refused] = field(default_factory=list)
    small_faces: list[Refused] = field(default_factory=list)
    kept: list[PhotoEntry] = field(default_factory=list)
    new: list[PhotoEntry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faces_of_refused: int = 0
    replaced: int = 0
    strangers: int = 0
    recorded: int = 0
    guarantee: Guarantee | None = None
    recognised: list[tuple[str, tuple[tuple[int, tuple[str, ...]], ...]]] = field(default_factory=list)
    log_problem: str | None = None

    def go(self, pool: Pool, progress: Callable[[int, int], None]) -> Summary:
        total = len(self.sources.photos)
        progress(0, total)
        paths = {source.place: str(source.path) for source in self.sources.photos}
        photos = [source for source in self.sources.photos if not source.is_clip]
        for task, outcome in pool(
            partial(protect_photo, settings=self.settings), self._tasks(photos, self.digest)
        ):
            if isinstance(outcome, Lost):
                outcome = Outcome(task.place, None, reasons=(f"{task.path!r}: {outcome}",), exit_code=LOST)
            self._settle(task, outcome, paths[task.place])
            progress(len(self.kept) + len(self.new) + len(self.refused), total)
        if self.clips is not None:
            self._protect_clips(self.clips, pool, paths)
        progress(total, total)
        if self.sources.folders:
            self.notes += left_over(self.manifest, self.sources.photos)
        self.notes += copies(self.manifest, self.new)
        if self.replaced:
            pictures = f"{self.replaced} picture{'s' if self.replaced > 1 else ''}"
            self.notes.append(
                f"{pictures} of an earlier run replaced; each new one is a further release about its people"
            )
        if self.manifest.foreign:
            lines = f"{self.manifest.foreign} line{'s' if self.manifest.foreign > 1 else ''}"
            self.notes.append(
                f"{lines} in the output's log were not written by this program with your key, and count for "
                "nothing"
            )
        return self._summary(total)

    def _protect_clips(self, clips: _ForClips, pool: Pool, paths: dict[str, str]) -> None:
        """Protect the clips one after the other, each by all workers."""
        sources = [source for source in self.sources.photos if source.is_clip]
        refused = len(self.refused)
        for task in self._tasks(sources, clips.digest):
            outcome = protect_clip(
                task,
                clips.settings,
                pool=pool,
                manifest=self.manifest,
                book=self._record,
                progress=clips.progress,
            )
            self._settle(task, outcome, paths[task.place])
        if len(self.refused) == refused:  # nothing left to resume
            shutil.rmtree(self.manifest.folder / CLIPS, ignore_errors=True)
            return
        for entry in (*self.kept, *self.new):
            if entry.clip is not None:
                ClipStore(self.manifest, entry.content, entry.settings).remove()

    def _tasks(self, sources: Sequence[Source], digest: str) -> Iterator[Task]:
        """Photos or clips still to be processed; each is examined when it is reached."""
        taken = {place: entry.name for place, entry in self.manifest.entries.items()}
        settings = self.manifest.settings_of(digest)
        names = assign_names((source.place for source in self.sources.photos), taken)
        for source in sources:
            try:
                content = self.manifest.content_of(sha256_of(source.path))
            except PhotoError as error:
                self.refused.append(Refused(str(source.path), str(error), error.exit_code))
                continue
            if self.manifest.is_done(source.place, content, settings, self.settings.on_no_face):
                altered = self.manifest.altered(source.place)
                if not altered:
                    self.kept.append(self.manifest.entries[source.place])
                    self._make_up_for(self.kept[-1], str(source.path.absolute()))
                    continue
                files = ", ".join(map(repr, altered))
                self.notes.append(
                    f"{files} in the output is not what was put there; {str(source.path)!r} is done again"
                )
            path, run = str(source.path.absolute()), str(self.manifest.run)
            taken_by = self.manifest.of_another(source.place, path, content)
            if taken_by is not None:
                reason = (
                    f"{str(source.path)!r} is not protected: {taken_by!r} in the output was made from "
                    "another photo of this name, elsewhere; choose another --out"
                )
                self.refused.append(Refused(str(source.path), reason, SourceError.exit_code))
                continue
            yield Task(path, source.place, names[source.place], run, digest, self.people)

    def _settle(self, task: Task, outcome: Outcome, path: str) -> None:
        conflict = self.manifest.conflict(task.place, outcome.outputs)
        if conflict is not None:
            outcome = replace(
                outcome, status=None, reasons=(f"{path!r} is not protected: {conflict}",), exit_code=5
            )
        if outcome.status is None:
            self._refuse(task, outcome, path, "; ".join(outcome.reasons), outcome.exit_code)
            return
        before = self.manifest.entries.get(task.place)
        entry = PhotoEntry(
            place=task.place,
            name=task.name,
            content=self.manifest.content_of(outcome.sha256),
            settings=self.manifest.settings_of(task.method_digest),
            policy=self.settings.on_no_face,
            status=outcome.status,
            faces=outcome.faces,
            protected=outcome.protected,
            small=outcome.small,
            outputs=outcome.outputs,
            contents=tuple(map(self.manifest.content_of, outcome.contents)),
            staged=outcome.staged,
            replaces=tuple(old for old in (before.outputs if before else ()) if old not in outcome.outputs),
            marks=tuple(mark.as_dict() for mark in outcome.marks),
            clip=None if outcome.clip is None else outcome.clip.as_dict(),
            people=self._people(),
            source=self.manifest.source_of(task.path),
            known=len(outcome.recorded),
        )
        try:
            self._record(outcome.recorded)
        except OverLimit as error:
            shutil.rmtree(self.manifest.folder / outcome.staged, ignore_errors=True)
            self._refuse(task, outcome, path, f"{path!r} is not protected: {error}", error.exit_code)
            return
        try:
            self.manifest.commit(entry)
        except NotPlaced as error:
            self.refused.append(Refused(path, f"{path!r} is not protected: {error}", error.exit_code))
            self.faces_of_refused += outcome.faces
            return
        self.new.append(entry)
        if before is not None and before.protected and entry.protected:
            self.replaced += sum(map(is_picture, before.outputs))
        self.notes += [f"{path!r}: {text}" for text in outcome.lost]
        self.small_faces += [Refused(path, reason, 4) for reason in outcome.reasons]
        self.strangers += outcome.strangers
        if outcome.recognised:
            self.recognised.append((path, outcome.recognised))
            try:
                write_log(path, outcome.recognised)
            except (
                OutputError
            ) as error:  # the photo is protected and recorded; the terminal reports the faces
                self.log_problem = f"which faces are still recognised is not logged: {error}"
        self.guarantee = weaker(self.guarantee, outcome.guarantee)

    def _refuse(self, task: Task, outcome: Outcome, path: str, reason: str, exit_code: int) -> None:
        """Count a refusal, and name what an earlier run made of the photo, which is still in the output."""
        self.refused.append(Refused(path, reason, exit_code))
        self.faces_of_refused += outcome.faces
        left = self.manifest.pictures_left(task.place)
        if left:
            self.notes.append(
                f"{path!r} was refused, but the output still has what an earlier run made under that name: "
                f"{', '.join(map(repr, left))}"
            )

    def _make_up_for(self, entry: PhotoEntry, path: str) -> None:
        """Record releases of an earlier run that this ledger lacks; no budget can refuse them any more."""
        if self.ledger is None:
            return
        people = self._people()
        try:
            lacking = unrecorded(
                entry,
                path,
                self.manifest.out,
                self.settings,
                self.people,
                self.size,
                self.ledger,
                other_people=entry.people != people,
            )
        except NotRecorded as error:
            self.refused.append(Refused(path, str(error), error.exit_code))
            self.kept.pop()
            return
        self._record(lacking, already_made=True)
        if people not in ("", entry.people):
            self.manifest.amend(replace(entry, people=people))

    def _people(self) -> str:
        if self.people is None or self.ledger is None:
            return ""
        return self.manifest.people_of(self.people, self.ledger.path)

    def _record(self, releases: Sequence[Recorded], *, already_made: bool = False) -> None:
        if self.ledger is not None:
            made = [Booking(r.subject, Certificate.from_json(r.certificate), r.images) for r in releases]
            self.recorded += self.ledger.record_all(made, only_new=True, already_made=already_made)

    def _summary(self, total: int) -> Summary:
        everything = [*self.kept, *self.new]
        whole = self.settings.layout == Layout.WHOLE_PHOTO
        accounts = tuple(map(_account, sorted(everything, key=lambda entry: entry.place)))
        covered = sum(account.count(Fate.COVERED) for account in accounts)
        return Summary(
            photos=total,
            size=self.size,
            clips=sum(source.is_clip for source in self.sources.photos),
            protected=sum(entry.status == "protected" for entry in self.new),
            done_before=sum(entry.status == "protected" for entry in self.kept),
            skipped=sum(entry.status == "skipped" for entry in everything),
            copied=sum(entry.status == "copied" for entry in everything),
            refused=tuple(self.refused),
            faces_found=sum(entry.faces for entry in everything) + self.faces_of_refused,
            faces_protected=sum(entry.protected for entry in everything),
            faces_refused=sum(entry.small for entry in everything) + self.faces_of_refused,
            faces_covered=covered,
            faces_left=sum(
                entry.faces - entry.protected - _account(entry).count(Fate.COVERED)
                for entry in everything
                if whole or entry.clip is not None
            ),
            accounts=accounts if self.settings.layout != Layout.PICTURE else (),
            outputs=tuple(name for entry in everything for name in entry.outputs),
            strangers=self.strangers,
            recorded=self.recorded,
            small_faces=tuple(self.small_faces),
            others=self.sources.others,
            notes=(
                *self.beforehand,
                *self.sources.notes,
                *self.notes,
                *([self.log_problem] if self.log_problem else ()),
            ),
            guarantee=with_kept(
                self.guarantee,
                self.kept,
                self.manifest.out,
                drawn_anew=self.settings.draw_per == "frame",
            ),
            recognised=tuple(self.recognised),
        )


def _account(entry: PhotoEntry) -> Account:
    clip = None if entry.clip is None else ClipFacts.from_dict(entry.clip)
    return Account(entry.place, entry.outputs, tuple(map(Mark.from_dict, entry.marks)), clip)
