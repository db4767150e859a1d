# SPDX-License-Identifier: Apache-2.0
"""Photos and clips of a run, and their places below the output folder."""

import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from semveil.core.errors import PhotoError, SemveilError
from semveil.core.files import sha256_of_file
from semveil.data.output_names import photo_of
from semveil.data.photos import looks_like_photo

# The log of an output folder, by which such a folder is known.
FOLDER = ".semveil"
LOG = "manifest.jsonl"
KEPT_FOLDER = "unprotected"  # in the output folder, for the pictures of `Settings.keep`
_PHOTOS = "jpg|jpeg|jpe|jfif|png|apng|webp|tif|tiff|gif|bmp|avif|jp2|ppm|pgm"
_CLIPS = "3gp|avi|flv|m2ts|m4v|mkv|mov|mp4|mpeg|mpg|mts|ogv|webm|wmv"
# Formats that show people but cannot be read are refused by name; skipping them would lose them silently.
_RAW = (
    "3fr|arw|cr2|cr3|crw|dcr|dng|erf|fff|iiq|kdc|mef|mos|mrw|nef|nrw|orf|pef|raf|raw|rw2|rwl|sr2|srf|srw|x3f"
)
PHOTO_SUFFIXES = frozenset(f".{kind}" for kind in _PHOTOS.split("|"))
CLIP_SUFFIXES = frozenset(f".{kind}" for kind in _CLIPS.split("|"))
UNREADABLE_SUFFIXES = frozenset(f".{kind}" for kind in f"{_RAW}|insv|heic|heif|hif|jxl|psd".split("|"))


class BulkError(SemveilError):
    """A run that cannot start or continue."""


class SourceError(SemveilError):
    """Conflict between sources, or with the output folder."""

    exit_code = 2


@dataclass(frozen=True)
class Source:
    """A photo or clip of the run.

    Attributes:
        path: path of the file.
        place: path relative to the given folder, with slashes, such as `holiday/anna.jpg`.
    """

    path: Path
    place: str

    @property
    def is_clip(self) -> bool:
        """Whether its suffix is that of a clip."""
        return self.path.suffix.lower() in CLIP_SUFFIXES


@dataclass(frozen=True)
class Sources:
    """The photos of a run, sorted by place.

    Attributes:
        photos: photos and clips, each file once.
        others: number of files skipped because neither name nor content is that of a photo.
        notes: messages about other skipped files and folders.
        folders: whether folders were given, not only files.
    """

    photos: tuple[Source, ...]
    others: int
    notes: tuple[str, ...]
    folders: bool = False


def find_sources(given: Sequence[str | os.PathLike[str]], out: Path | None = None) -> Sources:
    """Find the photos and clips among paths and in folders.

    Files that may show people but cannot be read, such as raw photos, are included, so that they are refused
    by name. In folders, photos are recognised by name or, failing that, by their first bytes. The content of
    a single folder keeps its relative paths; with several paths each folder's content is placed below the
    folder's name. Hidden files, linked folders and, if there is an output folder, this and those of earlier
    runs are skipped. A file that is reached twice, by links or overlapping paths, counts once, at the place
    found first, because protecting it twice would be two releases. The unprotected pictures that a run kept
    in its output are no photos.

    Args:
        given: files and folders.
        out: the output folder, which is skipped if it is inside a given folder.

    Returns:
        The photos, and what was skipped.

    Raises:
        PhotoError: a path is empty, does not exist or is a device or pipe, or there is no photo at all.
        SourceError: the output folder is one of the given folders, or two photos have the same place.
    """
    if any(not os.fspath(path) for path in given):
        raise PhotoError(
            "a path of photos is empty; name photos or folders of photos ('.' is the current folder)"
        )
    if not given:
        raise PhotoError("name photos or folders of photos")
    paths = [Path(os.fspath(path)) for path in given]
    out = None if out is None else out.resolve()
    files: list[Source] = []
    notes: list[str] = []
    others = 0
    for path in paths:
        if path.is_dir():
            if path.resolve() == out:
                raise SourceError(
                    f"the photos' folder {str(path)!r} is the output folder; choose another --out"
                )
            prefix = PurePosixPath(path.resolve().name if len(paths) > 1 else "")
            found, passed, said = _walk(path, prefix, out)
            files += found
            others += passed
            notes += said
        elif path.is_file():
            files.append(Source(path, path.name))
        elif path.exists():
            raise PhotoError(f"{str(path)!r} is not a regular file; name photos or folders of photos")
        else:
            gone = "is a link to nothing" if path.is_symlink() else "does not exist"
            raise PhotoError(f"{str(path)!r} {gone}; {_what_else(str(path))}")
    unique: dict[object, Source] = {}
    for source in files:
        first = unique.setdefault(_file_of(source.path), source)
        if first.path != source.path:
            notes.append(
                f"{str(source.path)!r} is the same file as {str(first.path)!r}; it is protected once"
            )
    photos = sorted(unique.values(), key=lambda source: source.place)
    for one, other in itertools.pairwise(photos):
        if one.place == other.place:
            raise SourceError(
                f"{str(one.path)!r} and {str(other.path)!r} would both be {one.place!r} in the output; "
                "protect them in two runs, or name a folder that holds both"
            )
    if not photos:
        named = ", ".join(repr(str(path)) for path in paths)
        raise PhotoError(
            f"no photos in {named} ({', '.join(sorted(PHOTO_SUFFIXES))}, or by their content), and no clips "
            f"({', '.join(sorted(CLIP_SUFFIXES))})"
        )
    return Sources(tuple(photos), others, tuple(notes), any(path.is_dir() for path in paths))


def _what_else(path: str) -> str:
    """Hint about what a nonexistent path may have been meant to be."""
    if path == "-":
        return "photos are not read from a pipe; save it to a file and name that"
    if re.match(r"[a-z]+:/[^/]", path):  # pathlib removes one of two slashes
        return "nothing is fetched from the network; download it and name the file"
    if re.search(r"[*?\[]|^~", path):
        return "the shell did not replace the pattern, perhaps because of quotes or because nothing fits it"
    return "name photos or folders of photos"


def _file_of(path: Path) -> object:
    """Key that is equal for all names of one file."""
    try:
        status = path.stat()
    except OSError:
        return os.path.realpath(path)
    return (status.st_dev, status.st_ino) if status.st_ino and status.st_nlink > 1 else os.path.realpath(path)


def sha256_of(path: str | os.PathLike[str]) -> bytes:
    """SHA-256 of a regular file, 32 bytes.

    Args:
        path: path of the file.

    Raises:
        PhotoError: the file cannot be read or is not a regular file.
    """
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise PhotoError(f"cannot read {os.fspath(path)!r}: {error.strerror}") from None


def assign_names(places: Iterable[str], taken: Mapping[str, str]) -> dict[str, str]:
    """Assign each photo a unique name for its outputs, to which `.png` or `.face-N.png` is added.

    The name is the photo's place without its suffix; photos that would share a name, ignoring case, keep
    their suffixes. A photo keeps its name from earlier runs, even if photos were added since.

    Args:
        places: places of the run's photos.
        taken: names by place from earlier runs.

    Returns:
        Name of each photo, by place.

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
    """Key shared by photos whose outputs could be confused."""
    return photo_of(str(PurePosixPath(place).with_suffix("")).casefold())


def check_places(photos: Iterable[Source], *, keep: bool) -> None:
    """Refuse photos whose outputs would mix with what the output folder keeps for itself.

    Args:
        photos: photos and clips of the run.
        keep: whether the run keeps unprotected pictures.

    Raises:
        SourceError: a photo's folder has the name of one of these folders.
    """
    for source in photos:
        top = source.place.split("/", 1)[0]
        if top == FOLDER or (top == KEPT_FOLDER and keep):
            raise SourceError(
                f"{source.place!r} would mix with what the output keeps in {top!r}; rename that folder"
            )


def _walk(folder: Path, prefix: PurePosixPath, out: Path | None) -> tuple[list[Source], int, list[str]]:
    """Photos of a folder, the number of its other files, and notes."""
    found: list[Source] = []
    notes: list[str] = []
    others = 0

    def refused(error: OSError) -> None:
        notes.append(f"cannot look into {str(error.filename)!r}: {error.strerror}")

    for place, folders, names in os.walk(folder, onerror=refused):
        here = Path(place)
        linked = [name for name in folders if (here / name).is_symlink()]
        notes += [
            f"{str(here / name)!r} is a link to a folder and was passed over; name it to protect what it "
            "holds"
            for name in linked
        ]
        if (here / FOLDER / LOG).is_file() and KEPT_FOLDER in folders:
            folders.remove(KEPT_FOLDER)
            notes.append(
                f"{str(here / KEPT_FOLDER)!r} holds what a run kept beside its output and was passed over"
            )
        made = [name for name in folders if out is not None and (here / name / FOLDER / LOG).is_file()]
        notes += [
            f"{str(here / name)!r} holds the output of an earlier run and was passed over; name it to "
            "protect what is in it"
            for name in made
            if name not in linked and (here / name).resolve() != out
        ]
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in (*linked, *made) and (here / name).resolve() != out
        )
        for name in sorted(names):
            path = here / name
            if name.startswith(".") or not _is_source(path):
                others += 1
                continue
            found.append(Source(path, str(prefix / PurePosixPath(path.relative_to(folder).as_posix()))))
    return found, others, notes


def _is_source(path: Path) -> bool:
    """Whether a file of a folder belongs to the run.

    A broken link does if its name does, so that it is refused by name.
    """
    named = path.suffix.lower() in PHOTO_SUFFIXES | CLIP_SUFFIXES | UNREADABLE_SUFFIXES
    return path.is_file() and (named or looks_like_photo(path)) if path.exists() else named
