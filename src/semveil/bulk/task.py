# SPDX-License-Identifier: Apache-2.0
"""Protection of one photo, in this process or on a Dask worker: detect, align, protect, write to staging."""

import errno
import os
import secrets
import socket
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from numpy.typing import NDArray

from semveil import __version__
from semveil.bulk.account import LARGEST, ClipFacts, Fate, Mark, mark_faces, named_for
from semveil.bulk.covered import cover_doubtful, only_covered, with_way_back
from semveil.bulk.enrolled import enrol
from semveil.bulk.manifest import Status
from semveil.bulk.people import known, people_shown, recognise
from semveil.bulk.pictures import Picture, crops, middle_square, whole_photo
from semveil.bulk.recognised import still_recognised
from semveil.bulk.recorded import Recorded, bookings
from semveil.bulk.settings import Settings, needs_subjects
from semveil.bulk.sources import BulkError, sha256_of
from semveil.bulk.written import keep_crops, write_picture
from semveil.core.errors import (
    FaceChoiceError,
    FaceTooLargeError,
    FaceTooSmallError,
    NoFaceError,
    OutputError,
    PhotoError,
    SemveilError,
    is_out_of_memory,
)
from semveil.data.align import enlargement
from semveil.data.boxes import SMALLEST_FACE
from semveil.data.faces import choose_faces, list_faces, smallest_face
from semveil.data.paste import align_apart, passing
from semveil.data.photos import Photo, load_photo
from semveil.faces.pixels import to_tensor
from semveil.methods.release import ImageMethod, Layout, Release
from semveil.privacy.certificate import Certificate, ReleaseKind
from semveil.privacy.guarantee import Guarantee
from semveil.recognition.dlib_faces import Face


@dataclass(frozen=True)
class Task:
    """One photo for a worker.

    Attributes:
        path: absolute path of the photo.
        place: as in `sources.Source`.
        name: name of its outputs, relative to the output folder.
        run: staging folder of the run.
        method_digest: `Settings.digest` in the process that started the run; a worker with another model or
            version must not continue.
        people: `enrolment_digest` in that process, if there are enrolled people.
    """

    path: str
    place: str
    name: str
    run: str
    method_digest: str
    people: str | None = None


@dataclass(frozen=True)
class Outcome:
    """Result for one photo or clip.

    Attributes:
        place: place of the photo.
        status: None if it was refused; then `reasons` say why and `exit_code` is that of the error.
        sha256: SHA-256 of the photo's bytes as read.
        faces, protected, small: numbers of faces detected, protected, and refused because they are too small.
        outputs: files relative to the output folder, currently in `staged`; certificates come first.
        contents: SHA-256 of each output.
        reasons: why the photo or some of its faces were refused.
        guarantee: guarantee of the pictures; None if no face is protected.
        recorded: records for the ledger.
        strangers: number of protected faces of nobody enrolled, if there are enrolled people.
        lost: messages about content of the photo's file that the pictures lack.
        recognised: numbers of the protected faces that recognisers still accept as the same person, with the
            recognisers; for the owner of the photos only.
        marks: fate of each face.
        clip: facts about a clip; None for a photo.
    """

    place: str
    status: Status | None
    sha256: bytes = b""
    faces: int = 0
    protected: int = 0
    small: int = 0
    outputs: tuple[str, ...] = ()
    contents: tuple[bytes, ...] = ()
    staged: str = ""
    reasons: tuple[str, ...] = ()
    exit_code: int = 0
    guarantee: Guarantee | None = None
    recorded: tuple[Recorded, ...] = ()
    strangers: int = 0
    lost: tuple[str, ...] = ()
    recognised: tuple[tuple[int, tuple[str, ...]], ...] = ()
    marks: tuple[Mark, ...] = ()
    clip: ClipFacts | None = None


# Errors that concern a single output, such as an invalid name or an existing folder; the run can continue.
_ONE_OUTPUT = {
    number
    for name in ("ENAMETOOLONG", "EISDIR", "ENOTDIR", "EEXIST", "ELOOP", "EILSEQ", "EINVAL", "EFBIG")
    if (number := getattr(errno, name, None)) is not None
}


def protect_photo(task: Task, settings: Settings) -> Outcome:
    """Protect a photo, and write pictures and certificates into a new folder below `task.run`.

    Args:
        task: the photo, its place and name in the output, and the digest of the method.
        settings: settings of the run.

    Returns:
        The outcome, including failures that concern this photo only.

    Raises:
        BulkError: this process cannot access the run's folder, or has another model or version.
        OutputError: nothing can be written, for example on a full disk.
    """
    method = method_of(settings, task.method_digest)
    if not Path(task.run).is_dir():
        raise BulkError(
            f"the worker on {socket.gethostname()} does not see {task.run!r}; photos and output must lie on "
            "a file system that all workers share under the same path"
        )

    def work() -> Outcome:
        sha256 = sha256_of(task.path)
        photo = load_photo(task.path)
        if sha256_of(task.path) != sha256:  # the file logged as done must be the one that was read
            raise PhotoError(f"{task.path!r} changed while it was read; run again when it is whole")
        protect = _protect_picture if settings.layout == Layout.PICTURE else _protect_faces
        return replace(protect(task, settings, method, photo), sha256=sha256, lost=photo.lost)

    return refused_where_it_fails(task, work)


def refused_where_it_fails(task: Task, work: Callable[[], Outcome]) -> Outcome:
    """Run the work on one photo or clip; an exception that concerns it alone becomes a refusal.

    Args:
        task: the photo or clip, for the messages.
        work: returns the outcome.

    Returns:
        The outcome of `work`, or a refusal.

    Raises:
        BulkError: as raised by `work`; the run cannot continue.
        OutputError: as raised by `work`, unless its cause concerns a single file, such as a name that is too
            long.
    """
    try:
        return work()
    except BulkError:
        raise
    except OutputError as error:
        if getattr(error.__cause__, "errno", None) not in _ONE_OUTPUT:
            raise
        large = getattr(error.__cause__, "errno", None) == errno.EFBIG
        fix = (
            "the file system or a limit takes no file that large"
            if large
            else "give the photo another or shorter name"
        )
        reason = f"{task.path!r} is not protected: {error}; {fix}"
        return Outcome(task.place, None, reasons=(reason,), exit_code=error.exit_code)
    except SemveilError as error:
        return Outcome(task.place, None, reasons=(str(error),), exit_code=error.exit_code)
    except MemoryError:
        reason = f"{task.path!r} needs more memory than there is; shrink it"
        return Outcome(task.place, None, reasons=(reason,), exit_code=PhotoError.exit_code)
    except Exception as error:  # one photo must not end a run of thousands
        if is_out_of_memory(error):
            reason = (
                f"{task.path!r} needs more memory than there is, with these settings; shrink it, or ask "
                "for a smaller size"
            )
            return Outcome(task.place, None, reasons=(reason,), exit_code=PhotoError.exit_code)
        if os.environ.get("SEMVEIL_DEBUG"):
            traceback.print_exc()
        reason = (
            f"{task.path!r}: unexpected {type(error).__name__}: {error}; run it again with --debug for the "
            "traceback"
        )
        return Outcome(task.place, None, reasons=(reason,), exit_code=1)


@lru_cache(maxsize=2)
def method_of(settings: Settings, digest: str, *, clip: bool = False) -> ImageMethod:
    """Build the method and check that it is the one the run was started with.

    Args:
        settings: settings of the run.
        digest: digest of the method in the process that started the run.
        clip: compare the digest for clips.

    Returns:
        The method, cached per process.

    Raises:
        BulkError: the digest differs, because of another model, version or default.
    """
    method = settings.build()
    if settings.digest(method, clip=clip) != digest:
        raise BulkError(
            f"the worker on {socket.gethostname()} (semveil {__version__}) has another model or other "
            "defaults than this process; install the same version and models there"
        )
    return method


def _protect_picture(task: Task, settings: Settings, method: ImageMethod, photo: Photo) -> Outcome:
    square = middle_square(photo.pixels, method.size)
    release = _release(method, [square], [settings.subject])
    made = crops(method, release, [task.name], [known(settings.subject)])
    return _write_all(task, settings, method, made, [task.name], [square])


def _protect_faces(task: Task, settings: Settings, method: ImageMethod, photo: Photo) -> Outcome:
    whole = settings.layout == Layout.WHOLE_PHOTO
    try:
        faces = [
            face
            for _, face in choose_faces(photo, "all", smallest=1, thorough=whole, detector=settings.detector)
        ]
    except NoFaceError:
        if settings.on_no_face == "error":
            raise
        if settings.on_no_face == "skip":
            return Outcome(task.place, "skipped")
        return _write_all(task, settings, method, [_copy(task, settings, photo)], [], [], status="copied")

    def refused(error: type[SemveilError], *reasons: str, small: int = 0) -> Outcome:
        return Outcome(
            task.place, None, faces=len(faces), small=small, reasons=reasons, exit_code=error.exit_code
        )

    chosen = settings.chosen(len(faces))
    if absent := [i for i in chosen if i >= len(faces)]:
        shown = list_faces(list(enumerate(faces)))
        return refused(
            FaceChoiceError, f"{photo.name!r} has no face {', '.join(map(str, absent))}; it shows {shown}"
        )
    least = (
        SMALLEST_FACE if whole else smallest_face(method.size)
    )  # a pasted face is resized to its original size
    doubts = {i: doubt for i in chosen if (doubt := _doubt(faces[i], least))}
    fit = [i for i in chosen if i not in doubts]
    covered = list(doubts) if whole and settings.doubtful == "cover" else []

    def fix(face: Face) -> str:
        if whole and fit:
            named = ",".join(map(str, fit))
            return f"leave it as it is by naming the others (--face {named}), or use a larger photo"
        if not whole and SMALLEST_FACE <= face.shorter_side < least:
            return f"use a larger photo, or --whole-photo, which takes faces of {SMALLEST_FACE} px"
        return "use a larger or clearer photo"

    reasons = tuple(f"face {i} in {photo.name!r} {doubt}; {fix(faces[i])}" for i, doubt in doubts.items())
    # a whole photo would show the face
    if not (fit or covered) or (whole and reasons and settings.doubtful == "refuse"):
        return refused(FaceTooSmallError, *reasons, small=len(reasons))
    if settings.subject is not None and len(fit) > 1:
        return refused(
            FaceChoiceError,
            f"{photo.name!r} shows {len(fit)} chosen faces, the subject is one person; choose with --face, "
            "or enrol people",
        )

    enlarged: dict[int, float] = {}
    if whole and method.model_digest is not None:  # without a model there is no native size
        enlarged = {i: enlargement(faces[i].landmarks, method.size) for i in fit}
    large = [i for i in enlarged if enlarged[i] > LARGEST]
    if large and settings.oversize == "refuse":
        times = ", ".join(f"face {i} {enlarged[i]:.1f} times" for i in large)
        return refused(
            FaceTooLargeError,
            f"{photo.name!r} has faces larger than the model's {method.size} px: {times}; shrink the photo, "
            "or see --oversize",
        )
    softened = large if settings.oversize == "blur" else []
    made = _protect_chosen(task, settings, method, photo, faces, fit, covered, softened)
    rest = Fate.LEFT if whole else Fate.OUT
    marks = mark_faces(faces, fit, covered, doubts, rest=rest, enlarged=enlarged, blurred=softened)
    told = () if whole else reasons
    return replace(made, faces=len(faces), protected=len(fit), small=len(told), reasons=told, marks=marks)


def _doubt(face: Face, least: int) -> str:
    """Why a face cannot be protected; empty if it can."""
    if face.shorter_side < least:
        return f"has {face.shorter_side} px, fewer than the {least} px needed"
    return face.doubtful and f"is doubtful: {face.doubtful}"


def _protect_chosen(
    task: Task,
    settings: Settings,
    method: ImageMethod,
    photo: Photo,
    faces: Sequence[Face],
    chosen: Sequence[int],
    covered: Sequence[int],
    softened: Sequence[int],
) -> Outcome:
    """Protect some of a photo's faces, cover others, and write the outputs."""
    # the subject is the protected face, or the covered one if none is protected
    who: list[str | None] = [
        settings.subject if i in (chosen or covered) else None for i in range(len(faces))
    ]
    if settings.enrolled is not None and task.people is not None:
        who = recognise(photo, faces, enrol(settings.enrolled, task.people))
    names = [f"{task.name}.face-{i}" if len(faces) > 1 else task.name for i in chosen]
    landmarks = [face.landmarks for face in faces]
    aligned = align_apart(photo.pixels, landmarks, method.size)
    cut = [aligned[i].pixels for i in chosen]
    release = _release(method, cut, [who[i] for i in chosen]) if chosen else None
    through, exposed = people_shown(who, chosen, passing(aligned))
    if settings.layout == Layout.WHOLE_PHOTO:
        if release is not None:
            picture = whole_photo(
                method, release, task.name, through,
                photo=photo, faces=aligned, landmarks=landmarks, chosen=chosen, softened=softened,
                exposed=exposed,
            )  # fmt: skip
        else:
            picture = only_covered(task.name, method.name, photo, exposed)
        picture = replace(picture, name=named_for(task.name, len(faces), len(chosen), len(covered)))
        if covered or settings.sealing is not None:  # computing the regions is slow
            altered = cover_doubtful(picture, faces, aligned, chosen=chosen, covered=covered)
            sealing = settings.sealing
            picture = altered.picture if sealing is None else with_way_back(altered, photo.pixels, sealing)
        made = [picture]
    else:
        assert release is not None  # without a chosen face, crops are refused
        made = crops(method, release, names, through)
    by = still_recognised(to_tensor(cut), release.images) if release is not None else []
    recognised = tuple((i, judges) for i, judges in zip(chosen, by, strict=True) if judges)
    strangers = [who[i] for i in chosen].count(None) if settings.enrolled else 0
    written = _write_all(task, settings, method, made, names, cut)
    guarantee = written.guarantee if chosen else None  # nothing is claimed about mosaics
    return replace(written, strangers=strangers, recognised=recognised, guarantee=guarantee)


def _release(method: ImageMethod, images: Sequence[NDArray[Any]], subjects: Sequence[str | None]) -> Release:
    """Release of images; strangers get unique random names, so that nothing links them."""
    if not needs_subjects(method):
        return method.protect(to_tensor(images))
    named = [secrets.token_hex(16) if subject is None else subject for subject in subjects]
    return method.protect(to_tensor(images), subjects=named)  # type: ignore[call-arg]


def _copy(task: Task, settings: Settings, photo: Photo) -> Picture:
    """Copy of the photo's pixels, upright and without metadata, with a certificate that claims nothing.

    Its name says so too, so that it is never mistaken for a protected picture; a photo all of one colour, in
    which nobody can be seen, keeps its name.
    """
    plain = bool((photo.pixels == photo.pixels[0, 0]).all())
    what = "the photo, all of one colour, so that nothing is to be seen in it," if plain else "the photo"
    reason = f"no face was found, and {what} was copied as it is"
    claim = Guarantee.none("nothing", reason=reason, not_covered=("the whole photo",))
    return Picture(
        task.name if plain else f"{task.name}.unprotected",
        photo.pixels,
        Certificate(release=ReleaseKind.IMAGE, method=settings.method, protection="none", guarantee=claim),
        known(settings.subject),
    )


def _write_all(
    task: Task,
    settings: Settings,
    method: ImageMethod,
    made: Sequence[Picture],
    names: Sequence[str],
    cut: Sequence[NDArray[Any]],
    *,
    status: Status = "protected",
) -> Outcome:
    """Write pictures, their certificates and kept crops into a new folder."""
    staged = Path(task.run) / secrets.token_hex(8)
    staged.mkdir()
    files, recorded = [], []
    for picture in made:
        certificate = replace(picture.certificate, commit=settings.commit)
        inside = settings.sealing is not None and settings.sealing.inside
        files += write_picture(
            staged,
            replace(picture, certificate=certificate),
            in_png=settings.certificate_in_png,
            inside=inside,
        )
        recorded += bookings(picture.subjects, picture.exposed, certificate)
    files += keep_crops(staged, names, cut, settings, method)
    return Outcome(
        task.place,
        status,
        outputs=tuple(files),
        contents=tuple(sha256_of(staged / PurePosixPath(file).name) for file in files),
        staged=f"{Path(task.run).name}/{staged.name}",
        guarantee=made[0].certificate.guarantee if status == "protected" else None,
        recorded=tuple(recorded),
    )
