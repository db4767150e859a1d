"""`semveil ledger` adds up and warns."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from semveil.cli import main as command_line
from semveil.cli.certified import record_lines
from semveil.core.certificate import Certificate
from semveil.core.errors import KeyProblem
from semveil.core.ledger import Ledger
from semveil.core.privacy import Basis, Guarantee
from semveil.link.outputs import open_ledger, record_release


def release(epsilon: float | None) -> Certificate:
    claim = Guarantee.none("x", reason="a test") if epsilon is None else Guarantee(epsilon, "all codes", Basis.PROVED)
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
    assert "Covers all codes with epsilon 3 (basis: proved" in out and "What epsilon 3 means" in out
    assert "every release about the person is in the ledger" in out and "Warning" not in out


@pytest.mark.parametrize(("subject", "limit", "over"), [("Ada", "3", False), ("Ada", "2.9", True), ("Grace", "99", True)])
def test_a_budget_that_is_spent_is_warned_of(semveil: Callable, subject: str, limit: str, over: bool) -> None:
    assert ("Warning: " in semveil("show", "--subject", subject, "--limit", limit)[1]) == over
    result = json.loads(semveil("show", "--subject", subject, "--limit", limit, "--json")[1])
    assert result["over_limit"] == over
    assert result["total"]["basis"] == ("proved" if subject == "Ada" else "none")


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


def test_unreadable_lines_are_told(semveil: Callable, book: Ledger) -> None:
    book.path.write_bytes(book.path.read_bytes()[:-5])
    code, out, err = semveil("show", "--subject", "Ada")
    assert code == 0 and "epsilon 3" in out and "unreadable lines in the ledger: 1" in err


@pytest.mark.parametrize("limit", ["-1", "nan", "inf"])
def test_impossible_limits_are_refused(semveil: Callable, limit: str) -> None:
    code, out, err = semveil("list", "--limit", limit)
    assert (code, out) == (2, "") and "--limit must be a finite epsilon" in err


def test_a_missing_key_is_one_line(semveil: Callable, book: Ledger) -> None:
    book.key_path.unlink()
    code, out, err = semveil("show", "--subject", "Ada")
    assert (code, out, len(err.splitlines())) == (7, "", 1)


def test_verbs_record_and_are_told_the_total(book: Ledger) -> None:
    ledger = open_ledger("Ada", book.path)
    (line,) = record_lines(record_release(ledger, "Ada", release(4.0)))
    assert line.startswith("Recorded releases about this person: 3. Together: Covers all codes with epsilon 7 (basis: proved")
    assert open_ledger(None, book.path) is None and record_release(None, None, release(1.0)) is None


def test_a_ledger_that_cannot_be_used_fails_before_the_work(book: Ledger) -> None:
    with pytest.raises(ValueError, match="needs a name"):
        open_ledger(" ", book.path)
    book.key_path.chmod(0o644)
    with pytest.raises(KeyProblem, match="chmod 600"):
        open_ledger("Ada", book.path)
