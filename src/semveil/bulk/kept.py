# SPDX-License-Identifier: Apache-2.0
"""Releases of an earlier run without a ledger, or with another one, to be recorded now."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from semveil.bulk.account import Fate, Mark
from semveil.bulk.enrolled import enrol
from semveil.bulk.manifest import PhotoEntry
from semveil.bulk.people import people_of
from semveil.bulk.recorded import Recorded, bookings
from semveil.bulk.settings import Settings
from semveil.core.errors import PhotoError, SemveilError
from semveil.data.certified import SUFFIX, read_certificate
from semveil.data.faces import choose_faces
from semveil.data.photos import load_photo
from semveil.methods.release import Layout
from semveil.privacy.certificate import Certificate
from semveil.privacy.ledger import Ledger


class NotRecorded(SemveilError):
    """A release in the output that cannot be recorded; the message says why."""

    exit_code = 8


def unrecorded(
    entry: PhotoEntry,
    photo: str,
    out: Path,
    settings: Settings,
    people: str | None,
    size: int,
    ledger: Ledger,
    *,
    other_people: bool = False,
) -> list[Recorded]:
    """Releases of a processed photo that the ledger may lack; some may be recorded about the same person.

    Certificates are read from the output. Enrolled people are recognised in the photo again.

    Args:
        entry: the photo's entry in the manifest.
        photo: its path; its content is unchanged.
        out: the output folder.
        settings: settings of the run.
        people: `enrolment_digest`, if there are enrolled people.
        size: side of the method's crops.
        ledger: ledger to compare with.
        other_people: whether the releases were recorded with other enrolled people, or none.

    Raises:
        NotRecorded: a certificate cannot be used, or the person in a picture is unknown.
    """
    try:
        made = {
            PurePosixPath(output).name: read_certificate(out / output)
            for output in entry.outputs
            if output.endswith(SUFFIX)
        }
        lacking = {name: made_ for name, made_ in made.items() if not ledger.knows(made_.release_id)}
        asked = made if other_people and settings.enrolled is not None else lacking
        if entry.clip is not None:
            nobody = settings.enrolled is not None and entry.known == 0 and not other_people
            return list(_of_a_clip(asked, entry, settings, photo)) if asked and not nobody else []
        if settings.enrolled is None:
            return list(_of_the_subject(made, settings, photo))
        if not asked or entry.status != "protected" or people is None:
            return []
        return list(_of_enrolled(asked, entry, photo, settings, people, size))
    except NotRecorded:
        raise
    except SemveilError as error:
        raise NotRecorded(f"{photo!r} was protected before and cannot be recorded: {error}") from error


def _of_a_clip(
    made: dict[str, Certificate], entry: PhotoEntry, settings: Settings, clip: str
) -> Iterator[Recorded]:
    """A clip's release for the subject, once for each face protected in it, or once if it was copied."""
    if settings.subject is None:
        raise NotRecorded(
            f"{clip!r} was protected before without this ledger or these enrolled people, and whom its faces "
            "show is not found out again; it is not recorded: protect it into another folder, which is a "
            "further release"
        )
    fates = [Mark.from_dict(mark).fate for mark in entry.marks]
    shown = (settings.subject,) if Fate.PROTECTED not in fates and Fate.COVERED in fates else ()
    times = fates.count(Fate.PROTECTED) if fates else 1
    for certificate in made.values():
        yield from bookings((settings.subject,) * times, shown, certificate)


def _of_the_subject(made: dict[str, Certificate], settings: Settings, photo: str) -> Iterator[Recorded]:
    assert settings.subject is not None
    if sum(certificate.images for certificate in made.values()) > 1:
        raise NotRecorded(
            f"{photo!r} was protected before without a subject and shows several chosen faces, of which one "
            "is the subject's; it is not recorded: choose with --face, or enrol people"
        )
    for certificate in made.values():
        yield from bookings((settings.subject,), (), certificate)


def _of_enrolled(
    made: dict[str, Certificate], entry: PhotoEntry, photo: str, settings: Settings, people: str, size: int
) -> Iterator[Recorded]:
    assert settings.enrolled is not None
    loaded = load_photo(photo)
    whole = settings.layout == Layout.WHOLE_PHOTO
    detector = settings.detector
    faces = [face for _, face in choose_faces(loaded, "all", smallest=1, thorough=whole, detector=detector)]
    if len(faces) != entry.faces:
        raise PhotoError(f"it shows {len(faces)} faces now, {entry.faces} were found then")
    chosen = [mark.number for mark in map(Mark.from_dict, entry.marks) if mark.fate == Fate.PROTECTED]
    if not entry.marks:  # written by an earlier version, which protected all chosen faces
        chosen = [i for i in settings.chosen(len(faces)) if i < len(faces)]
    through, exposed = people_of(loaded, faces, chosen, size, enrol(settings.enrolled, people))
    name = PurePosixPath(entry.name).name
    if whole:
        (certificate,) = made.values()
        yield from bookings(tuple(person for known in through for person in known), exposed, certificate)
        return
    for i, known in zip(chosen, through, strict=True):
        own = f"{name}.face-{i}.png{SUFFIX}" if len(faces) > 1 else f"{name}.png{SUFFIX}"
        if own in made:
            yield from bookings(known, (), made[own])
