# SPDX-License-Identifier: Apache-2.0
"""`semveil ledger`: the total epsilon of the releases about one person."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.command import Command, Group
from semveil.cli.console import make_table, show

if TYPE_CHECKING:
    from semveil.privacy.account import Account
    from semveil.privacy.guarantee import Guarantee
    from semveil.privacy.ledger_lines import Budget, LedgerEntry

app = typer.Typer(
    name="ledger",
    cls=Group,
    help="Add up the epsilons of a person's recorded releases.\n\nExample: semveil ledger list",
)

LedgerFile = Annotated[
    Path | None,
    typer.Option(
        "--ledger",
        help="Ledger file; SEMVEIL_HOME/ledger.jsonl by default.",
        metavar="FILE",
        rich_help_panel=options.PEOPLE,
    ),
]
Limit = Annotated[
    float | None,
    typer.Option(help="Also warn above this total, besides each person's own budget.", metavar="E"),
]
SpendingLimit = Annotated[
    float | None,
    typer.Option(
        "--limit",
        help=(
            "Epsilon that the whole record of a named or recognised person may cost, fixed before the first "
            "release; this and every later release that would exceed it is refused. To change it: `semveil "
            "ledger budget`."
        ),
        metavar="E",
        rich_help_panel=options.PEOPLE,
    ),
]


@app.command("show", cls=Command)
def show_subject(
    subject: Annotated[
        str, typer.Option(help="Name of the person, as given with --subject or --enrolled.", metavar="NAME")
    ],
    ledger: LedgerFile = None,
    limit: Limit = None,
    as_json: options.Json = False,
) -> None:
    """Add up the epsilons of a person, in total and by part.

    The whole record is judged by the person's budget, which the first `--limit` of a release fixes.

    Example: semveil ledger show --subject "Ada Lovelace"
    """
    check_limit(limit)

    from semveil.privacy.explain import explain_epsilon
    from semveil.privacy.ledger import Ledger, account_of

    book = Ledger(ledger)
    releases = book.releases(subject)
    together = account_of(releases)
    budgets = book.budgets(subject)
    limit = _stricter(budgets[-1].budget if budgets else None, limit)
    result = {
        "ledger": str(book.path),
        "releases": [_entry(entry) for entry in releases],
        "total": None if together is None else together.whole.as_dict(),
        "sets": [] if together is None else [claim.as_dict() for claim in together.sets],
        "budgets": _told(budgets),
        "limit": limit,
        "over_limit": _over(together, limit),
    }
    if together is None:
        unsure = (
            ""
            if book.binds_key
            else "; it is of an older version and does not say whether its key is the right one"
        )
        told = [f"Nothing is recorded about this person in {book.path}{unsure}.", *_budget_lines(budgets)]
        show(result, told, as_json=as_json)
        return
    whole = together.whole
    lines = [f"All recorded releases about this person together, for the whole record. {whole.summary()}"]
    lines += explain_epsilon(whole)
    if together.sets:
        lines.append("For each part (of two photos that agree in everything shown in the clear):")
        lines += [f"- {_set_line(claim, releases)}" for claim in together.sets]
    lines.append(f"It holds only if: {'; '.join(whole.assumptions)}.")
    lines += _budget_lines(budgets)
    if _over(together, limit):
        lines.append(
            f"Warning: {_excess(whole)} the limit of {limit:g}; release nothing more about this person."
        )
    if len({e.certificate.release_id for e in releases}) < len(releases):
        lines.append("Entries with one number are views of the same release and count once.")
    table = None if as_json else _table(releases)
    show(result, lines, as_json=as_json, table=table)


@app.command("list", cls=Command)
def list_subjects(ledger: LedgerFile = None, limit: Limit = None, as_json: options.Json = False) -> None:
    """List all people by pseudonym, each with the total epsilon.

    Names are not stored.

    Each whole record is judged by the person's budget.

    Example: semveil ledger list
    """
    check_limit(limit)

    from semveil.privacy.ledger import Ledger, account_of

    book = Ledger(ledger)
    people: dict[str, list[LedgerEntry]] = {}
    for entry in book.read():
        people.setdefault(entry.subject, []).append(entry)
    budgets = book.budgets_in_force
    totals = {
        pseudonym: together for pseudonym, entries in people.items() if (together := account_of(entries))
    }
    over = [
        pseudonym
        for pseudonym, together in totals.items()
        if _over(together, _stricter(budgets.get(pseudonym), limit))
    ]
    result = {
        "ledger": str(book.path),
        "subjects": [
            {
                "subject": pseudonym,
                "entries": len(entries),
                "first": entries[0].date,
                "last": entries[-1].date,
                "total": totals[pseudonym].whole.as_dict(),
                "sets": [claim.as_dict() for claim in totals[pseudonym].sets],
                "budget": budgets.get(pseudonym),
                "over_limit": pseudonym in over,
            }
            for pseudonym, entries in people.items()
        ],
        "limit": limit,
    }
    rows = []
    for pseudonym, entries in people.items():
        whole = _figures(totals[pseudonym].whole, "the whole record")
        rows.append(
            [pseudonym[:12], len(entries), entries[0].date, entries[-1].date, budgets.get(pseudonym), *whole]
        )
        rows += [
            ["", "", "", "", None, *_figures(claim, _name(claim, entries))]
            for claim in totals[pseudonym].sets
        ]
    headings = ["person", "entries", "first", "last", "budget", *_CLAIM]
    lines = [f"{len(people)} {'person' if len(people) == 1 else 'people'} in {book.path}."]
    if over:
        bound = "their budget" if limit is None else f"their budget or the limit of {limit:g}"
        lines.append(f"Warning: above {bound}, or without a finite epsilon: {len(over)} of them.")
    show(result, lines, as_json=as_json, table=make_table(headings, rows) if rows and not as_json else None)


@app.command("budget", cls=Command)
def change_budget(
    subject: Annotated[
        str, typer.Option(help="Name of the person, as given with --subject or --enrolled.", metavar="NAME")
    ],
    limit: Annotated[
        float | None,
        typer.Option(help="The epsilon that the whole record may cost from now on.", metavar="E"),
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Remove the person's budget.")] = False,
    ledger: LedgerFile = None,
    as_json: options.Json = False,
) -> None:
    """Set, change or lift the limit on what all releases about a person may cost together.

    A budget is fixed before the first release. Later releases that depend on earlier ones add up as stated
    only below a budget that does not depend on them, so be ready to justify raising or lifting it; the
    ledger keeps every change.

    Example: semveil ledger budget --subject "Ada Lovelace" --limit 5

    Example: semveil ledger budget --subject "Ada Lovelace" --lift
    """
    if (limit is None) != lift:
        raise options.OptionError("give the new limit with --limit E, or remove it with --lift, and not both")
    check_limit(limit)

    from semveil.privacy.ledger import Ledger

    book = Ledger(ledger)
    if limit is None:
        book.lift_budgets([subject])
    else:
        book.fix_budgets([subject], limit, change=True)
    budgets = book.budgets(subject)
    lines = _budget_lines(budgets) or [
        f"Nobody of this name has a budget in {book.path}; nothing was changed."
    ]
    show({"ledger": str(book.path), "budgets": _told(budgets)}, lines, as_json=as_json)


_CLAIM = ["epsilon (basis)", "delta", "for"]


def _figures(claim: "Guarantee", words: str) -> list[Any]:
    from semveil.core.rounding import text_above
    from semveil.privacy.strength import in_a_word

    word = in_a_word(claim.epsilon, claim.delta)
    worth = (
        f"{word if claim.epsilon is None else f'{text_above(claim.epsilon)}: {word}'} ({claim.basis.value})"
    )
    return [worth, text_above(claim.delta, 4) if claim.delta else None, words]


def _set_line(claim: "Guarantee", entries: "list[LedgerEntry]") -> str:
    """A part's total on one line, with the reason if there is none."""
    from semveil.core.rounding import text_above
    from semveil.privacy.strength import in_a_word

    name, basis = _name(claim, entries), claim.basis.value
    figures = f"epsilon {'none' if claim.epsilon is None else text_above(claim.epsilon)}"
    figures += f", delta {text_above(claim.delta, 4)}" if claim.delta else ""
    figures += f": {in_a_word(claim.epsilon, claim.delta)}"
    return (
        f"{name}: {figures} (basis: {basis})"
        + (f", because {claim.reason}" if claim.epsilon is None else "")
        + "."
    )


def _name(claim: "Guarantee", entries: "list[LedgerEntry]") -> str:
    """Name of a part, with that of the model that computes it."""
    (part,) = claim.coverage.covered
    models = {
        entry.certificate.model
        for entry in entries
        if part.model and entry.certificate.model_hash == part.model
    }
    return part.briefly() + (
        f" of model {', '.join(sorted(map(str, models)))} ({part.model[:8]})" if part.model else ""
    )


def _entry(entry: "LedgerEntry") -> dict[str, Any]:
    return {"date": entry.date, "images": entry.images, "certificate": entry.certificate.as_dict()}


def _table(releases: "list[LedgerEntry]") -> Any:
    numbers = {key: n for n, key in enumerate(dict.fromkeys(e.certificate.release_id for e in releases), 1)}
    rows = []
    for entry in releases:
        made = entry.certificate
        claim, what = made.guarantee, f"{made.release.value}, {made.protection}"
        clear = f"; in the clear: {', '.join(claim.not_covered)}" if claim.not_covered else ""
        rows.append(
            [numbers[made.release_id], entry.date, what, entry.images, *_figures(claim, claim.covers + clear)]
        )
    return make_table(["no.", "date", "what", "photos", *_CLAIM], rows)


def check_limit(limit: float | None) -> None:
    """Check a budget given by `--limit`.

    Args:
        limit: epsilon; None is accepted.

    Raises:
        OptionError: the limit is negative, infinite or NaN.
    """
    if limit is not None and not 0 <= limit < float("inf"):
        raise options.OptionError(f"--limit must be a finite epsilon of at least 0, got {limit}")


def _stricter(budget: float | None, limit: float | None) -> float | None:
    return min((bound for bound in (budget, limit) if bound is not None), default=None)


def _told(budgets: "list[Budget]") -> list[dict[str, Any]]:
    return [{"date": fixed.date, "budget": fixed.budget} for fixed in budgets]


def _budget_lines(budgets: "list[Budget]") -> list[str]:
    """The budget in force, and earlier budgets."""
    if not budgets:
        return []
    from semveil.privacy.strength import in_a_word

    *before, last = [
        f"{'none' if fixed.budget is None else f'epsilon {fixed.budget:g}: {in_a_word(fixed.budget)}'} "
        f"({fixed.date})"
        for fixed in budgets
    ]
    lines = [f"Budget for the whole record: {last}."]
    if before:
        lines.append(
            f"It was {', then '.join(before)}. Releases that depend on earlier ones add up as stated only "
            "below a budget that does not."
        )
    return lines


def _over(together: "Account | None", limit: float | None) -> bool:
    if limit is None or together is None:
        return False
    return together.whole.epsilon is None or together.whole.epsilon > limit


def _excess(claim: "Guarantee") -> str:
    from semveil.core.rounding import text_above
    from semveil.privacy.strength import in_a_word

    if claim.epsilon is None:
        return "no finite epsilon holds any more for the whole record, which is above"
    word = in_a_word(claim.epsilon, claim.delta)
    return (
        f"epsilon {text_above(claim.epsilon)}: {word} (basis: {claim.basis.value}) for the whole record is "
        "above"
    )
