"""`semveil ledger`: what repeated releases about one person add up to."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.console import make_table, note, show

if TYPE_CHECKING:
    from semveil.core.ledger import Book, Entry
    from semveil.core.privacy import Guarantee

app = typer.Typer(help="Releases recorded with --subject: what they add up to for each person.")

LedgerFile = Annotated[
    Path | None, typer.Option("--ledger", help="The ledger; SEMVEIL_HOME/ledger.jsonl by default.", metavar="FILE")
]
Limit = Annotated[float | None, typer.Option(help="Warn where the total epsilon is above it, or none is finite.", metavar="E")]


@app.command("show")
def show_subject(
    subject: Annotated[str, typer.Option(help="The person's name or number, as given when sending.", metavar="NAME")],
    ledger: LedgerFile = None,
    limit: Limit = None,
    as_json: options.Json = False,
) -> None:
    """Add up what was released about a person.

    Example: semveil ledger show --subject "Ada Lovelace" --limit 5
    """
    _check_limit(limit)

    from semveil.core.explain import explain_epsilon
    from semveil.core.ledger import Ledger, total

    book = Ledger(ledger)
    releases = book.releases(subject)
    together, torn = total(releases), _torn(book.read())
    result = {
        "ledger": str(book.path),
        "releases": [_entry(entry) for entry in releases],
        "total": together and together.as_dict(),
        "limit": limit,
        "over_limit": _over(together, limit),
        "unreadable_lines": torn,
    }
    if together is None:
        show(result, [f"Nothing is recorded about this person in {book.path}."], as_json=as_json)
        return
    lines = [f"All recorded releases about this person together. {together.summary()}", *explain_epsilon(together)]
    lines.append(f"It holds only if: {'; '.join(together.assumptions)}.")
    if _over(together, limit):
        lines.append(f"Warning: {_excess(together)} the limit of {limit:g}; release nothing more about this person.")
    if len({e.certificate.release_id for e in releases}) < len(releases):
        lines.append("Entries with one number are views of the same release and count once.")
    table = None if as_json else _table(releases)
    show(result, lines, as_json=as_json, table=table)


@app.command("list")
def list_subjects(ledger: LedgerFile = None, limit: Limit = None, as_json: options.Json = False) -> None:
    """List all persons by pseudonym with what their releases add up to; names are not stored.

    Example: semveil ledger list --limit 5
    """
    _check_limit(limit)

    from semveil.core.ledger import Ledger, total

    book = Ledger(ledger)
    content = book.read()
    people: dict[str, list[Entry]] = {}
    for entry in content.entries:
        people.setdefault(entry.subject, []).append(entry)
    totals = {pseudonym: total(entries) for pseudonym, entries in people.items()}
    over = [pseudonym for pseudonym, claim in totals.items() if _over(claim, limit)]
    result = {
        "ledger": str(book.path),
        "subjects": [
            {
                "subject": pseudonym,
                "entries": len(entries),
                "first": entries[0].date,
                "last": entries[-1].date,
                "total": (claim := totals[pseudonym]) and claim.as_dict(),
                "over_limit": pseudonym in over,
            }
            for pseudonym, entries in people.items()
        ],
        "limit": limit,
        "unreadable_lines": _torn(content),
    }
    rows = [
        [pseudonym[:12], len(entries), entries[0].date, entries[-1].date, *_claim(totals[pseudonym])]
        for pseudonym, entries in people.items()
    ]
    headings = ["person", "entries", "first", "last", *_CLAIM]
    lines = [f"{len(people)} people in {book.path}."]
    lines += [f"Warning: above the limit of {limit:g}, or without a finite epsilon: {len(over)} of them."] if over else []
    show(result, lines, as_json=as_json, table=make_table(headings, rows) if rows and not as_json else None)


_CLAIM = ["epsilon", "delta", "basis", "for"]


def _claim(claim: "Guarantee | None") -> list[Any]:
    return [claim.epsilon, claim.delta or None, claim.basis.value, claim.covers] if claim else [None] * len(_CLAIM)


def _entry(entry: "Entry") -> dict[str, Any]:
    return {"date": entry.date, "images": entry.images, "certificate": entry.certificate.as_dict()}


def _table(releases: "list[Entry]") -> Any:
    numbers = {key: n for n, key in enumerate(dict.fromkeys(e.certificate.release_id for e in releases), 1)}
    rows = []
    for entry in releases:
        made = entry.certificate
        what = f"{made.release.value}, {made.protection}"
        rows.append([numbers[made.release_id], entry.date, what, entry.images, *_claim(made.guarantee)])
    return make_table(["no.", "date", "what", "photos", *_CLAIM], rows)


def _check_limit(limit: float | None) -> None:
    if limit is not None and not 0 <= limit < float("inf"):
        raise options.OptionError(f"--limit must be a finite epsilon of at least 0, got {limit}")


def _over(claim: "Guarantee | None", limit: float | None) -> bool:
    return limit is not None and claim is not None and (claim.epsilon is None or claim.epsilon > limit)


def _excess(claim: "Guarantee") -> str:
    if claim.epsilon is None:
        return "no finite epsilon holds any more, which is above"
    return f"epsilon {claim.epsilon:.6g} (basis: {claim.basis.value}) for {claim.covers} is above"


def _torn(book: "Book") -> int:
    if book.torn:
        note(f"unreadable lines in the ledger: {book.torn} (a write was cut off); what they recorded is not counted")
    return book.torn
