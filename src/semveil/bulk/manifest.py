# SPDX-License-Identifier: Apache-2.0
"""What is in an output folder already: a log that survives kills, so that no photo is lost or released twice.

Workers write into a folder of their run below `OUT/.semveil`; only the process that started the run touches
anything else. For each photo it first appends a line to the log, on the disk before anything is visible, and
then renames the pictures to their places. A kill before the line leaves nothing visible; a kill after it is
made up for at the next opening.

Whoever can write into the output folder can write into the log. Each line therefore bears a tag under a key
in SEMVEIL_HOME and counts only with it, and nothing that a line names is touched unless it lies in the output
folder, links followed.
"""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import shutil
import stat
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Literal, Self

from semveil.bulk.log_key import log_key
from semveil.bulk.sources import BulkError, sha256_of
from semveil.core.errors import KeyProblem, OutputError, PhotoError
from semveil.core.files import append_line, open_regular
from semveil.core.locks import lock_file
from semveil.core.text import parse_json

FOLDER = ".semveil"
LOG = "manifest.jsonl"
_FORMAT = "semveil protect 2"

Status = Literal["protected", "copied", "skipped"]


class NotPlaced(OutputError):
    """An output that cannot take its place; it concerns one photo, unlike what keeps the log from being written."""


@dataclass(frozen=True)
class PhotoEntry:
    """A photo that is done.

    Attributes:
        place: of the photo, as in `sources.Source`.
        name: of its outputs.
        content: HMAC of the photo's bytes under a key in SEMVEIL_HOME; a plain hash would confirm the photo
            to who has it.
        settings: HMAC under that key of the digest of the method with its options and of the choice of faces;
            subjects' names may be in it.
        policy: what was asked for where no face is found.
        status: protected, copied as it is, or skipped.
        faces, protected, small: how many were found, protected, and refused because they are too small.
        outputs: files below the output folder.
        contents: HMAC of each output's bytes, as for the photo's.
        staged: where they were written first, below `OUT/.semveil`.
        replaces: outputs of an earlier version of the photo, which go.
        marks: what became of each face, as `Mark.as_dict` gives it; logs of earlier versions have none.
        clip: of a clip, as `ClipFacts.as_dict` gives it.
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


class Manifest:
    """The log of an output folder, for one run at a time; use it as a context.

    Args:
        out: the output folder; it and the log are made where there are none.

    Attributes:
        entries: what is done, by place.
        torn: how many lines of the log were cut off by a kill.
        foreign: how many lines nobody with this user's key has written; they count for nothing.

    Raises:
        BulkError: another run is at work there, or the log is no such log.
        KeyProblem: the log was begun with another key than SEMVEIL_HOME has, so nothing in it can be
            recognised.
        OutputError: the folder cannot be written, or has no locks.

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
            if self.folder.is_symlink():  # what lies behind it is not ours to clean up
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
        return hmac.new(self._key.value, b"semveil photo\n" + sha256, hashlib.sha256).hexdigest()

    def settings_of(self, digest: str) -> str:
        """Keyed digest under which the log records the settings: HMAC-SHA-256 under the user's key.

        Args:
            digest: of the settings, as `Settings.digest` gives it.

        Returns:
            64 hexadecimal digits.
        """
        return hmac.new(self._key.value, b"semveil settings\n" + digest.encode(), hashlib.sha256).hexdigest()

    def tag_of(self, name: str, content: bytes) -> str:
        """Authentication tag of an intermediate file: HMAC-SHA-256 of name and content under the user's key.

        Args:
            name: of the file.
            content: of the file.

        Returns:
            64 hexadecimal digits.
        """
        return hmac.new(
            self._key.value, f"semveil kept {name}\n".encode() + content, hashlib.sha256
        ).hexdigest()

    def is_done(self, place: str, content: str, settings: str, policy: str) -> bool:
        """Whether a photo was already processed with the same content and settings. It does not check the
        outputs; `altered` does.

        Args:
            place: of the photo, as in `Source.place`.
            content: as `content_of` gives it.
            settings: as `settings_of` gives them.
            policy: what to do with a photo without a face; it matters only for photos that were skipped or
                copied.
        """
        entry = self.entries.get(place)
        if entry is None or (entry.content, entry.settings) != (content, settings):
            return False
        return entry.status == "protected" or entry.policy == policy

    def altered(self, place: str) -> list[str]:
        """Outputs of a processed photo that are missing, changed or no regular files.

        Args:
            place: of the photo; it must be in `entries`.

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
        """Reason why a photo's outputs cannot be moved into the output folder; None where they can.

        Args:
            place: of the photo.
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
            entry: with the outputs staged below the log's folder.

        Raises:
            NotPlaced: an output cannot be moved into place; the next run finds it missing.
            OutputError: the log cannot be written.
        """
        self._append(asdict(entry))
        self.entries[entry.place] = entry
        self._put(entry, self.folder / entry.staged)

    def _append(self, content: dict[str, Any]) -> None:
        line = json.dumps({**content, "tag": self._tag(content)}).encode() + b"\n"
        try:
            append_line(self._log, line)
        except OSError as error:
            raise OutputError(f"cannot write into {str(self.folder / LOG)!r}: {error.strerror}") from error

    def _tag(self, content: dict[str, Any]) -> str:
        text = json.dumps(content, sort_keys=True).encode()
        return hmac.new(self._key.value, b"semveil photo log line\n" + text, hashlib.sha256).hexdigest()

    def _lock(self) -> None:
        if not lock_file(self._log, self.folder / LOG, wait=False):
            raise BulkError(
                f"another run is at work in {str(self.out)!r}; wait for it, or choose another --out"
            )

    def _read(self) -> None:
        with os.fdopen(os.dup(self._log), "rb") as file:
            file.seek(0)
            lines = file.read().splitlines()
        check = hmac.new(self._key.value, b"semveil photo log", hashlib.sha256).hexdigest()[:16]
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
        """The entry of a line; None of one that was cut off, or that nobody with the key has written."""
        if not isinstance(content, dict):
            return None
        tag = content.pop("tag", None)
        if not isinstance(tag, str) or not hmac.compare_digest(tag.encode(), self._tag(content).encode()):
            return None
        # the header's line, copied
        if set(content) | {"marks", "clip"} != {field.name for field in fields(PhotoEntry)}:
            return None
        lists = {name: tuple(content.get(name, ())) for name in ("outputs", "contents", "replaces", "marks")}
        return PhotoEntry(**content | lists)

    def _recover(self) -> None:
        """Finish what a killed run had written down and drop what it had not; its workers may still be alive."""
        for left in self.folder.glob("work-*"):
            # late workers no longer find it
            left.rename(left.with_name("old-" + left.name.removeprefix("work-")))
        for left in self.folder.glob("old-*"):
            run = "work-" + left.name.removeprefix("old-")
            for entry in self.entries.values():
                if not left.is_symlink() and entry.staged.startswith(run + "/"):
                    # it is missed, and done again, when its photo's turn comes
                    with contextlib.suppress(NotPlaced):
                        self._put(entry, left / entry.staged.removeprefix(run + "/"))
            _remove(left)

    def _put(self, entry: PhotoEntry, staged: Path) -> None:
        """Rename staged files to their places; what is there already stays, so that it can be done again after a kill."""
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
        """Where an output belongs, after checking that it lies in the output folder, whatever links stand on the way.

        Raises:
            NotPlaced: it does not, or a file stands where a folder must be.
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
    """Delete a folder of a run; of a link, which no run makes, the link alone."""
    if folder.is_symlink():
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _parsed(line: bytes) -> Any:
    try:
        return parse_json(line)
    except ValueError:
        return None
