# SPDX-License-Identifier: Apache-2.0
"""Lines of a ledger: entries as JSON, parsed strictly."""

import math
import re
from dataclasses import dataclass
from typing import Any

from semveil.core.errors import SemveilError
from semveil.core.text import parse_json
from semveil.privacy.certificate import Certificate, CertificateError

_FIELDS = {"date", "subject", "images", "certificate"}
_BUDGET_FIELDS = {"date", "subject", "budget"}


class LedgerError(SemveilError):
    """A ledger that is unreadable or inconsistent."""

    exit_code = 8


@dataclass(frozen=True)
class LedgerEntry:
    """One recorded release.

    Attributes:
        date: of recording, UTC, YYYY-MM-DD.
        subject: pseudonym of the person, 64 hex digits.
        images: number of the release's images that show the person.
        certificate: of the release.
    """

    date: str
    subject: str
    images: int
    certificate: Certificate


@dataclass(frozen=True)
class Budget:
    """Limit on the total epsilon of all releases about a person.

    Attributes:
        date: of setting, UTC, YYYY-MM-DD.
        subject: pseudonym of the person, 64 hex digits.
        budget: the epsilon; None: no limit any more.
    """

    date: str
    subject: str
    budget: float | None


def parsed(line: bytes, where: str) -> Any:
    """Decode the JSON of one line.

    Args:
        line: its bytes.
        where: ledger and line, for the message.

    Raises:
        LedgerError: it is not JSON.
    """
    try:
        return parse_json(line)
    except ValueError:
        raise LedgerError(
            f"{where} cannot be read (a write was cut off, or it is no ledger), so what it recorded would "
            "be missing from every total; put a copy back, or remove the line if its release was not made"
        ) from None


def read_line(content: Any, where: str) -> LedgerEntry | Budget:
    """Parse the result of `line_of`.

    Args:
        content: decoded JSON, of any type.
        where: ledger and line, for the message.

    Raises:
        LedgerError: it is neither an entry nor a budget, or has invalid values.
    """
    if isinstance(content, dict) and set(content) == _BUDGET_FIELDS:
        fixed = Budget(**content)
        if not (fixed.budget is None or is_budget(fixed.budget)) or not _is_named_and_dated(fixed):
            raise LedgerError(f"{where} is damaged")
        return fixed
    if not isinstance(content, dict) or set(content) != _FIELDS:
        raise LedgerError(f"{where} is no entry of a ledger; is it the right file?")
    try:
        entry = LedgerEntry(**content | {"certificate": Certificate.from_dict(content["certificate"])})
    except CertificateError as error:
        raise LedgerError(f"{where}: {error}") from None
    counted = type(entry.images) is int and 1 <= entry.images <= entry.certificate.images
    if not counted or not _is_named_and_dated(entry):
        raise LedgerError(f"{where} is damaged")
    return entry


def is_budget(value: Any) -> bool:
    """Whether a value is a finite number >= 0 and not a bool.

    Args:
        value: of any type.
    """
    return type(value) in (int, float) and math.isfinite(value) and value >= 0


def line_of(line: LedgerEntry | Budget) -> dict[str, Any]:
    """JSON object of an entry or a budget.

    Args:
        line: entry or budget.
    """
    if isinstance(line, Budget):
        return dict(vars(line))
    return {
        "date": line.date,
        "subject": line.subject,
        "images": line.images,
        "certificate": line.certificate.as_dict(),
    }


def _is_named_and_dated(line: LedgerEntry | Budget) -> bool:
    named = isinstance(line.subject, str) and re.fullmatch("[0-9a-f]{64}", line.subject)
    return bool(named) and isinstance(line.date, str)
