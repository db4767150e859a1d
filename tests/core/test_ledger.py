"""The ledger counts every release, gives nobody away, and survives crashes and concurrent writers."""

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from core.certificate_cases import CLAIM, FULL

from semveil.core import ledger as module
from semveil.core.certificate import Certificate
from semveil.core.errors import KeyProblem, OutputError
from semveil.core.ledger import Ledger, LedgerError
from semveil.core.privacy import Basis, Guarantee

SRC = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture
def book(tmp_path):
    return Ledger(tmp_path / "ledger.jsonl")


def release(epsilon=1.0, **changes):
    claim = Guarantee(epsilon, "all codes", Basis.PROVED) if epsilon is not None else Guarantee.none("x", reason="a test")
    return Certificate(release="symbols", method="m", protection="laplace", guarantee=claim, **changes)


WRITER = """
from semveil.core.certificate import Certificate
from semveil.core.ledger import Ledger
from semveil.core.privacy import Basis, Guarantee
claim = Guarantee(0.5, "all codes", Basis.PROVED)
for _ in range(25):
    Ledger({path!r}).record("Ada", Certificate(release="image", method="m", protection="laplace", guarantee=claim))
"""


def test_releases_add_up_for_each_person(book):
    for epsilon in (1.0, 2.5):
        book.record("Ada", release(epsilon))
    book.record("Grace", release(7.0))
    assert (book.total("Ada").epsilon, book.total("Grace").epsilon, book.total("Mary")) == (3.5, 7.0, None)
    assert book.total("Ada").basis == Basis.PROVED
    assert "every release about the person is in the ledger" in book.total("Grace").assumptions


def test_deltas_add_up_and_the_weakest_basis_holds(book):
    book.record("Ada", replace(FULL, images=1, part_budgets={}))
    book.record("Ada", release(1.0))
    book.record("Ada", replace(release(1.0), guarantee=Guarantee(1.0, "all codes", Basis.SIMULATION, delta=1e-6)))
    together = book.total("Ada")
    assert (together.epsilon, together.delta, together.basis) == (4.0, pytest.approx(2e-6), Basis.SIMULATION)
    assert together.not_covered == CLAIM.not_covered


def test_one_release_without_a_bound_ends_all_bounds(book):
    book.record("Ada", release(1.0))
    book.record("Ada", release(None))
    assert book.total("Ada").epsilon is None


def test_several_photos_of_one_person_in_a_release_count_each(book):
    book.record("Ada", release(1.0, images=3))
    assert book.total("Ada").epsilon == 3.0
    book.record("Grace", release(1.0, images=3), images=2)
    assert book.total("Grace").epsilon == 2.0
    for images in (0, 4):
        with pytest.raises(ValueError, match="1 to 3"):
            book.record("Grace", release(1.0, images=3), images=images)


def test_views_of_one_release_count_once_with_the_weakest_claim(book):
    sent = release(1.0)
    book.record("Ada", sent)
    book.record("Ada", sent.for_picture())
    assert book.total("Ada").epsilon == 1.0
    book.record("Ada", release(1.0))  # the same claim, another release
    assert book.total("Ada").epsilon == 2.0
    book.record("Ada", sent.for_opened_picture())
    assert book.total("Ada").epsilon is None


def test_a_name_is_the_same_in_any_writing(book):
    for name in ("Ada Lovelace", " ada  LOVELACE\n", "Ａda Lovelace"):
        book.record(name, release(1.0))
    assert book.total("ada lovelace").epsilon == 3.0
    assert book.total("Ada Lovelac") is None
    for empty in ("", " \t"):
        with pytest.raises(ValueError, match="needs a name"):
            book.record(empty, release())


def test_nothing_in_the_files_names_the_person(book, tmp_path):
    book.record("Ada Lovelace", release())
    other = Ledger(tmp_path / "other.jsonl")
    other.record("Ada Lovelace", release())
    for path in (book.path, book.key_path):
        assert b"lovelace" not in path.read_bytes().lower()
    assert book.read().entries[0].subject != other.read().entries[0].subject  # keyed: no table of names serves two ledgers
    assert len(os.listdir(tmp_path)) == 4  # two ledgers, two keys, nothing left over


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_can_read_ledger_and_key(tmp_path, umask):
    before = os.umask(umask)
    try:
        book = Ledger(tmp_path / "ledger.jsonl")
        book.record("Ada", release())
    finally:
        os.umask(before)
    for path in (book.path, book.key_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_files_that_others_can_read_are_refused_with_the_fix(book):
    book.record("Ada", release())
    for path, kind in ((book.path, LedgerError), (book.key_path, KeyProblem)):
        path.chmod(0o640)
        for act in (lambda: book.record("Ada", release()), lambda: book.total("Ada"), book.prepare):
            with pytest.raises(kind, match="chmod 600"):
                act()
        path.chmod(0o600)
    assert book.total("Ada").epsilon == 1.0


def test_a_torn_line_is_counted_and_costs_no_other(book):
    book.record("Ada", release(1.0))
    book.record("Ada", release(2.0))
    whole = book.path.read_bytes()
    for cut in (1, 2, 100, len(whole.splitlines()[1]) - 1):
        book.path.write_bytes(whole[:-cut])
        torn = int(cut > 1)  # without its line end alone, a line is still whole
        assert (book.read().torn, book.total("Ada").epsilon) == (torn, 1.0 if torn else 3.0)
        book.record("Ada", release(4.0))
        assert (book.read().torn, book.total("Ada").epsilon) == (torn, 5.0 if torn else 7.0)


def test_a_full_disk_leaves_the_ledger_as_it_was(book, monkeypatch):
    book.record("Ada", release(1.0))
    before = book.path.read_bytes()
    true_write = os.write

    def failing(descriptor, data):
        true_write(descriptor, data[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "write", failing)
    with pytest.raises(OutputError, match="No space left"):
        book.record("Ada", release(1.0))
    monkeypatch.undo()
    assert book.path.read_bytes() == before
    book.record("Ada", release(1.0))
    assert book.total("Ada").epsilon == 2.0


def test_writers_at_the_same_time_lose_nothing(tmp_path):
    path = tmp_path / "ledger.jsonl"
    command = [sys.executable, "-c", WRITER.format(path=str(path))]
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    writers = [subprocess.Popen(command, env=environment) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert len(Ledger(path).read().entries) == 100
    assert Ledger(path).total("Ada").epsilon == 50.0  # one key, though four processes began without any


def test_a_lost_key_is_no_fresh_start(book):
    book.record("Ada", release())
    book.key_path.unlink()
    for act in (lambda: book.record("Ada", release()), lambda: book.total("Ada"), book.prepare):
        with pytest.raises(KeyProblem, match=r"missing.*put it back"):
            act()
    assert not book.key_path.exists()


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_key_is_refused(book, content):
    book.record("Ada", release())
    book.key_path.write_bytes(content)
    with pytest.raises(KeyProblem, match="damaged"):
        book.record("Ada", release())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{}", "line 2 .* no entry"),
        (b"[]", "no entry"),
        (b'{"date": "x", "subject": "y", "images": 1, "certificate": {}}', "no certificate_version"),
    ],
)
def test_a_foreign_line_is_an_error_not_a_gap(book, line, words):
    book.record("Ada", release())
    with book.path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(LedgerError, match=words):
        book.total("Ada")


@pytest.mark.parametrize("subject", ["é", "\udcff", 7, None, ["x"]])
def test_a_subject_of_any_kind_is_an_error_in_words(book, subject):
    book.record("Ada", release())
    line = json.loads(book.path.read_text()) | {"subject": subject}
    with book.path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    with pytest.raises(LedgerError, match=r"line 2 .* is damaged"):
        book.total("Ada")


def test_a_line_nested_without_end_is_no_entry(book):
    book.record("Ada", release())
    with book.path.open("a") as file:
        file.write("[" * 100_000 + "\n")
    assert book.read().torn == 1


def test_an_altered_count_is_an_error(book):
    book.record("Ada", release())
    content = json.loads(book.path.read_text())
    book.path.write_text(json.dumps(content | {"images": 0}) + "\n")
    with pytest.raises(LedgerError, match="damaged"):
        book.read()


def test_no_ledger_is_an_empty_one_and_reading_makes_none(book):
    assert book.read().entries == () and book.total("Ada") is None
    assert not book.path.exists()
    book.prepare()
    assert book.path.read_bytes() == b"" and book.key_path.stat().st_size == 32


def test_folders_devices_and_closed_folders_are_refused(tmp_path):
    with pytest.raises(OutputError, match="cannot open the ledger"):
        Ledger(tmp_path).prepare()
    with pytest.raises(LedgerError, match="not a regular file"):
        Ledger(Path("/dev/null")).read()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot open the ledger"):
        Ledger(tmp_path / "file" / "ledger.jsonl").prepare()


def test_it_lies_in_the_home_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path / "new"))
    Ledger().record("Ada", release())
    assert sorted(os.listdir(tmp_path / "new")) == ["ledger.jsonl", "ledger.jsonl.key"]
