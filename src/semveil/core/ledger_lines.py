"""The lines of a ledger: entries as JSON, read strictly."""

import re
from dataclasses import dataclass
from typing import Any

from semveil.core.certificate import Certificate, CertificateError
from semveil.core.errors import SemveilError
from semveil.core.text import parse_json

_FIELDS = {"date", "subject", "images", "certificate"}


class LedgerError(SemveilError):
    """A ledger that cannot be read or does not fit."""

    exit_code = 8


@dataclass(frozen=True)
class Entry:
    """One recorded release.

    Attributes:
        date: of recording, UTC, YYYY-MM-DD.
        subject: pseudonym of the person, 64 hex digits.
        images: how many of the release's images show the person.
        certificate: of the release.
    """

    date: str
    subject: str
    images: int
    certificate: Certificate


def parsed(line: bytes, where: str) -> Any:
    """A line's JSON.

    Raises:
        LedgerError: it is none.
    """
    try:
        return parse_json(line)
    except ValueError:
        raise LedgerError(
            f"{where} cannot be read (a write was cut off, or it is no ledger), so what it recorded would be missing from "
            "every total; put a copy back, or remove the line if its release was not made"
        ) from None


def entry_of(content: Any, where: str) -> Entry:
    """The entry that `line_of` wrote.

    Raises:
        LedgerError: it is none, or holds what cannot be.
    """
    if not isinstance(content, dict) or set(content) != _FIELDS:
        raise LedgerError(f"{where} is no entry of a ledger; is it the right file?")
    try:
        entry = Entry(**content | {"certificate": Certificate.from_dict(content["certificate"])})
    except CertificateError as error:
        raise LedgerError(f"{where}: {error}") from None
    counted = type(entry.images) is int and 1 <= entry.images <= entry.certificate.images
    named = isinstance(entry.subject, str) and re.fullmatch("[0-9a-f]{64}", entry.subject)
    if not counted or not named or not isinstance(entry.date, str):
        raise LedgerError(f"{where} is damaged")
    return entry


def line_of(entry: Entry) -> dict[str, Any]:
    """What a line holds."""
    return {
        "date": entry.date,
        "subject": entry.subject,
        "images": entry.images,
        "certificate": entry.certificate.as_dict(),
    }
