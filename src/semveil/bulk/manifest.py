"""What is in an output folder already: a log that survives kills, so that no photo is lost or released twice.

Workers write into a folder of their run below `OUT/.semveil`; only the process that started the run touches anything else.
For each photo it first appends a line to the log, on the disk before anything is visible, and then renames the pictures to
their places. A kill before the line leaves nothing visible; a kill after it is made up for at the next opening.
"""

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import shutil
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from semveil.bulk.sources import BulkError
from semveil.core.errors import KeyProblem, OutputError
from semveil.core.weights import home
from semveil.keys.secret import Secret, read_secret, write_secret

FOLDER = ".semveil"
LOG = "manifest.jsonl"
_FORMAT = "semveil protect 1"

Status = Literal["protected", "copied", "skipped"]


@dataclass(frozen=True)
class Entry:
    """A photo that is done.

    Attributes:
        place: of the photo, as in `sources.Source`.
        name: of its outputs.
        content: HMAC of the photo's bytes under a key in SEMVEIL_HOME; a plain hash would confirm the photo to who has it.
        settings: HMAC under that key of the digest of the method with its options and of the choice of faces; subjects' names
            may be in it.
        policy: what was asked for where no face is found.
        status: protected, copied as it is, or skipped.
        faces, protected, small: how many were found, protected, and refused because they are too small.
        outputs: files below the output folder.
        staged: where they were written first, below `OUT/.semveil`.
        replaces: outputs of an earlier version of the photo, which go.
        marks: what became of each face, as `Mark.as_dict` gives it; logs of earlier versions have none.
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
    staged: str
    replaces: tuple[str, ...]
    marks: tuple[dict[str, Any], ...] = ()


class Manifest:
    """The log of an output folder, for one run at a time; use it as a context.

    Args:
        out: the output folder; it and the log are made where there are none.

    Raises:
        BulkError: another run is at work there, or the log is no such log.
        KeyProblem: the log was begun with another key than SEMVEIL_HOME has, so nothing in it can be recognised.
        OutputError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> with Manifest(Path(tempfile.mkdtemp())) as manifest:
        ...     len(manifest.entries), manifest.run.is_dir()
        (0, True)
    """

    def __init__(self, out: Path) -> None:
        self.out = out.absolute()
        self.folder = self.out / FOLDER
        self.entries: dict[str, Entry] = {}
        self.torn = 0

    def __enter__(self) -> Self:
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self._log = os.open(self.folder / LOG, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OutputError(f"cannot write into {str(self.out)!r}: {error.strerror}") from error
        try:
            self._lock()
            self._key = _log_key()
            self._read()
            self._recover()
            self.run = self.folder / f"work-{secrets.token_hex(6)}"
            self.run.mkdir(mode=0o700)
        except BaseException:
            os.close(self._log)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        shutil.rmtree(self.run, ignore_errors=True)
        os.close(self._log)  # unlocks

    def content_of(self, sha256: bytes) -> str:
        """The keyed form of a photo's SHA-256."""
        return hmac.new(self._key.value, b"semveil photo\n" + sha256, hashlib.sha256).hexdigest()

    def settings_of(self, digest: str) -> str:
        """The keyed form of a digest of settings."""
        return hmac.new(self._key.value, b"semveil settings\n" + digest.encode(), hashlib.sha256).hexdigest()

    def is_done(self, place: str, content: str, settings: str, policy: str) -> bool:
        """Whether that photo was done with these settings before and its outputs are still there."""
        entry = self.entries.get(place)
        if entry is None or (entry.content, entry.settings) != (content, settings):
            return False
        same_policy = entry.status == "protected" or entry.policy == policy
        return same_policy and all((self.out / output).is_file() for output in entry.outputs)

    def conflict(self, place: str, outputs: tuple[str, ...]) -> str | None:
        """Why outputs of a photo cannot take their places; None where they can."""
        before = self.entries.get(place)
        root = self.out.resolve()
        for output in outputs:
            path = self.out / output
            if not path.parent.resolve().is_relative_to(root):
                return f"{output!r} would leave the output folder through a link"
            if os.path.lexists(path) and output not in (before.outputs if before else ()):
                return f"{output!r} is in the output folder already and was not made from this photo; choose another --out"
        return None

    def commit(self, entry: Entry) -> None:
        """Write down that a photo is done, then put its outputs into their places."""
        line = json.dumps(asdict(entry)).encode() + b"\n"
        self._append(line)
        self.entries[entry.place] = entry
        _put(entry, self.folder / entry.staged, self.out)

    def _append(self, line: bytes) -> None:
        size = os.fstat(self._log).st_size
        if size and os.pread(self._log, 1, size - 1) != b"\n":
            line = b"\n" + line
        try:
            written = 0
            while written < len(line):
                written += os.write(self._log, line[written:])
            os.fsync(self._log)
        except OSError as error:
            os.ftruncate(self._log, size)
            raise OutputError(f"cannot write into {str(self.folder / LOG)!r}: {error.strerror}") from error

    def _lock(self) -> None:
        try:
            fcntl.flock(self._log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BulkError(f"another run is at work in {str(self.out)!r}; wait for it, or choose another --out") from None

    def _read(self) -> None:
        with os.fdopen(os.dup(self._log), "rb") as file:
            file.seek(0)
            lines = file.read().splitlines()
        check = hmac.new(self._key.value, b"semveil photo log", hashlib.sha256).hexdigest()[:16]
        header = {"format": _FORMAT, "key": check}
        if not lines:
            self._append(json.dumps(header).encode() + b"\n")
            return
        found = _parsed(lines[0])
        if not isinstance(found, dict) or found.get("format") != _FORMAT:
            raise BulkError(f"{str(self.folder / LOG)!r} is no log of this version; choose another --out")
        if found != header:
            raise KeyProblem(
                f"{str(self.out)!r} was begun with another SEMVEIL_HOME, so what is done there cannot be recognised; "
                "set it as before, or choose another --out (protecting photos again adds to what is known about them)"
            )
        names = {field.name for field in fields(Entry)}
        for line in lines[1:]:
            content = _parsed(line)
            if not isinstance(content, dict) or set(content) | {"marks"} != names:
                self.torn += bool(line)
                continue
            plain: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
            }
            entry = Entry(**plain)
            self.entries[entry.place] = entry

    def _recover(self) -> None:
        """Finish what a killed run had written down and drop what it had not; its workers may still be alive."""
        for left in self.folder.glob("work-*"):
            left.rename(left.with_name("old-" + left.name.removeprefix("work-")))  # late workers no longer find it
        for left in self.folder.glob("old-*"):
            run = "work-" + left.name.removeprefix("old-")
            for entry in self.entries.values():
                if entry.staged.startswith(run + "/"):
                    _put(entry, left / entry.staged.removeprefix(run + "/"), self.out)
            shutil.rmtree(left, ignore_errors=True)


def _put(entry: Entry, staged: Path, out: Path) -> None:
    """Rename staged files to their places; what is there already stays, so that it can be done again after a kill."""
    try:
        for old in entry.replaces:
            if old not in entry.outputs:
                (out / old).unlink(missing_ok=True)
        for output in entry.outputs:
            source, target = staged / Path(output).name, out / output
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(source, target)
    except OSError as error:
        raise OutputError(f"cannot write into {str(out)!r}: {error.strerror}") from error
    if entry.staged:
        shutil.rmtree(staged, ignore_errors=True)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _log_key() -> Secret:
    """The key of this user's logs, made with the first of them."""
    path = home() / "protect.key"
    if not path.exists():
        home().mkdir(parents=True, exist_ok=True)
        try:
            write_secret(path, Secret.generate())
        except OutputError:
            if not path.exists():  # else another run was quicker
                raise
    return read_secret(path)
