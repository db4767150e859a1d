# SPDX-License-Identifier: Apache-2.0
"""Log of an output folder, which survives kills, so that no photo is lost or released twice.

Workers write into a folder of their run below `OUT/.semveil`; only the process that started the run touches
anything else. For each photo it first appends a line to the log, flushed to disk before anything is visible,
and then renames the pictures into place. A kill before the line leaves nothing visible; after a later kill,
the next opening finishes the renames.

Anyone who can write into the output folder can write into the log. Each line therefore has a tag under a key
in SEMVEIL_HOME and is ignored if the tag is invalid, and no file named in a line is touched unless it is
inside the output folder after resolving links.
"""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import shutil
import stat
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Literal, Self

from semveil.bulk.log_key import log_key
from semveil.bulk.sources import FOLDER, LOG, BulkError, sha256_of
from semveil.core.errors import KeyProblem, OutputError, PhotoError
from semveil.core.files import append_line, open_regular
from semveil.core.locks import lock_file
from semveil.data.certified import SUFFIX

_FORMAT = "semveil protect 2"

Status = Literal["protected", "copied", "skipped"]


class NotPlaced(OutputError):
    """An output that cannot be moved into place; concerns one photo, unlike errors in writing the log."""


@dataclass(frozen=True)
class PhotoEntry:
    """Log entry of a processed photo.

    Attributes:
        place: place of the photo, as in `sources.Source`.
        name: name of its outputs.
        content: HMAC of the photo's bytes under a key in SEMVEIL_HOME; a plain hash would confirm the photo
            to anyone who has it.
        settings: HMAC under that key of the digest of the method, its options and the choice of faces, which
            may contain subjects' names.
        policy: treatment of photos without a face.
        status: protected, copied unchanged, or skipped.
        faces, protected, small: numbers of faces detected, protected, and refused because they are too small.
        outputs: files relative to the output folder.
        contents: HMAC of each output's bytes, as for the photo.
        staged: folder where they were first written, relative to `OUT/.semveil`.
        replaces: outputs of an earlier version of the photo, to be deleted.
        marks: fate of each face, as returned by `Mark.as_dict`; absent in logs of earlier versions.
        clip: facts about a clip, as returned by `ClipFacts.as_dict`.
        people: HMAC of the enrolled people and the ledger with which its releases were recorded; empty if
            there were none, and in logs of earlier versions.
        source: HMAC of the photo's absolute path; empty in logs of earlier versions.
        known: number of known people whom its releases are about; None in logs of earlier versions.
    """

    place: str
    name: str
    content: str
    settings: str
    policy: str
    status: Status
    faces: int
    protected: int
    small: int
    outputs: tuple[str, ...]
    contents: tuple[str, ...]
    staged: str
    replaces: tuple[str, ...]
    marks: tuple[dict[str, Any], ...] = ()
    clip: dict[str, Any] | None = None
    people: str = ""
    source: str = ""
    known: int | None = None


class Manifest:
    """Log of an output folder, for one run at a time; a context manager.

    Args:
        out: the output folder; it and the log are created if missing.

    Attributes:
        entries: processed photos, by place.
        torn: number of log lines truncated by a kill.
        foreign: number of log lines without a valid tag under this user's key; they are ignored.

    Raises:
        BulkError: another run uses the folder, or the file is not such a log.
        KeyProblem: the log was created with another key than that in SEMVEIL_HOME, so nothing in it can be
            recognised.
        OutputError: the folder cannot be written, or does not support locks.

    Example:
        >>> import tempfile
        >>> with Manifest(Path(tempfile.mkdtemp())) as manifest:
        ...     len(manifest.entries), manifest.run.is_dir()
        (0, True)
    """

    def __init__(self, out: Path) -> None:
        self.out = out.absolute()
        self.folder = self.out / FOLDER
        self.entries: dict[str, PhotoEntry] = {}
        self.torn = self.foreign = 0

    def __enter__(self) -> Self:
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            if self.folder.is_symlink():  # its target is not ours to clean up
                raise OutputError(f"{str(self.folder)!r} is a link; choose another --out")
            follow = getattr(os, "O_NOFOLLOW", 0)
            self._log = open_regular(self.folder / LOG, os.O_RDWR | os.O_CREAT | os.O_APPEND | follow)
        except OSError as error:
            raise OutputError(f"cannot write into {str(self.out)!r}: {error.strerror}") from error
        try:
            self._lock()
            self._key = log_key()
            self._read()
            self._recover()
            self.run = self.folder / f"work-{secrets.token_hex(6)}"
            self.run.mkdir(mode=0o700)
        except BaseException:
            os.close(self._log)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.run, ignore_errors=True)
        os.close(self._log)  # unlocks

    def content_of(self, sha256: bytes) -> str:
        """Keyed digest under which the log records a photo: HMAC-SHA-256 of its hash under the user's key.

        Args:
            sha256: 32 bytes, SHA-256 of the photo's file.

        Returns:
            64 hexadecimal digits.
        """
        return self._keyed(b"semveil photo\n" + sha256)

    def settings_of(self, digest: str) -> str:
        """Keyed digest under which the log records the settings: HMAC-SHA-256 under the user's key.

        Args:
            digest: result of `Settings.digest`.

        Returns:
            64 hexadecimal digits.
        """
        return self._keyed(b"semveil settings\n" + digest.encode())

    def source_of(self, path: str) -> str:
        """Keyed digest under which the log records where a photo lies: HMAC-SHA-256 under the user's key.

        Args:
            path: absolute path of the photo.

        Returns:
            64 hexadecimal digits.
        """
        return self._keyed(b"semveil source\n" + os.fsencode(path))

    def people_of(self, enrolment: str, ledger: Path) -> str:
        """Keyed digest of the enrolled people and the ledger: HMAC-SHA-256 under the user's key.

        Args:
            enrolment: result of `enrolment_digest`.
            ledger: path of the ledger.

        Returns:
            64 hexadecimal digits.
        """
        return self._keyed(b"semveil people\n" + enrolment.encode() + b"\n" + os.fsencode(ledger.absolute()))

    def tag_of(self, name: str, content: bytes) -> str:
        """Authentication tag of an intermediate file: HMAC-SHA-256 of name and content under the user's key.

        Args:
            name: name of the file.
            content: content of the file.

        Returns:
            64 hexadecimal digits.
        """
        return self._keyed(f"semveil kept {name}\n".encode() + content)

    def _keyed(self, said: bytes) -> str:
        """HMAC-SHA-256 under the user's key, 64 hexadecimal digits."""
        return hmac.new(self._key.value, said, hashlib.sha256).hexdigest()

    def is_done(self, place: str, content: str, settings: str, policy: str) -> bool:
        """Whether a photo was already processed with the same content and settings.

        The outputs are not checked; see `altered`.

        Args:
            place: place of the photo, as in `Source.place`.
            content: result of `content_of`.
            settings: result of `settings_of`.
            policy: treatment of photos without a face; matters only for photos that were skipped or copied.
        """
        entry = self.entries.get(place)
        if entry is None or (entry.content, entry.settings) != (content, settings):
            return False
        return entry.status == "protected" or entry.policy == policy

    def pictures_left(self, place: str) -> list[str]:
        """Pictures and clips of a photo that are in the output, without their certificates.

        Args:
            place: place of the photo; without an entry there are none.
        """
        entry = self.entries.get(place)
        names = () if entry is None else entry.outputs
        return [name for name in names if not name.endswith(SUFFIX) and os.path.lexists(self.out / name)]

    def of_another(self, place: str, path: str, content: str) -> str | None:
        """An output of another photo of the same place, which this photo would replace; None without one.

        Args:
            place: place of the photo, as in `Source.place`.
            path: absolute path of the photo.
            content: result of `content_of`.
        """
        entry = self.entries.get(place)
        if entry is None or entry.content == content or entry.source in ("", self.source_of(path)):
            return None
        return next(iter(self.pictures_left(place)), None)

    def altered(self, place: str) -> list[str]:
        """Outputs of a processed photo that are missing, changed or not regular files.

        Args:
            place: place of the photo; it must be in `entries`.

        Raises:
            KeyError: the photo has no entry.
        """
        entry = self.entries[place]
        return [
            name
            for name, content in zip(entry.outputs, entry.contents, strict=True)
            if self._content(name) != content
        ]

    def _content(self, output: str) -> str | None:
        path = self.out / output
        with contextlib.suppress(OSError, PhotoError):
            if stat.S_ISREG(path.lstat().st_mode):
                return self.content_of(sha256_of(path))
        return None

    def conflict(self, place: str, outputs: tuple[str, ...]) -> str | None:
        """Reason why a photo's outputs cannot be moved into the output folder; None if they can.

        Args:
            place: place of the photo.
            outputs: paths relative to the output folder, with forward slashes.
        """
        before = self.entries.get(place)
        for output in outputs:
            path = self.out / output
            try:
                self._inside(output)
            except NotPlaced as error:
                return str(error)
            if path.is_dir() and not path.is_symlink():
                return f"{output!r} is a folder in the output folder; move it away, or choose another --out"
            if os.path.lexists(path) and output not in (before.outputs if before else ()):
                return (
                    f"{output!r} is in the output folder already and was not made from this photo; choose "
                    "another --out"
                )
        return None

    def commit(self, entry: PhotoEntry) -> None:
        """Log a photo as done, then move its outputs into place.

        Args:
            entry: entry whose outputs are staged below the log's folder.

        Raises:
            NotPlaced: an output cannot be moved into place; the next run finds it missing.
            OutputError: the log cannot be written.
        """
        self._append(asdict(entry))
        self.entries[entry.place] = entry
        self._put(entry, self.folder / entry.staged)

    def amend(self, entry: PhotoEntry) -> None:
        """Log other facts about a photo that is done; no file is touched.

        Args:
            entry: entry in place of the photo's present one.

        Raises:
            OutputError: the log cannot be written.
        """
        entry = replace(entry, staged="", replaces=())
        self._append(asdict(entry))
        self.entries[entry.place] = entry

    def _append(self, content: dict[str, Any]) -> None:
        line = json.dumps({**content, "tag": self._tag(content)}).encode() + b"\n"
        try:
            append_line(self._log, line)
        except OSError as error:
            raise OutputError(f"cannot write into {str(self.folder / LOG)!r}: {error.strerror}") from error

    def _tag(self, content: dict[str, Any]) -> str:
        text = json.dumps(content, sort_keys=True).encode()
        return self._keyed(b"semveil photo log line\n" + text)

    def _lock(self) -> None:
        if not lock_file(self._log, self.folder / LOG, wait=False):
            raise BulkError(
                f"another run is at work in {str(self.out)!r}; wait for it, or choose another --out"
            )

    def _read(self) -> None:
        with os.fdopen(os.dup(self._log), "rb") as file:
            file.seek(0)
            lines = file.read().splitlines()
        check = self._keyed(b"semveil photo log")[:16]
        header = {"format": _FORMAT, "key": check}
        if not lines:
            self._append(header)
            return
        found = _parsed(lines[0].removeprefix(b"\xef\xbb\xbf"))
        if not isinstance(found, dict) or found.get("format") != _FORMAT:
            raise BulkError(f"{str(self.folder / LOG)!r} is no log of this version; choose another --out")
        if found.get("key") != check:
            raise KeyProblem(
                f"{str(self.out)!r} was begun with another SEMVEIL_HOME, so what is done there cannot be "
                "recognised; set it as before, or choose another --out (protecting photos again adds to "
                "what is known about them)"
            )
        for line in filter(bytes.strip, lines[1:]):
            content = _parsed(line)
            entry = self._entry(content)
            if entry is not None:
                self.entries[entry.place] = entry
            else:
                self.torn += content is None
                self.foreign += content is not None

    def _entry(self, content: Any) -> PhotoEntry | None:
        """Entry of a log line; None if the line is truncated or its tag is invalid."""
        if not isinstance(content, dict):
            return None
        tag = content.pop("tag", None)
        if not isinstance(tag, str) or not hmac.compare_digest(tag.encode(), self._tag(content).encode()):
            return None
        # for example a copy of the header line
        if set(content) | {"marks", "clip", "people", "source", "known"} != {
            field.name for field in fields(PhotoEntry)
        }:
            return None
        lists = {name: tuple(content.get(name, ())) for name in ("outputs", "contents", "replaces", "marks")}
        return PhotoEntry(**content | lists)

    def _recover(self) -> None:
        """Move outputs that a killed run had logged into place, and delete its other files.

        Its workers may still be alive.
        """
        for left in self.folder.glob("work-*"):
            # late workers no longer find it
            left.rename(left.with_name("old-" + left.name.removeprefix("work-")))
        for left in self.folder.glob("old-*"):
            run = "work-" + left.name.removeprefix("old-")
            for entry in self.entries.values():
                if not left.is_symlink() and entry.staged.startswith(run + "/"):
                    # found missing and repeated when its photo is processed
                    with contextlib.suppress(NotPlaced):
                        self._put(entry, left / entry.staged.removeprefix(run + "/"))
            _remove(left)

    def _put(self, entry: PhotoEntry, staged: Path) -> None:
        """Move staged files into place; files already there are kept, so it can be repeated after a kill."""
        try:
            for old in entry.replaces:
                if old not in entry.outputs:
                    self._inside(old).unlink(missing_ok=True)
            for output in entry.outputs:
                source, target = staged / PurePosixPath(output).name, self._inside(output)
                if source.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(source, target)
        except OSError as error:
            raise NotPlaced(f"cannot write into {str(self.out)!r}: {error.strerror}") from error
        if entry.staged:
            _remove(staged)

    def _inside(self, output: str) -> Path:
        """Path of an output, after checking that it is inside the output folder, links resolved.

        Raises:
            NotPlaced: it is not, or a file is in place of a folder.
        """
        place = PurePosixPath(output)
        if place.is_absolute() or ".." in place.parts or not place.name or place.parts[0] == FOLDER:
            raise NotPlaced(f"{output!r} would leave the output folder")
        root, path = self.out.resolve(), self.out
        for part in place.parts[:-1]:
            path = path / part
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise NotPlaced(f"{output!r} would leave the output folder through a link")
            if os.path.lexists(path) and not path.is_dir():
                raise NotPlaced(f"{output!r} needs a folder where {str(path)!r} is a file; move that away")
        return self.out / place


def _remove(folder: Path) -> None:
    """Delete a folder of a run; of a link, which no run creates, only the link."""
    if folder.is_symlink():
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _parsed(line: bytes) -> Any:
    # not `parse_json`, which refuses half characters: names that are not UTF-8 hold them
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
