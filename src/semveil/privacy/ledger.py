# SPDX-License-Identifier: Apache-2.0
"""Private ledger of releases that adds up the privacy cost of repeated releases about one person."""

import datetime
import hashlib
import hmac
import json
import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from semveil.core.errors import KeyProblem, OutputError
from semveil.core.files import CAREFULLY, append_line
from semveil.core.locks import lock_file
from semveil.core.output_path import output_path
from semveil.core.rounding import text_above
from semveil.core.weights import home
from semveil.privacy.account import Account, Released, account
from semveil.privacy.certificate import Certificate
from semveil.privacy.guarantee import Guarantee
from semveil.privacy.ledger_key import ledger_key
from semveil.privacy.ledger_lines import (
    Budget,
    LedgerEntry,
    LedgerError,
    is_budget,
    line_of,
    parsed,
    read_line,
)

_FORMAT = "semveil ledger 2"
_COMPLETE = "every release about the person is in the ledger"


class OverLimit(LedgerError):
    """A release that would exceed a person's budget; it was not recorded and must not be made."""


class BudgetIsFixed(LedgerError):
    """A budget that differs from the one already set for a person."""


@dataclass(frozen=True)
class Booking:
    """A release to be recorded.

    Attributes:
        subject: the person's name or number, the same for all releases about the person.
        certificate: of the release.
        images: number of the release's images that show the person; all where None.

    Raises:
        ValueError: an empty name, or more images than the release has.
    """

    subject: str
    certificate: Certificate
    images: int | None = None

    def __post_init__(self) -> None:
        subject_name(self.subject)
        most = self.certificate.images
        object.__setattr__(self, "images", most if self.images is None else self.images)
        if not 1 <= (self.images or 0) <= most:
            raise ValueError(f"of {most} images 1 to {most} can show the person, got {self.images}")


@dataclass(frozen=True)
class _Seen:
    """Content read from the ledger file so far."""

    entries: tuple[LedgerEntry, ...] = ()
    budgets: tuple[Budget, ...] = ()
    lines: int = 0
    size: int = 0
    bound: bool = False  # whether a line identifies the key


class Ledger:
    """Releases by person, one line of JSON each, readable by the owner only.

    Names are not stored: a person is identified by the HMAC-SHA256 of the name (`subject_name`) under a
    random key in a separate file (`FILE.key`). The ledger alone identifies nobody; with the key, names can be
    tested. Its first line identifies the key by a keyed hash. Concurrent writers are safe. An unreadable line
    is an error, since a total without its release would be too low.

    Args:
        path: of the ledger; `SEMVEIL_HOME/ledger.jsonl` by default. The ledger and its key are created by the
            first `record` or `prepare`.

    Raises:
        OutputError: the path is the empty string.

    Example:
        >>> import tempfile
        >>> from semveil.privacy.guarantee import Basis
        >>> ledger = Ledger(f"{tempfile.mkdtemp()}/ledger.jsonl")
        >>> for _ in range(2):
        ...     claim = Guarantee(1.0, "all codes", Basis.PROVED)
        ...     made = Certificate(release="image", method="dp-semcom", protection="laplace", guarantee=claim)
        ...     ledger.record("Ada", made)
        >>> ledger.total("ADA").epsilon, ledger.total("Grace")
        (2.0, None)
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = home() / "ledger.jsonl" if path is None else output_path(path, "ledger")
        self.key_path = self.path.with_name(self.path.name + ".key")
        self._seen = _Seen()

    def prepare(self) -> bool:
        """Create ledger and key if they do not exist, so that problems are reported before the work starts.

        Returns:
            True if a new ledger was created.

        Raises:
            KeyProblem: the key is missing, damaged, readable by others or another ledger's.
            LedgerError: the ledger is readable by others, not a regular file, or has an invalid line.
            OutputError: it cannot be written.
        """
        with self._locked(make=True) as descriptor:
            begun = not os.fstat(descriptor).st_size
            key = self._catch_up(descriptor)
            if not self._seen.bound:
                self._append(descriptor, key, [])
        return begun

    def fix_budgets(self, subjects: Iterable[str], limit: float, *, change: bool = False) -> None:
        """Set the privacy budget of each person; later releases that would exceed it are refused.

        Set it before the first release: adaptive composition holds up to a budget that is itself not
        adaptive. Creates the ledger if it does not exist.

        Args:
            subjects: names of the people.
            limit: total epsilon for the whole record, in nats, >= 0.
            change: replace an existing budget.

        Raises:
            BudgetIsFixed: a person already has another budget; then none is written.
            ValueError: the budget is not a finite number >= 0, or a name is empty.
            KeyProblem, LedgerError, OutputError: as for `prepare`.
        """
        _check_limit(limit)
        names = list(dict.fromkeys(map(subject_name, subjects)))
        with self._locked(make=True) as descriptor:
            self._fix(descriptor, self._catch_up(descriptor), names, limit, change=change)

    def lift_budgets(self, subjects: Iterable[str]) -> None:
        """Remove the privacy budget of each person from now on; the ledger keeps that there was one.

        Args:
            subjects: names of the people; those without a budget are skipped.

        Raises:
            ValueError: a name is empty.
            KeyProblem, LedgerError, OutputError: as for `read`.
        """
        names = list(dict.fromkeys(map(subject_name, subjects)))
        with self._locked() as descriptor:
            key = self._catch_up(descriptor)
            lifted = [_pseudonym(key, name) for name in names]
            new = [Budget(_today(), person, None) for person in lifted if person in self.budgets_in_force]
            if new:
                self._append(descriptor, key, new)

    def record(
        self, subject: str, certificate: Certificate, *, images: int | None = None, limit: float | None = None
    ) -> None:
        """Record one release about a person.

        Args:
            subject: the person's name or number, as in `Booking`.
            certificate: of the release.
            images: number of the release's images that show the person; all where None.
            limit: budget to set for the person first, see `record_all`.

        Raises:
            OverLimit, BudgetIsFixed, KeyProblem, LedgerError, OutputError: as for `record_all`.
        """
        self.record_all([Booking(subject, certificate, images)], limit=limit)

    def record_all(
        self,
        bookings: Sequence[Booking],
        *,
        limit: float | None = None,
        only_new: bool = False,
        already_made: bool = False,
    ) -> int:
        """Record several releases atomically; none if the total of any person would exceed the budget.

        Args:
            bookings: releases to record.
            limit: budget to set for these people first, see `fix_budgets`; it remains set if the releases are
                refused.
            only_new: skip releases that are already recorded about the person.
            already_made: record the releases even if they exceed a budget, since they were made.

        Returns:
            Number of recorded releases.

        Raises:
            OverLimit: a budget would be exceeded, or no finite epsilon would hold.
            BudgetIsFixed: a person has another budget than `limit`.
            KeyProblem, LedgerError, OutputError: as for `prepare`.
        """
        if limit is not None:
            _check_limit(limit)
        with self._locked(make=True) as descriptor:
            key = self._catch_up(descriptor)
            if limit is not None:
                self._fix(descriptor, key, [subject_name(b.subject) for b in bookings], limit)
                self._catch_up(descriptor)
            new = [
                LedgerEntry(_today(), _pseudonym(key, subject_name(b.subject)), b.images or 1, b.certificate)
                for b in bookings
            ]
            if only_new:
                known = {(entry.subject, entry.certificate.release_id) for entry in self._seen.entries}
                new = [entry for entry in new if (entry.subject, entry.certificate.release_id) not in known]
            if not new:
                return 0
            budgets = {} if already_made else self.budgets_in_force
            for pseudonym in budgets.keys() & {entry.subject for entry in new}:
                _check_budget(
                    budgets[pseudonym], [e for e in (*self._seen.entries, *new) if e.subject == pseudonym]
                )
            self._append(descriptor, key, new)
        return len(new)

    def knows(self, release_id: str) -> bool:
        """Whether a release is recorded about anybody, in the entries read so far.

        Args:
            release_id: identifier in the release's certificates.
        """
        return any(entry.certificate.release_id == release_id for entry in self._seen.entries)

    def read(self) -> tuple[LedgerEntry, ...]:
        """Return all entries in the order of recording.

        Raises:
            KeyProblem: the key is missing, damaged, readable by others or another ledger's.
            LedgerError: the ledger is missing or unreadable, or has an invalid line.
        """
        with self._locked() as descriptor:
            self._seen = _Seen()
            if not os.fstat(descriptor).st_size:
                raise LedgerError(
                    f"the ledger {str(self.path)!r} is empty, without even the line that every ledger "
                    "begins with; if it held releases, put a copy back"
                )
            self._catch_up(descriptor)
        return self._seen.entries

    @property
    def binds_key(self) -> bool:
        """Whether the ledger, as last read, identifies its key; those of version 0.1.0 do not."""
        return self._seen.bound

    def releases(self, subject: str) -> list[LedgerEntry]:
        """Return the entries about a person, in order.

        Args:
            subject: the person's name or number.

        Raises:
            KeyProblem, LedgerError: as for `read`.
        """
        name = subject_name(subject)
        entries = self.read()
        pseudonym = self._pseudonym_of(name)
        return [entry for entry in entries if hmac.compare_digest(entry.subject, pseudonym)]

    def budgets(self, subject: str) -> list[Budget]:
        """Return the budgets set for a person and those lifted, in order; the last one is in force.

        Args:
            subject: the person's name or number.

        Raises:
            KeyProblem, LedgerError: as for `read`.
        """
        name = subject_name(subject)
        self.read()
        pseudonym = self._pseudonym_of(name)
        return [fixed for fixed in self._seen.budgets if hmac.compare_digest(fixed.subject, pseudonym)]

    @property
    def budgets_in_force(self) -> dict[str, float]:
        """Budget of each person by pseudonym, as the ledger was last read."""
        last = {fixed.subject: fixed.budget for fixed in self._seen.budgets}
        return {person: budget for person, budget in last.items() if budget is not None}

    def account(self, subject: str) -> Account | None:
        """Compose all releases about a person, see `account_of`; None for no releases.

        Args:
            subject: the person's name or number.

        Raises:
            KeyProblem, LedgerError: as for `read`.
        """
        return account_of(self.releases(subject))

    def total(self, subject: str) -> Guarantee | None:
        """Guarantee of all releases about a person for the whole record; None for no releases.

        Args:
            subject: the person's name or number.

        Raises:
            KeyProblem, LedgerError: as for `read`.
        """
        together = self.account(subject)
        return None if together is None else together.whole

    def _catch_up(self, descriptor: int) -> bytes:
        """Read the lines added since the last call, and return the key."""
        key = ledger_key(self.key_path, empty=not os.fstat(descriptor).st_size)
        size, seen = os.fstat(descriptor).st_size, self._seen
        if size < seen.size:  # the file was replaced
            seen = _Seen()
        with os.fdopen(os.dup(descriptor), "rb") as file:
            file.seek(seen.size)
            new = file.read(size - seen.size)
        read: list[LedgerEntry | Budget] = []
        number, bound = seen.lines, seen.bound
        # the newline may have been missing before
        for line in new.removeprefix(b"\n" if seen.size else b"").splitlines():
            number += 1
            where = f"line {number} of {str(self.path)!r}"
            content = parsed(line, where)
            if isinstance(content, dict) and set(content) == {"format", "key"}:
                self._check_header(content, key, where)
                bound = True
            else:
                read.append(read_line(content, where))
        entries = (line for line in read if isinstance(line, LedgerEntry))
        budgets = (line for line in read if isinstance(line, Budget))
        self._seen = _Seen((*seen.entries, *entries), (*seen.budgets, *budgets), number, size, bound)
        return key

    def _pseudonym_of(self, name: str) -> str:
        with self._locked() as descriptor:
            return _pseudonym(self._catch_up(descriptor), name)

    def _check_header(self, content: dict[str, Any], key: bytes, where: str) -> None:
        if content["format"] != _FORMAT:
            raise LedgerError(f"{where} is of another version of ledgers; upgrade semveil")
        if content != _header(key):
            raise KeyProblem(
                f"{str(self.key_path)!r} is the key of another ledger than {str(self.path)!r}, so nobody in "
                "it can be found; put its own key back"
            )

    @contextmanager
    def _locked(self, *, make: bool = False) -> Iterator[int]:
        """Open and lock the ledger against other processes; create it if missing and `make` is set."""
        try:
            if make:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | CAREFULLY | (os.O_CREAT if make else 0)
            descriptor = os.open(self.path, flags, 0o600)
        except FileNotFoundError:
            raise LedgerError(
                f"there is no ledger {str(self.path)!r}, so what was released is not known; name the right "
                "file with --ledger. The first release that is recorded makes one"
            ) from None
        except OSError as error:
            raise OutputError(f"cannot open the ledger {str(self.path)!r}: {error.strerror}") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise LedgerError(f"the ledger {str(self.path)!r} is not a regular file")
            if os.name == "posix" and status.st_mode & 0o077:
                raise LedgerError(
                    f"others can read the ledger {str(self.path)!r}; run: chmod 600 {str(self.path)!r}"
                )
            lock_file(descriptor, self.path)
            yield descriptor
        finally:
            os.close(descriptor)  # unlocks

    def _fix(
        self, descriptor: int, key: bytes, names: Sequence[str], limit: float, *, change: bool = False
    ) -> None:
        fixed, new = self.budgets_in_force, []
        for name in names:
            pseudonym = _pseudonym(key, name)
            before = fixed.get(pseudonym)
            if before is not None and before != limit and not change:
                raise BudgetIsFixed(
                    f"the limit for {name!r} was fixed before as epsilon {before:g}, and {limit:g} is given "
                    "now; leave it out, or change it for all that follows: semveil ledger budget"
                )
            if before != limit:
                new.append(Budget(_today(), pseudonym, float(limit)))
        if new:
            self._append(descriptor, key, new)

    def _append(self, descriptor: int, key: bytes, lines: Sequence[LedgerEntry | Budget]) -> None:
        """Append lines, all or none, after a missing header; the file's last line may lack its newline."""
        contents = [*([] if self._seen.bound else [_header(key)]), *map(line_of, lines)]
        line = b"".join(json.dumps(content, allow_nan=False).encode() + b"\n" for content in contents)
        try:
            append_line(descriptor, line)
        except OSError as error:
            raise OutputError(f"cannot write into the ledger {str(self.path)!r}: {error.strerror}") from error


def account_of(entries: Iterable[LedgerEntry]) -> Account | None:
    """Compose releases about one person, see `privacy.account`; None for no releases.

    Outputs with equal `release_id` are views of one release and count once, with the weakest guarantee among
    them.

    Args:
        entries: about the same person.
    """
    views: dict[str, list[LedgerEntry]] = {}
    for entry in entries:
        views.setdefault(entry.certificate.release_id, []).append(entry)
    together = account(
        [
            Released(
                tuple(entry.certificate.guarantee for entry in same), max(entry.images for entry in same)
            )
            for same in views.values()
        ]
    )
    return (
        None
        if together is None
        else Account(_if_complete(together.whole), tuple(map(_if_complete, together.sets)))
    )


def _if_complete(claim: Guarantee) -> Guarantee:
    return replace(claim, assumptions=(*claim.assumptions, _COMPLETE))


def _check_limit(limit: float) -> None:
    if not is_budget(limit):
        raise ValueError(f"a limit is a finite epsilon of at least 0, got {limit}")


def _check_budget(budget: float, entries: Sequence[LedgerEntry]) -> None:
    together = account_of(entries)
    assert together is not None
    epsilon = together.whole.epsilon
    if epsilon is None or epsilon > budget:
        cost = (
            f"no finite epsilon would hold for the whole record ({together.whole.reason}); a limit "
            "admits only what leaves nothing in the clear, such as the crops of latent-dp"
            if epsilon is None
            else f"all releases about the person would cost epsilon {text_above(epsilon)} "
            f"(basis: {together.whole.basis.value})"
        )
        raise OverLimit(f"refused before the release: {cost}, and the limit is {budget:g}")


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _header(key: bytes) -> dict[str, Any]:
    return {"format": _FORMAT, "key": hmac.new(key, b"semveil ledger", hashlib.sha256).hexdigest()[:16]}


def subject_name(subject: str) -> str:
    """Canonical name of a subject: case, spacing and Unicode normal form are ignored.

    Args:
        subject: name or number.

    Raises:
        TypeError: it is no text.
        ValueError: nothing but spaces remains.

    Example:
        >>> subject_name("  Ada  LOVELACE ")
        'ada lovelace'
    """
    if not isinstance(subject, str):
        raise TypeError(f"the subject's name is text, got {subject!r}")
    name = " ".join(unicodedata.normalize("NFKC", subject).casefold().split())
    if not name:
        raise ValueError(
            "the subject needs a name or number that is the same for all releases about the person"
        )
    return name


def _pseudonym(key: bytes, name: str) -> str:
    return hmac.new(
        key, b"semveil ledger subject\n" + name.encode("utf-8", "surrogatepass"), hashlib.sha256
    ).hexdigest()
