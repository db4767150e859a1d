# SPDX-License-Identifier: Apache-2.0
"""Protection of one clip.

Faces are detected and tracked, one draw is made for each, the release is recorded, and only then is the first
frame written.
"""

import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.transform import SimilarityTransform

from semveil.bulk.account import ClipFacts, Fate, named_for
from semveil.bulk.clip_claim import bare_certificate, clip_certificate, with_original
from semveil.bulk.clip_faces import FRAMES, ClipFaces, choose_fates, followed
from semveil.bulk.clip_frames import (
    LEAD,
    Drawing,
    Drawn,
    Lead,
    Looked,
    as_photo,
    draws_once,
    look_for_faces,
    stretch_file,
    write_protected,
)
from semveil.bulk.clip_stills import choose_stills
from semveil.bulk.clip_store import ClipStore, Released
from semveil.bulk.enrolled import enrol
from semveil.bulk.manifest import Manifest
from semveil.bulk.people import known, people_shown, recognise
from semveil.bulk.pictures import outline_passes
from semveil.bulk.pool import Lost, Pool
from semveil.bulk.recognised import still_recognised
from semveil.bulk.recorded import Recorded, bookings
from semveil.bulk.settings import Settings, needs_subjects
from semveil.bulk.sources import sha256_of
from semveil.bulk.task import Outcome, Task, method_of, refused_where_it_fails
from semveil.core.errors import FaceChoiceError, FaceTooSmallError, NoFaceError
from semveil.core.files import write_whole
from semveil.core.progress import Progress
from semveil.data.align import AlignedFace
from semveil.data.boxes import SMALLEST_FACE
from semveil.data.certified import write_certificate
from semveil.data.paste import align_apart, passing
from semveil.data.sealed_clip import check_length, read_original, seal_clip
from semveil.data.sealed_faces import sealed_path
from semveil.faces.pixels import to_tensor
from semveil.faces.template import TEMPLATE
from semveil.methods.release import Draw, ImageMethod, Release, draw_once, show_draw
from semveil.privacy.certificate import Certificate
from semveil.privacy.guarantee import Guarantee
from semveil.privacy.ledger import OverLimit
from semveil.video.clip import ClipError, Stretch, frames_of, read_clip
from semveil.video.encode import join_stretches
from semveil.video.tracks import Place, Shown

_DRAWS = "draws"
_SUFFIX = ".mp4"

T = TypeVar("T")
R = TypeVar("R")


def protect_clip(
    task: Task,
    settings: Settings,
    *,
    pool: Pool,
    manifest: Manifest,
    book: Callable[[Sequence[Recorded]], None],
    progress: Progress,
) -> Outcome:
    """Protect a clip and write it with its certificate into a new folder below `task.run`.

    Detections, draws and written stretches are stored below the output folder's log, readable by its owner
    only, until the clip is complete; the next run resumes from them. `book` is called with the release before
    the first frame is written.

    Args:
        task: the clip and where its output goes.
        settings: result of `Settings.for_clips`.
        pool: runs the stretches.
        manifest: log of the output folder.
        book: records the releases; raises `OverLimit` where the release must not be made.
        progress: called with the stage, the number of frames done and the total.

    Returns:
        What became of the clip; status None if it was refused.

    Raises:
        BulkError, OutputError: the run cannot continue.
    """
    method = method_of(settings, task.method_digest, clip=True)
    return refused_where_it_fails(
        task, lambda: _Work(task, settings, method, pool, manifest, book, progress).outcome()
    )


class _Work:
    """State of a clip while it is protected."""

    def __init__(
        self,
        task: Task,
        settings: Settings,
        method: ImageMethod,
        pool: Pool,
        manifest: Manifest,
        book: Callable[[Sequence[Recorded]], None],
        progress: Progress,
    ) -> None:
        self.task, self.settings, self.method, self.pool, self.book = task, settings, method, pool, book
        self.progress = progress
        self.name = PurePosixPath(task.place).name
        self.sha256 = sha256_of(task.path)
        self.clip = read_clip(task.path)
        self.key = None if settings.sealing is None else settings.sealing.load()
        self.sound = settings.audio == "keep" and self.clip.audio is not None
        self.store = ClipStore(
            manifest, manifest.content_of(self.sha256), manifest.settings_of(task.method_digest)
        )

    def outcome(self) -> Outcome:
        """Protect the clip and return the outcome."""
        clip, settings = self.clip, self.settings
        tracks = followed(self._look(), clip)
        if not tracks and settings.on_no_face != "copy":
            if settings.on_no_face == "skip":
                return self._told(Outcome(self.task.place, "skipped"))
            raise NoFaceError(
                f"no face found in {self.name!r} ({len(clip.pts)} frames of {clip.size[0]} x "
                f"{clip.size[1]}); name another clip, or say what becomes of it with --on-no-face skip or "
                "copy"
            )
        size = None if self.method.model_digest is None else self.method.size
        faces = choose_fates(tracks, clip, settings, self.name, size=size)
        refused = self._refused(faces)
        if refused is not None:
            return refused
        if self.key is not None and tracks:
            check_length(self.task.path)
        who = self._who(faces)
        released = self._released(faces, who)
        chosen = faces.with_fate(Fate.PROTECTED)
        subjects, exposed = self._people(faces, who)
        recorded = bookings(subjects, exposed, released.certificate)
        try:
            self.book(recorded)
        except OverLimit as error:
            self.store.remove()
            raise OverLimit(f"{self.task.path!r} is not protected: {error}") from None
        recognised = self._recognised(faces, released)
        missed, elsewhere = self._write(faces, released)
        outcome = self._joined(faces, released.certificate)
        hidden = {
            frame for i in chosen for frame, place in faces.places[i].items() if place.shown == Shown.HIDDEN
        }
        seconds = float(clip.times[-1]) + float(1 / clip.rate)
        strangers = [who[i] for i in chosen].count(None) if settings.enrolled else 0
        return self._told(
            replace(
                outcome,
                faces=len(tracks),
                protected=len(chosen),
                guarantee=released.certificate.guarantee if chosen else None,
                recorded=tuple(recorded),
                strangers=strangers,
                recognised=recognised,
                marks=faces.marks(),
                clip=ClipFacts(
                    len(clip.pts),
                    round(seconds, 2),
                    len(hidden),
                    len(missed),
                    elsewhere,
                    self.sound,
                    tuple(round(float(clip.times[frame]), 3) for frame in missed),
                    choose_stills(faces, missed, clip.times),
                ),
            )
        )

    def _told(self, outcome: Outcome) -> Outcome:
        if sha256_of(self.task.path) != self.sha256:  # the file logged as done must be the one that was read
            raise ClipError(f"{self.task.path!r} changed while it was read; run again when it is whole")
        return replace(outcome, sha256=self.sha256, lost=self.clip.lost)

    # Detection

    def _look(self) -> list[Looked]:
        """Detections in each stretch; those of an earlier run are reused."""
        stretches = self.clip.stretches(FRAMES)
        kept = {s: self.store.read_json(f"faces-{s.first:08d}") for s in stretches}
        todo = [stretch for stretch in stretches if kept[stretch] is None]
        work = partial(look_for_faces, detector=self.settings.detector)
        for stretch, looked in self._each(f"Finding faces in {self.name}", work, todo, key=lambda s: s):
            kept[stretch] = asdict(looked)
            self.store.write_json(f"faces-{stretch.first:08d}", kept[stretch])
        return [Looked(**kept[stretch]) for stretch in stretches]

    def _refused(self, faces: ClipFaces) -> Outcome | None:
        """Outcome that refuses the clip, with reasons; None if it can be protected as requested."""
        chosen, doubts = faces.with_fate(Fate.PROTECTED), faces.doubts
        if doubts and (self.settings.doubtful == "refuse" or not (chosen or faces.with_fate(Fate.COVERED))):
            reasons = tuple(f"face {i} in {self.name!r} {doubt}" for i, doubt in doubts.items())
            code = FaceTooSmallError.exit_code
            return Outcome(
                self.task.place,
                None,
                faces=len(faces.tracks),
                small=len(doubts),
                reasons=reasons,
                exit_code=code,
            )
        if self.settings.subject is not None:
            for one, other in itertools.combinations(chosen, 2):
                if not set(faces.tracks[one].seen).isdisjoint(faces.tracks[other].seen):
                    raise FaceChoiceError(
                        f"{self.name!r} shows the chosen faces {one} and {other} at once, the subject is "
                        "one person; choose with --face, or enrol people"
                    )
        return None

    # People

    def _who(self, faces: ClipFaces) -> list[str | None]:
        """Name of the person that each face shows, as given or recognised from its sharpest frame."""
        settings = self.settings
        if settings.enrolled is not None and self.task.people is not None:
            people = enrol(settings.enrolled, self.task.people)
            who: list[str | None] = []
            for track in faces.tracks:
                frame = track.best(SMALLEST_FACE)
                who += recognise(as_photo(self._frame(frame)), [track.seen[frame].face], people)
            return who
        concerned = faces.with_fate(Fate.PROTECTED) or faces.with_fate(Fate.COVERED)
        return [settings.subject if i in concerned else None for i in range(len(faces.tracks))]

    def _people(self, faces: ClipFaces, who: Sequence[str | None]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Known people in releases, and known people who remain visible.

        The first tuple has a name once for each release that the person's pixels enter; a copied clip is a
        release about its subject.
        """
        if not who:
            return known(self.settings.subject), ()
        if not known(*who):
            return (), ()
        chosen = faces.with_fate(Fate.PROTECTED)
        crossing: list[set[int]] = [{i} for i in range(len(who))]
        for frame in range(len(self.clip.pts)):
            there = faces.in_frame(frame)
            if len(there) > 1:
                numbers = list(there)
                for i, others in zip(
                    numbers,
                    passing([_outline(place, self.method.size) for place in there.values()]),
                    strict=True,
                ):
                    crossing[i] |= {numbers[j] for j in others}
        through, exposed = people_shown(who, chosen, [sorted(one) for one in crossing])
        return tuple(name for names in through for name in names), exposed

    # Release

    def _released(self, faces: ClipFaces, who: Sequence[str | None]) -> Released:
        """Draws and certificate; those of an earlier run if there was one."""
        kept = self.store.read(_DRAWS)
        if kept is not None:
            return Released.from_bytes(kept)
        released = self._drawn(faces, who)
        certificate = replace(released.certificate, commit=self.settings.commit)
        if self.key is not None and faces.tracks:
            certificate = with_original(certificate, passphrase=self.key.source["kind"] == "passphrase")
        released = replace(released, certificate=certificate)
        self.store.write(_DRAWS, released.to_bytes())
        return released

    def _drawn(self, faces: ClipFaces, who: Sequence[str | None]) -> Released:
        settings, fates = self.settings, list(faces.fates.values())
        chosen = faces.with_fate(Fate.PROTECTED)
        if not chosen:
            reason = (
                "no face was found, and the clip was copied" if not fates else "no face could be protected"
            )
            protection = "mosaic" if Fate.COVERED in fates else "none"
            bare = bare_certificate(settings.method, protection, reason, fates=fates, sound=self.sound)
            return Released(bare, {})
        crops = {i: self._crop(faces, i) for i in chosen}
        once = draws_once(self.method, settings) or needs_subjects(self.method)
        draws: dict[int, Draw] = {}
        with torch.no_grad():
            for i in chosen:
                names = [who[i] or secrets.token_hex(16)] if needs_subjects(self.method) else None
                if once:
                    draws[i] = draw_once(self.method, crops[i], names)
            shown = {i: show_draw(self.method, draw, crops[i]) for i, draw in draws.items()}
        claim = draws[chosen[0]].guarantee if once else self._claim(crops[chosen[0]])
        pictures = torch.cat([shown.get(i, crops[i]) for i in chosen])
        frames = max(map(faces.replaced_in, chosen)) if settings.draw_per == "frame" and not once else None
        certificate = clip_certificate(
            self.method, Release(pictures, None, claim), frames=frames, fates=fates, sound=self.sound
        )
        return Released(certificate, draws)

    def _claim(self, crop: torch.Tensor) -> Guarantee:
        """The method's claim for one picture.

        Computed on a grey image, so that nothing is drawn for the face.
        """
        return self.method.protect(torch.zeros_like(crop)).guarantee

    def _recognised(self, faces: ClipFaces, released: Released) -> tuple[tuple[int, tuple[str, ...]], ...]:
        """Faces still recognised in their sharpest frames; for the owner only."""
        told = []
        for i in faces.with_fate(Fate.PROTECTED):
            crop = self._crop(faces, i)
            with torch.no_grad():
                if i in released.draws:
                    shown = show_draw(self.method, released.draws[i], crop)
                else:
                    shown = self.method.protect(crop).images
                (judges,) = still_recognised(crop, shown)
            told += [(i, judges)] if judges else []
        return tuple(told)

    def _crop(self, faces: ClipFaces, number: int) -> torch.Tensor:
        """Aligned crop of a face in its sharpest frame, with its neighbours blanked."""
        frame = faces.tracks[number].best(SMALLEST_FACE)
        there = faces.in_frame(frame)
        aligned = align_apart(
            self._frame(frame), [place.landmarks for place in there.values()], self.method.size
        )
        return to_tensor([aligned[list(there).index(number)].pixels])

    def _frame(self, number: int) -> NDArray[np.uint8]:
        (pixels,) = frames_of(self.clip.stretch(number, number + 1))
        return pixels

    # Output

    def _write(self, faces: ClipFaces, released: Released) -> tuple[list[int], int]:
        """Write all stretches not yet written.

        Returns the frames in which a known face is missed, and the number of those in which something else
        is found.
        """
        stretches = self.clip.stretches(FRAMES)
        done: dict[Stretch, Drawn] = {}
        for stretch in stretches:
            line = self.store.read_json(stretch_file(stretch) + ".done")
            if line is not None and self.store.holds(stretch_file(stretch), line["sha256"]):
                done[stretch] = Drawn(**line)
        todo = [self._drawing(stretch, faces, released) for stretch in stretches if stretch not in done]
        work = partial(write_protected, settings=self.settings)
        for drawing, drawn in self._each(
            f"Protecting {self.name}", work, todo, key=lambda task: task.stretch
        ):
            self.store.write_json(stretch_file(drawing.stretch) + ".done", asdict(drawn))
            done[drawing.stretch] = drawn
        missed = sorted(frame for drawn in done.values() for frame in drawn.missed)
        return missed, sum(drawn.elsewhere for drawn in done.values())

    def _drawing(self, stretch: Stretch, faces: ClipFaces, released: Released) -> Drawing:
        frames = range(stretch.first, stretch.last)
        places = tuple(faces.in_frame(frame) for frame in frames)
        there = {number for one in places for number in one}
        first = max(0, stretch.first - LEAD)
        lead = None
        if (
            first < stretch.first
            and released.draws
            and any(outline_passes(draw.guarantee) for draw in released.draws.values())
        ):
            lead = Lead(
                self.clip.stretch(first, stretch.first),
                tuple(map(faces.in_frame, range(first, stretch.first))),
            )
            there |= {number for one in lead.places for number in one}
        return Drawing(
            stretch=stretch,
            kind=self.clip.format,
            path=str(self.store.folder / stretch_file(stretch)),
            method_digest=self.task.method_digest,
            places=places,
            fates=faces.fates,
            draws={i: draw for i, draw in released.draws.items() if i in there},
            known=tuple(map(faces.known_boxes, frames)),
            softened=faces.softened,
            lead=lead,
        )

    def _each(
        self, stage: str, work: Callable[[T], R], tasks: Sequence[T], *, key: Callable[[T], Stretch]
    ) -> Iterator[tuple[T, R]]:
        """Process stretches in the pool and report progress in frames of the clip."""
        total = len(self.clip.pts)
        done = total - sum(len(key(task).pts) for task in tasks)
        self.progress(stage, done, total)
        for task, result in self.pool(work, tasks):
            if isinstance(result, Lost):
                raise ClipError(f"{self.name!r}: {result}")
            yield task, result
            done += len(key(task).pts)
            self.progress(stage, done, total)

    def _joined(self, faces: ClipFaces, certificate: Certificate) -> Outcome:
        """Join the stretches into one staged file with its certificate."""
        fates = list(faces.fates.values())
        count = {fate: fates.count(fate) for fate in Fate}
        name = named_for(self.task.name, len(fates), count[Fate.PROTECTED], count[Fate.COVERED])
        place = PurePosixPath(name if fates else f"{self.task.name}.unprotected")
        staged = Path(self.task.run) / secrets.token_hex(8)
        staged.mkdir()
        path = staged / f"{place.name}{_SUFFIX}"
        files = [self.store.folder / stretch_file(stretch) for stretch in self.clip.stretches(FRAMES)]
        join_stretches(path, files, self.clip, sound=self.sound)
        written = [write_certificate(path, certificate), path]
        if self.key is not None and fates:
            original, suffix = read_original(self.task.path), Path(self.task.path).suffix
            sealed = seal_clip(
                original,
                self.key.secret,
                source=self.key.source,
                suffix=suffix,
                release_id=certificate.release_id,
            )
            write_whole(sealed_path(path), sealed)
            written.insert(0, sealed_path(path))
        return Outcome(
            self.task.place,
            "protected" if fates else "copied",
            outputs=tuple(str(place.parent / file.name) for file in written),
            contents=tuple(sha256_of(file) for file in written),
            staged=f"{Path(self.task.run).name}/{staged.name}",
        )


def _outline(place: Place, size: int) -> AlignedFace:
    """Aligned crop with its transform but without pixels."""
    transform = SimilarityTransform.from_estimate(TEMPLATE * size, place.landmarks + 0.5)
    assert isinstance(transform, SimilarityTransform)
    return AlignedFace(
        np.empty((size, size, 3), np.uint8), np.asarray(transform.params), np.empty((0, 0), np.float32)
    )
