"""Which photos a run is about, and where each belongs below the output folder."""

import hashlib
import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from semveil.core.errors import PhotoError, SemveilError

PHOTO_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".avif", ".jp2", ".ppm", ".heic", ".heif")
)
_FACE_NUMBER = re.compile(r"\.face-\d+$")


class BulkError(SemveilError):
    """A run that cannot start or go on."""


class SourceError(SemveilError):
    """Photos and output folder that do not go together."""

    exit_code = 2


@dataclass(frozen=True)
class Source:
    """A photo of the run.

    Attributes:
        path: to open it by.
        place: where it lies below the folder that was given, with slashes, such as `holiday/anna.jpg`.
    """

    path: Path
    place: str


@dataclass(frozen=True)
class Sources:
    """The photos of a run, in order of their place.

    Attributes:
        photos: each file once.
        others: how many files were passed over because their names are not those of photos.
        notes: what else was passed over, in words.
    """

    photos: tuple[Source, ...]
    others: int
    notes: tuple[str, ...]


def find_sources(given: Sequence[str | os.PathLike[str]], out: Path | None = None) -> Sources:
    """The photos that paths name and folders hold.

    A single folder's content keeps its places; of several paths each folder's content comes below the folder's own name.
    Hidden files are passed over, and linked folders, and the output folder where it lies inside. A file that is reached
    twice, by links or overlapping paths, counts once, at the place found first: protecting it twice would be two releases.

    Raises:
        PhotoError: a path does not exist, or there is no photo at all.
        SourceError: the output folder is one of the folders given, or two photos belong in the same place.
    """
    paths = [Path(os.fspath(path)) for path in given]
    out = None if out is None else out.resolve()
    files: list[Source] = []
    notes: list[str] = []
    others = 0
    for path in paths:
        if path.is_dir():
            if path.resolve() == out:
                raise SourceError(f"the photos' folder {str(path)!r} is the output folder; choose another --out")
            prefix = PurePosixPath(path.resolve().name if len(paths) > 1 else "")
            found, passed, said = _walk(path, prefix, out)
            files += found
            others += passed
            notes += said
        elif path.exists():
            files.append(Source(path, path.name))
        else:
            gone = "is a link to nothing" if path.is_symlink() else "does not exist"
            raise PhotoError(f"{str(path)!r} {gone}; name photos or folders of photos")
    unique: dict[str, Source] = {}
    for source in files:
        first = unique.setdefault(os.path.realpath(source.path), source)
        if first.path != source.path:
            notes.append(f"{str(source.path)!r} is the same file as {str(first.path)!r}; it is protected once")
    photos = sorted(unique.values(), key=lambda source: source.place)
    for one, other in itertools.pairwise(photos):
        if one.place == other.place:
            raise SourceError(
                f"{str(one.path)!r} and {str(other.path)!r} would both be {one.place!r} in the output; "
                "protect them in two runs, or name a folder that holds both"
            )
    if not photos:
        raise PhotoError(f"no photos in {', '.join(repr(str(path)) for path in paths)} ({', '.join(sorted(PHOTO_SUFFIXES))})")
    return Sources(tuple(photos), others, tuple(notes))


def sha256_of(path: str | os.PathLike[str]) -> bytes:
    """SHA-256 of a file.

    Raises:
        PhotoError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise PhotoError(f"cannot read {os.fspath(path)!r}: {error.strerror}") from None


def assign_names(places: Iterable[str], taken: Mapping[str, str]) -> dict[str, str]:
    """A name for the output of each photo, to which `.png` or `.face-N.png` is added; no two photos share one.

    It is the photo's place without its suffix; where photos would share that, upper and lower case alike, they keep their
    suffixes. A photo keeps the name it had in an earlier run, whatever came beside it since.

    Args:
        places: of the run's photos.
        taken: names by place from earlier runs.

    Example:
        >>> assign_names(["a.jpg", "a.png", "b/c.jpg"], {})
        {'a.jpg': 'a.jpg', 'a.png': 'a.png', 'b/c.jpg': 'b/c'}
        >>> assign_names(["a.jpg", "a.png"], {"a.jpg": "a"})
        {'a.jpg': 'a', 'a.png': 'a.png'}
    """
    places = sorted(places)
    owners: dict[str, set[str]] = {}
    for place in {*places, *taken}:
        owners.setdefault(_bare(place), set()).add(place)
    names, used = {}, {name.casefold() for name in taken.values()}
    for place in places:
        if place not in taken:
            name = place if len(owners[_bare(place)]) > 1 else str(PurePosixPath(place).with_suffix(""))
            while name.casefold() in used:
                name += "-"
            used.add(name.casefold())
        names[place] = taken.get(place) or name
    return names


def _bare(place: str) -> str:
    """What photos share whose outputs could be mixed up."""
    return _FACE_NUMBER.sub("", str(PurePosixPath(place).with_suffix("")).casefold())


def _walk(folder: Path, prefix: PurePosixPath, out: Path | None) -> tuple[list[Source], int, list[str]]:
    """Photos of a folder, how many other files it holds, and notes."""
    found: list[Source] = []
    notes: list[str] = []
    others = 0

    def refused(error: OSError) -> None:
        notes.append(f"cannot look into {str(error.filename)!r}: {error.strerror}")

    for place, folders, names in os.walk(folder, onerror=refused):
        here = Path(place)
        linked = [name for name in folders if (here / name).is_symlink()]
        notes += [
            f"{str(here / name)!r} is a link to a folder and was passed over; name it to protect what it holds"
            for name in linked
        ]
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in linked and (here / name).resolve() != out
        )
        for name in sorted(names):
            path = here / name
            if name.startswith(".") or path.suffix.lower() not in PHOTO_SUFFIXES or (path.exists() and not path.is_file()):
                others += 1
                continue
            found.append(Source(path, str(prefix / PurePosixPath(path.relative_to(folder).as_posix()))))
    return found, others, notes
