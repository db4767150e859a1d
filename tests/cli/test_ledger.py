# SPDX-License-Identifier: Apache-2.0
"""`semveil ledger` adds up and warns."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from semveil.cli import main as command_line
from semveil.cli.certified import record_lines
from semveil.core.errors import KeyProblem
from semveil.link.outputs import account, open_ledger
from semveil.privacy.certificate import Certificate
from semveil.privacy.coverage import Coverage
from semveil.privacy.guarantee import Basis, Guarantee
from semveil.privacy.ledger import Ledger, OverLimit


def release(epsilon: float | None) -> Certificate:
    claim = (
        Guarantee.none("x", reason="a test")
        if epsilon is None
        else Guarantee(epsilon, "all codes", Basis.PROVED)
    )
    return Certificate(release="symbols", method="m", protection="laplace", guarantee=claim)


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for epsilon in (1.0, 2.0):
        ledger.record("Ada", release(epsilon))
    ledger.record("Grace", release(None))
    return ledger


@pytest.fixture
def semveil(book: Ledger, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = command_line.main(["ledger", *arguments, "--ledger", str(book.path)])
        captured = capsys.readouterr()
        return code, " ".join(captured.out.split()), captured.err

    return call


def test_a_person_is_added_up(semveil: Callable) -> None:
    code, out, err = semveil("show", "--subject", " ada ")
    assert (code, err) == (0, "")
    assert (
        "Covers the whole photo with epsilon 3: limited (basis: proved" in out
        and "- all codes: epsilon 3: limited (basis: proved)." in out
    )
    assert "What epsilon 3 means" in out
    assert "every release about the person is in the ledger" in out and "Warning" not in out


@pytest.mark.parametrize(
    ("subject", "limit", "over"), [("Ada", "3", False), ("Ada", "2.9", True), ("Grace", "99", True)]
)
def test_a_budget_that_is_spent_is_warned_of(semveil: Callable, subject: str, limit: str, over: bool) -> None:
    assert ("Warning: " in semveil("show", "--subject", subject, "--limit", limit)[1]) == over
    result = json.loads(semveil("show", "--subject", subject, "--limit", limit, "--json")[1])
    assert result["over_limit"] == over
    assert result["total"]["basis"] == ("proved" if subject == "Ada" else "none")


def test_each_record_is_judged_by_its_own_budget(semveil: Callable, book: Ledger) -> None:
    book.fix_budgets(["Ada"], 4.0)
    code, out, _ = semveil("show", "--subject", "Ada")
    assert code == 0 and "Budget for the whole record: epsilon 4" in out and "Warning" not in out
    assert [s["over_limit"] for s in json.loads(semveil("list", "--json")[1])["subjects"]] == [False, False]
    book.fix_budgets(["Ada"], 2.0, change=True)
    out = semveil("show", "--subject", "Ada", "--limit", "99")[1]  # no larger limit hides the budget
    assert "for the whole record is above the limit of 2" in out and "It was epsilon 4" in out
    told = json.loads(semveil("show", "--subject", "Ada", "--json")[1])
    assert (
        told["over_limit"] and told["limit"] == 2.0 and [b["budget"] for b in told["budgets"]] == [4.0, 2.0]
    )
    ada, grace = json.loads(semveil("list", "--json")[1])["subjects"]
    assert (ada["budget"], ada["over_limit"], grace["budget"], grace["over_limit"]) == (
        2.0,
        True,
        None,
        False,
    )
    assert "above their budget, or without a finite epsilon: 1 of them" in semveil("list")[1]


def test_a_budget_is_lifted(semveil: Callable, book: Ledger) -> None:
    assert "Nobody of this name has a budget" in semveil("budget", "--subject", "Ada", "--lift")[1]
    book.fix_budgets(["Ada"], 1.0)
    out = semveil("budget", "--subject", "Ada", "--lift")[1]
    assert "Budget for the whole record: none" in out and "It was epsilon 1" in out
    told = json.loads(semveil("show", "--subject", "Ada", "--json")[1])
    assert not told["over_limit"] and told["limit"] is None and told["budgets"][-1]["budget"] is None
    for both in ((), ("--limit", "2", "--lift")):
        code, _, error = semveil("budget", "--subject", "Ada", *both)
        assert code == 2 and "--lift" in error


def test_a_budget_is_changed_by_its_own_verb(semveil: Callable, book: Ledger) -> None:
    assert (
        "Budget for the whole record: epsilon 5" in semveil("budget", "--subject", "Ada", "--limit", "5")[1]
    )
    with pytest.raises(OverLimit):
        book.record("Ada", release(2.5))
    out = semveil("budget", "--subject", "Ada", "--limit", "6")[1]
    assert "epsilon 6" in out and "It was epsilon 5" in out and "only below a budget that does not" in out
    book.record("Ada", release(2.5))
    assert semveil("budget", "--subject", "Ada", "--limit", "nan")[0] == 2
    assert (
        "Budget for the whole record: epsilon 1" in semveil("budget", "--subject", "Mary", "--limit", "1")[1]
    )
    assert "Budget for the whole record: epsilon 1" in semveil("show", "--subject", "Mary")[1]


def test_an_unknown_person_has_no_releases(semveil: Callable) -> None:
    code, out, _ = semveil("show", "--subject", "Mary")
    assert code == 0 and out.startswith("Nothing is recorded about this person")
    assert json.loads(semveil("show", "--subject", "Mary", "--json")[1])["total"] is None


def test_the_list_has_pseudonyms_and_no_names(semveil: Callable) -> None:
    code, out, _ = semveil("list", "--limit", "2", "--json")
    subjects = json.loads(out)["subjects"]
    assert code == 0 and [s["entries"] for s in subjects] == [2, 1] and all(s["over_limit"] for s in subjects)
    assert "Ada" not in out and "Grace" not in out
    assert "2 of them" in semveil("list", "--limit", "2")[1]


def partly(private: tuple[int, ...]) -> Certificate:
    claim = Guarantee(1.0, "x", Basis.PROVED).about(Coverage.of_codes("0f" * 32, private, 28))
    return replace(release(1.0), guarantee=claim, model="faces-64", model_hash="0f" * 32)


def test_totals_are_shown_for_each_part_and_for_the_whole_record(
    semveil: Callable, book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for private in ((0, 1, 4, 5), (0, 1, 6, 7)):
        book.record("Mary", partly(private))
    _, out, _ = semveil("show", "--subject", "Mary", "--limit", "5")
    assert (
        "Covers the whole photo with no finite epsilon" in out
        and "with epsilon 2" not in out
        and "88.08" not in out
    )
    assert "- the codes shared of model faces-64 (0f0f0f0f): epsilon 2: limited (basis: proved)." in out
    assert (
        "- all codes but shared of model faces-64 (0f0f0f0f): epsilon none: no guarantee (basis: none), "
        "because" in out
    )
    assert "Warning: no finite epsilon holds any more for the whole record" in out
    told = json.loads(semveil("show", "--subject", "Mary", "--json")[1])
    assert [part["epsilon"] for part in told["sets"]] == [2.0, None] and told["total"]["epsilon"] is None
    listed = json.loads(semveil("list", "--json", "--limit", "5")[1])["subjects"][-1]
    assert (listed["over_limit"], listed["total"]["epsilon"]) == (True, None)
    assert [part["epsilon"] for part in listed["sets"]] == [2.0, None]
    table = semveil("list")[1]
    assert (
        "no guarantee (none) - the whole record" in table
        and "2: limited (proved) - the codes shared" in table
    )


def test_figures_are_printed_rounded_up(semveil: Callable, book: Ledger) -> None:
    book.record("Mary", release(1.0000004))
    assert "epsilon 1.00001: strong (basis: proved" in semveil("show", "--subject", "Mary")[1]
    assert "1.00001" in semveil("list")[1]
    assert (
        "epsilon 1.00001: strong (basis: proved) for the whole record is above"
        in semveil("show", "--subject", "Mary", "--limit", "1")[1]
    )


def test_what_cannot_be_read_is_an_error_for_every_question(semveil: Callable, book: Ledger) -> None:
    whole = book.path.read_bytes()
    for damage in (
        lambda: book.path.write_bytes(whole[:-5]),
        lambda: book.path.write_bytes(b""),
        book.path.unlink,
    ):
        damage()
        for words in (
            ("show", "--subject", "Ada"),
            ("show", "--subject", "Mary", "--limit", "1"),
            ("list",),
            ("list", "--limit", "1"),
        ):
            code, out, err = semveil(*words)
            assert (code, out, len(err.splitlines())) == (8, "", 1), words
    assert "there is no ledger" in err


def test_another_ledgers_key_is_an_error(semveil: Callable, book: Ledger) -> None:
    book.key_path.write_bytes(bytes(32))
    code, out, err = semveil("show", "--subject", "Ada")
    assert (code, out) == (7, "") and "the key of another ledger" in err


def test_an_old_ledger_cannot_tell_whether_its_key_fits(semveil: Callable, book: Ledger) -> None:
    book.path.write_bytes(b"".join(book.path.read_bytes().splitlines(keepends=True)[1:]))
    assert "does not say whether its key is the right one" in semveil("show", "--subject", "Mary")[1]
    assert "epsilon 3" in semveil("show", "--subject", "Ada")[1]


@pytest.mark.parametrize("limit", ["-1", "nan", "inf"])
def test_impossible_limits_are_refused(semveil: Callable, limit: str) -> None:
    code, out, err = semveil("list", "--limit", limit)
    assert (code, out) == (2, "") and "--limit must be a finite epsilon" in err


def test_a_missing_key_is_one_line(semveil: Callable, book: Ledger) -> None:
    book.key_path.unlink()
    code, out, err = semveil("show", "--subject", "Ada")
    assert (code, out, len(err.splitlines())) == (7, "", 1)


def test_verbs_are_told_the_total(book: Ledger) -> None:
    ledger = open_ledger("Ada", book.path)
    ((_, line),) = record_lines(account(ledger, "Ada"))
    assert line.startswith(
        "Recorded releases about this person: 2. Together: Covers the whole photo with epsilon 3: limited "
        "(basis: proved"
    )
    assert open_ledger(None, None) is None and account(None, None) is None and record_lines(None) == []


def test_a_new_ledger_is_told_of(tmp_path: Path, book: Ledger) -> None:
    told: list[str] = []
    open_ledger("Ada", book.path, note=told.append)
    assert told == []
    open_ledger("Ada", tmp_path / "new.jsonl", note=told.append)
    assert "began a new ledger" in told[0]


@pytest.mark.parametrize("options", [{"ledger": Path("x.jsonl")}, {"ledger": None, "limit": 1.0}])
def test_a_ledger_or_limit_without_a_person_is_refused(options: dict) -> None:
    with pytest.raises(ValueError, match="subject"):
        open_ledger(None, **options)


def test_a_ledger_that_cannot_be_used_fails_before_the_work(book: Ledger) -> None:
    with pytest.raises(ValueError, match="needs a name"):
        open_ledger(" ", book.path)
    book.key_path.chmod(0o644)
    with pytest.raises(KeyProblem, match="chmod 600"):
        open_ledger("Ada", book.path)
