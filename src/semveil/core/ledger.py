"""A private book of releases that adds up what repeated releases about one person cost."""

import datetime
import hashlib
import hmac
import json
import os
import secrets
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from semveil.core.certificate import Certificate, CertificateError
from semveil.core.errors import KeyProblem, OutputError, SemveilError
from semveil.core.files import CAREFULLY, append_line
from semveil.core.locks import lock_file
from semveil.core.privacy import Guarantee, compose
from semveil.core.text import parse_json
from semveil.core.weights import home

KEY_BYTES = 32
_FIELDS = {"date", "subject", "images", "certificate"}
_COMPLETE = "every release about the person is in the ledger"


class LedgerError(SemveilError):
    """A ledger that cannot be read or does not fit."""

    exit_code = 8


@dataclass(frozen=True)
class Entry:
    """One recorded release.

    Attributes:
        date: of recording, UTC, YYYY-MM-DD.
        subject: pseudonym of the person, 64 hex digits.
        images: how many photos of the person it was made from.
        certificate: of the release.
    """

    date: str
    subject: str
    images: int
    certificate: Certificate


@dataclass(frozen=True)
class Book:
    """What a ledger holds: its entries in the order of recording, and how many lines could not be read."""

    entries: tuple[Entry, ...]
    torn: int


class Ledger:
    """Releases by person, one line of JSON each, readable by the owner only.

    Names are not stored: a person is the HMAC-SHA256 of the name under a random key beside the ledger (`FILE.key`), so the
    ledger alone gives nobody away, while who has both can test names. Writing of upper or lower case and spaces does not
    matter. Processes may write at the same time; a line that a power cut tore is counted as unreadable, the others stay.

    Args:
        path: the ledger; `SEMVEIL_HOME/ledger.jsonl` by default. It and its key are made by the first `record` or `prepare`.

    Example:
        >>> import tempfile
        >>> from semveil.core.privacy import Basis
        >>> ledger = Ledger(Path(tempfile.mkdtemp(), "ledger.jsonl"))
        >>> for _ in range(2):
        ...     claim = Guarantee(1.0, "all codes", Basis.PROVED)
        ...     ledger.record("Ada", Certificate(release="image", method="dp-semcom", protection="laplace", guarantee=claim))
        >>> ledger.total("ADA").epsilon, ledger.total("Grace")
        (2.0, None)
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = home() / "ledger.jsonl" if path is None else Path(path)
        self.key_path = self.path.with_name(self.path.name + ".key")

    def prepare(self) -> None:
        """Make ledger and key where there are none, and fail now, before the work, if they cannot be used.

        Raises:
            KeyProblem: the key is missing, damaged or readable by others.
            LedgerError: the ledger is readable by others or no regular file.
            OutputError: it cannot be written.
        """
        with self._locked() as descriptor:
            self._key(descriptor)

    def record(self, subject: str, certificate: Certificate, *, images: int | None = None) -> None:
        """Write down a release about a person.

        Args:
            subject: the person's name or number, the same for all releases about the person.
            images: how many of the release's photos show the person; all of them by default.

        Raises:
            ValueError: an empty name, or more images than the release has.
            KeyProblem, LedgerError, OutputError: as for `prepare`.
        """
        images = certificate.images if images is None else images
        if not 1 <= images <= certificate.images:
            raise ValueError(f"of {certificate.images} images 1 to {certificate.images} can show the person, got {images}")
        name = subject_name(subject)
        with self._locked() as descriptor:
            line = {
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                "subject": _pseudonym(self._key(descriptor), name),
                "images": images,
                "certificate": certificate.as_dict(),
            }
            self._append(descriptor, json.dumps(line, allow_nan=False).encode() + b"\n")

    def read(self) -> Book:
        """All entries; an empty book where there is no ledger.

        Raises:
            LedgerError: the ledger cannot be read, or a line is whole but no entry.
        """
        if not self.path.exists():
            return Book((), 0)
        with self._locked() as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
            file.seek(0)
            lines = file.read().splitlines()
        entries, torn = [], 0
        for number, line in enumerate(lines, 1):
            try:
                content = parse_json(line)
            except ValueError:
                torn += 1
                continue
            entries.append(self._entry(content, number))
        return Book(tuple(entries), torn)

    def releases(self, subject: str) -> list[Entry]:
        """What is recorded about a person, in order."""
        name = subject_name(subject)
        entries = self.read().entries
        if not entries:
            return []
        with self._locked() as descriptor:
            pseudonym = _pseudonym(self._key(descriptor), name)
        return [entry for entry in entries if hmac.compare_digest(entry.subject, pseudonym)]

    def total(self, subject: str) -> Guarantee | None:
        """What all recorded releases about a person guarantee together; None where there are none.

        Basic composition (`core.privacy.compose`), once for each photo. Outputs with one `release_id` are views of the same
        release and count once, with the weakest guarantee among them.
        """
        return total(self.releases(subject))

    def _entry(self, content: Any, number: int) -> Entry:
        if not isinstance(content, dict) or set(content) != _FIELDS:
            raise LedgerError(f"line {number} of {str(self.path)!r} is no entry of a ledger; is it the right file?")
        try:
            entry = Entry(**content | {"certificate": Certificate.from_dict(content["certificate"])})
        except CertificateError as error:
            raise LedgerError(f"line {number} of {str(self.path)!r}: {error}") from None
        texts = all(isinstance(text, str) and text.isascii() for text in (entry.date, entry.subject))
        if type(entry.images) is not int or entry.images < 1 or not texts:
            raise LedgerError(f"line {number} of {str(self.path)!r} is damaged")
        return entry

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The ledger, opened and locked against other processes; made where there is none."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | CAREFULLY, 0o600)
        except OSError as error:
            raise OutputError(f"cannot open the ledger {str(self.path)!r}: {error.strerror}") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise LedgerError(f"the ledger {str(self.path)!r} is not a regular file")
            if os.name == "posix" and status.st_mode & 0o077:
                raise LedgerError(f"others can read the ledger {str(self.path)!r}; run: chmod 600 {str(self.path)!r}")
            lock_file(descriptor, self.path)
            yield descriptor
        finally:
            os.close(descriptor)  # unlocks

    def _append(self, descriptor: int, line: bytes) -> None:
        """Add one line, whole or not at all, after any torn one."""
        try:
            append_line(descriptor, line)
        except OSError as error:
            raise OutputError(f"cannot write into the ledger {str(self.path)!r}: {error.strerror}") from error

    def _key(self, descriptor: int) -> bytes:
        """The key of the pseudonyms; made with the ledger. Call it with the ledger locked."""
        name = str(self.key_path)
        if not self.key_path.exists():
            if os.fstat(descriptor).st_size:
                raise KeyProblem(f"the ledger's key {name!r} is missing, so nobody in it can be found; put it back")
            self._make_key()
        try:
            key_file = os.open(self.key_path, os.O_RDONLY | CAREFULLY)
        except OSError as error:
            raise KeyProblem(f"cannot read the ledger's key {name!r}: {error.strerror}") from None
        with os.fdopen(key_file, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeyProblem(f"the ledger's key {name!r} is not a regular file")
            if os.name == "posix" and status.st_mode & 0o077:
                raise KeyProblem(f"others can read the ledger's key {name!r}; run: chmod 600 {name!r}")
            key = file.read(KEY_BYTES + 1)
        if len(key) != KEY_BYTES:
            raise KeyProblem(f"the ledger's key {name!r} is damaged: it has {status.st_size} bytes, {KEY_BYTES} are expected")
        return key

    def _make_key(self) -> None:
        temporary = self.key_path.with_name(f".semveil-{secrets.token_hex(8)}.tmp")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.key_path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise OutputError(f"cannot write the ledger's key {str(self.key_path)!r}: {error.strerror}") from error


def total(entries: list[Entry]) -> Guarantee | None:
    """What releases about one person guarantee together, see `Ledger.total`."""
    releases: dict[str, list[Entry]] = {}
    for entry in entries:
        releases.setdefault(entry.certificate.release_id, []).append(entry)
    claims = [
        max((entry.certificate.guarantee for entry in views), key=_cost)
        for views in releases.values()
        for _ in range(max(entry.images for entry in views))
    ]
    if not claims:
        return None
    together = compose(*claims)
    return replace(together, assumptions=(*together.assumptions, _COMPLETE))


def _cost(claim: Guarantee) -> tuple[bool, float, float]:
    return claim.epsilon is None, claim.epsilon or 0.0, claim.delta


def subject_name(subject: str) -> str:
    """The name by which a subject is known everywhere: case, spaces and Unicode forms make no difference.

    Raises:
        ValueError: nothing is left of it.

    Example:
        >>> subject_name("  Ada  LOVELACE ")
        'ada lovelace'
    """
    name = " ".join(unicodedata.normalize("NFKC", subject).casefold().split())
    if not name:
        raise ValueError("the subject needs a name or number that is the same for all releases about the person")
    return name


def _pseudonym(key: bytes, name: str) -> str:
    return hmac.new(key, b"semveil ledger subject\n" + name.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
