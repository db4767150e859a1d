# SPDX-License-Identifier: Apache-2.0
"""The ledger counts every release, gives nobody away, and survives crashes and concurrent writers."""

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from privacy.certificate_cases import CLAIM, FULL

from semveil.core.errors import KeyProblem, OutputError
from semveil.mechanisms import Gaussian
from semveil.privacy import ledger as module
from semveil.privacy.certificate import Certificate
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.guarantee import Basis, Guarantee, Sensitivity
from semveil.privacy.ledger import Booking, BudgetIsFixed, Ledger, LedgerError, OverLimit, account_of

SRC = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture
def book(tmp_path):
    return Ledger(tmp_path / "ledger.jsonl")


def release(epsilon=1.0, **changes):
    claim = (
        Guarantee(epsilon, "all codes", Basis.PROVED)
        if epsilon is not None
        else Guarantee.none("x", reason="a test")
    )
    return Certificate(release="symbols", method="m", protection="laplace", guarantee=claim, **changes)


WRITER = """
from semveil.privacy.certificate import Certificate
from semveil.privacy.ledger import Ledger
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.ledger import Booking, OverLimit
from semveil.privacy.guarantee import Basis, Guarantee, Sensitivity
from semveil.mechanisms import Gaussian
claim = Guarantee(0.5, "all codes", Basis.PROVED)
for _ in range(25):
    made = Certificate(release="image", method="m", protection="laplace", guarantee=claim)
    Ledger({path!r}).record("Ada", made)
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
    book.record(
        "Ada", replace(release(1.0), guarantee=Guarantee(1.0, "all codes", Basis.SIMULATION, delta=1e-6))
    )
    together = book.total("Ada")
    assert together.epsilon is None  # the first leaves codes in clear
    book.record(
        "Grace",
        replace(FULL, images=1, part_budgets={}, guarantee=replace(CLAIM, not_covered=()), caveats=()),
    )
    book.record(
        "Grace", replace(release(1.0), guarantee=Guarantee(1.0, "all codes", Basis.SIMULATION, delta=1e-6))
    )
    together = book.total("Grace")
    assert (together.epsilon, together.delta, together.basis) == (3.0, pytest.approx(2e-6), Basis.SIMULATION)
    assert together.delta >= 2e-6


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
    assert book.read()[0].subject != other.read()[0].subject  # keyed: no table of names serves two ledgers
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


def test_a_torn_line_is_an_error_and_never_a_gap(book):
    book.record("Ada", release(1.0))
    book.record("Ada", release(2.0))
    whole = book.path.read_bytes()
    for cut in (2, 100, len(whole.splitlines()[-1]) - 1):
        book.path.write_bytes(whole[:-cut])
        for act in (
            book.read,
            lambda: book.total("Ada"),
            book.prepare,
            lambda: Ledger(book.path).record("Ada", release()),
        ):
            with pytest.raises(LedgerError, match=r"line 3 of .* cannot be read \(a write was cut off"):
                act()
        assert book.path.read_bytes() == whole[:-cut]
    book.path.write_bytes(whole[:-1])  # without its end alone a line is whole
    assert book.total("Ada").epsilon == 3.0
    book.record("Ada", release(4.0))
    assert book.total("Ada").epsilon == Ledger(book.path).total("Ada").epsilon == 7.0


@pytest.mark.parametrize("junk", [b"\x8f\x00\xffgarbage", b"[" * 100_000, b"\xef\xbb\xbf{}"])
def test_bytes_that_are_no_ledger_are_an_error(book, junk):
    book.path.write_bytes(junk)
    book.path.chmod(0o600)
    book.key_path.write_bytes(bytes(32))
    book.key_path.chmod(0o600)
    for act in (book.read, book.prepare, lambda: book.record("Ada", release())):
        with pytest.raises(LedgerError, match="line 1 of"):
            act()
    assert book.path.read_bytes() == junk


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
    assert len(Ledger(path).read()) == 100
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
        (b"{}", "line 3 .* no entry"),
        (b"[]", "no entry"),
        (b'{"date": "x", "subject": "y", "images": 1, "certificate": {}}', "no certificate_version"),
        (b'{"format": "semveil ledger 3", "key": "0"}', "upgrade semveil"),
    ],
)
def test_a_foreign_line_is_an_error_not_a_gap(book, line, words):
    book.record("Ada", release())
    with book.path.open("ab") as file:
        file.write(line + b"\n")
    for act in 2 * (lambda: book.total("Ada"), lambda: book.record("Ada", release())):
        with pytest.raises(LedgerError, match=words):
            act()
    book.path.write_bytes(book.path.read_bytes().removesuffix(line + b"\n"))
    # nothing that was read twice counts twice
    assert book.record_all([Booking("Ada", release())], limit=2.0) == 1


@pytest.mark.parametrize("subject", ["é", "\udcff", 7, None, ["x"]])
def test_a_subject_of_any_kind_is_an_error_in_words(book, subject):
    book.record("Ada", release())
    line = json.loads(book.path.read_text().splitlines()[1]) | {"subject": subject}
    with book.path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    with pytest.raises(LedgerError, match=r"line 3 .* (is damaged|cannot be read)"):
        book.total("Ada")


def test_a_line_nested_without_end_is_no_entry(book):
    book.record("Ada", release())
    with book.path.open("a") as file:
        file.write("[" * 100_000 + "\n")
    with pytest.raises(LedgerError, match=r"line 3 .* cannot be read"):
        book.read()


@pytest.mark.parametrize(
    "change", [{"images": 0}, {"images": 2}, {"subject": "grüße"}, {"subject": "0" * 63}, {"date": 3}]
)
def test_an_altered_entry_is_an_error(book, change):
    book.record("Ada", release())
    header, line = book.path.read_text().splitlines()
    book.path.write_text(header + "\n" + json.dumps(json.loads(line) | change) + "\n")
    with pytest.raises(LedgerError, match=r"line 2 .* is damaged"):
        book.read()


def test_no_ledger_is_an_error_and_reading_makes_none(book):
    for act in (book.read, lambda: book.total("Ada"), lambda: book.releases("Ada")):
        with pytest.raises(
            LedgerError, match=r"there is no ledger .*first release that is recorded makes one"
        ):
            act()
    assert not book.path.exists()
    assert book.prepare() and not book.prepare()  # it says whether it began one
    assert book.read() == () and book.total("Ada") is None and book.key_path.stat().st_size == 32


def test_an_emptied_ledger_is_an_error(book):
    book.record("Ada", release())
    book.path.write_bytes(b"")
    with pytest.raises(LedgerError, match="is empty, without even the line"):
        book.total("Ada")


def test_another_ledgers_key_is_an_error_and_not_an_unknown_person(book, tmp_path):
    other = Ledger(tmp_path / "other.jsonl")
    for one in (book, other):
        one.record("Ada", release())
    before, own = book.path.read_bytes(), book.key_path.read_bytes()
    book.key_path.write_bytes(other.key_path.read_bytes())
    for act in (
        book.read,
        lambda: book.total("Ada"),
        book.prepare,
        lambda: Ledger(book.path).record("Ada", release()),
    ):
        with pytest.raises(KeyProblem, match="is the key of another ledger"):
            act()
    assert book.path.read_bytes() == before
    book.key_path.write_bytes(own)
    assert book.total("Ada").epsilon == 1.0


M, N = "0f" * 32, "1e" * 32


def of_codes(epsilon, private, *, model=M, size=28):
    return replace(
        release(),
        guarantee=Guarantee(epsilon, "x", Basis.PROVED).about(Coverage.of_codes(model, private, size)),
    )


def sets(book, subject):
    return {claim.covers: claim.epsilon for claim in book.account(subject).sets}


def test_what_one_release_covers_and_another_shows_has_no_total(book):
    book.record("Ada", of_codes(1.0, (0, 1, 4, 5)))
    book.record("Ada", of_codes(1.0, (0, 1, 6, 7)))
    together = book.account("Ada")
    assert (
        together.whole.epsilon is None
        and together.whole.basis == Basis.NONE
        and "in clear" in together.whole.reason
    )
    common, rest = together.sets
    assert (common.coverage.covered[0].codes, common.epsilon) == ((0, 1), 2.0)  # private in both
    assert {4, 5, 6, 7} <= set(rest.coverage.covered[0].codes) and rest.epsilon is None
    book.record("Grace", of_codes(1.0, (0, 1, 4, 5)))
    book.record("Grace", of_codes(1.0, (0, 1, 4, 5)))  # the control: the same codes both times
    assert book.account("Grace").sets[0].epsilon == 2.0 and book.total("Grace").epsilon is None


def test_defaults_of_two_methods_do_not_make_up_a_total(book):
    book.record("Ada", of_codes(10.0, range(28)))  # latent-dp
    book.record("Ada", of_codes(1.0, (0, 1, 4, 5, 6, 7, 8)))  # dp-semcom
    private, rest = book.account("Ada").sets
    assert (private.epsilon, rest.epsilon, book.total("Ada").epsilon) == (11.0, None, None)
    assert len(rest.coverage.covered[0].codes) == 21
    identity = Coverage.of(Part(Kind.IDENTITY, N, size=64), Part(Kind.ATTRIBUTES, N))
    book.record("Grace", of_codes(10.0, range(28)))
    book.record("Grace", replace(release(), guarantee=Guarantee(6.0, "x", Basis.PROVED).about(identity)))
    assert sets(book, "Grace")["all codes"] is None  # the attributes tell of them
    assert sets(book, "Grace")["the identity vector of 64 numbers"] == 16.0


def test_across_models_only_the_whole_compares(book):
    book.record("Ada", of_codes(2.0, range(28)))
    book.record("Ada", of_codes(3.0, range(18), model=N, size=18))
    assert book.total("Ada").epsilon == 5.0 and set(sets(book, "Ada").values()) == {5.0}
    book.record("Ada", of_codes(1.0, range(9), model=N, size=18))
    assert book.total("Ada").epsilon is None
    # M's, and N's first and last nine
    assert [claim.epsilon for claim in book.account("Ada").sets] == [None, 6.0, None]


def test_what_is_pasted_back_is_the_face_and_not_the_crop(book):
    crop = Guarantee(0.5, "all pixels of the crop", Basis.PROVED)
    face = Guarantee(0.5, "x", Basis.PROVED).about(Coverage.of(Part(Kind.FACE), Part(Kind.SURROUNDINGS)))
    for claim in (crop, face):
        book.record("Ada", replace(release(), guarantee=claim))
    found = sets(book, "Ada")
    assert (
        found[str(Part(Kind.CROP))] is None
        and found[str(Part(Kind.FACE))] == 1.0
        and book.total("Ada").epsilon is None
    )


def test_views_count_with_all_that_any_of_them_shows(book):
    """The second view costs the same and leaves the hair in clear, on a weaker basis."""
    sent = of_codes(5.0, range(28))
    weaker = Guarantee(5.0, "x", Basis.SIMULATION).about(Coverage.of_codes(M, range(26), 28))
    book.record("Ada", sent)
    assert book.total("Ada").epsilon == 5.0
    book.record("Ada", replace(sent, guarantee=weaker, caveats=("codes-in-clear",)))
    together = book.account("Ada")
    assert together.whole.epsilon is None
    assert [(s.epsilon, s.basis) for s in together.sets] == [(5.0, Basis.SIMULATION), (None, Basis.NONE)]


def gaussian(epsilon=1.0):
    distance = Sensitivity(4.0, "l2", 6, source="a test")
    return replace(
        release(), guarantee=Gaussian.calibrate(distance, epsilon).guarantee(distance, covers="all codes")
    )


def test_gaussian_releases_compose_exactly_and_entries_keep_their_law(book):
    for _ in range(4):
        book.record("Ada", gaussian())
    stored = book.read()[0].certificate.guarantee.gaussian
    one, four = Sensitivity(4.0, "l2", 6, source="a test"), Sensitivity(8.0, "l2", 6, source="a test")
    assert (stored.sensitivity, stored.sigma) == (4.0, Gaussian.calibrate(one, 1.0).sigma)
    together = book.total("Ada")
    assert together.epsilon == pytest.approx(Gaussian(stored.sigma).guarantee(four).epsilon, rel=1e-9)
    assert together.epsilon < 2.5 and together.delta == 1e-5  # adding would give 4 and 4e-5
    # views
    assert (
        account_of([replace(entry, images=1) for entry in book.read()] * 2).whole.epsilon == together.epsilon
    )


def test_a_limit_refuses_before_the_release_for_the_whole_record(book):
    for _ in range(2):
        book.record("Ada", release(1.0), limit=2.0)
    before = book.path.read_bytes()
    with pytest.raises(OverLimit, match=r"refused before the release: .* cost epsilon 3 .* limit is 2"):
        book.record("Ada", release(1.0), limit=2.0)
    with pytest.raises(OverLimit, match="no finite epsilon would hold for the whole record"):
        book.record("Ada", of_codes(1e-9, (0, 1)))
    assert book.path.read_bytes() == before and book.total("Ada").epsilon == 2.0
    book.record("Grace", release(2.0), limit=2.0)  # each person has the whole limit
    book.record("Mary", release(1e9))  # whose budget nobody fixed


def test_a_limit_that_is_given_once_stays(book):
    book.record("Ada", release(1.0), limit=2.0)
    for one in (book, Ledger(book.path)):
        with pytest.raises(OverLimit, match="limit is 2"):
            one.record(" ADA ", release(1.5))
    book.record("Ada", release(1.0))
    assert book.total("Ada").epsilon == 2.0
    made = release(1.0)
    # what is out cannot be refused, and counts
    assert book.record_all([Booking("Ada", made)], already_made=True) == 1
    assert book.record_all([Booking("Ada", made)], only_new=True) == 0  # nor what is recorded
    assert book.total("Ada").epsilon == 3.0


def test_another_limit_is_refused_until_it_is_changed_explicitly(book):
    book.fix_budgets(["Ada Lovelace"], 2.0)
    before = book.path.read_bytes()
    for other in (1.0, 3.0):
        with pytest.raises(BudgetIsFixed, match=r"fixed before as epsilon 2, and .* semveil ledger budget"):
            book.record("Ada Lovelace", release(0.5), limit=other)
    with pytest.raises(BudgetIsFixed):
        book.fix_budgets(["Grace", "Ada Lovelace"], 3.0)
    assert book.path.read_bytes() == before  # neither a release nor Grace's budget
    book.fix_budgets(["Ada Lovelace"], 3.0, change=True)
    book.record("Ada Lovelace", release(2.5), limit=3.0)
    assert [fixed.budget for fixed in book.budgets("ada lovelace")] == [2.0, 3.0]
    assert book.budgets("Grace") == []
    assert list(book.budgets_in_force.values()) == [3.0]
    assert b"lovelace" not in book.path.read_bytes().lower()


def test_a_budget_set_by_mistake_is_lifted_and_remembered(book):
    book.fix_budgets(["Ada", "Grace"], 2.0)
    book.lift_budgets(["Ada", "Alan"])  # Alan has none
    assert [fixed.budget for fixed in book.budgets("Ada")] == [2.0, None] and book.budgets("Alan") == []
    again = Ledger(book.path)
    again.record("Ada", release(9.0))
    with pytest.raises(OverLimit):
        again.record("Grace", release(9.0))
    again.record("Ada", release(1.0), limit=20.0)  # a new one may be set
    with pytest.raises(OverLimit):
        again.record("Ada", release(15.0))


def test_a_limit_is_fixed_though_the_first_release_is_refused(book):
    for limit in (1.0, None):
        with pytest.raises(OverLimit):
            book.record("Ada", release(2.0), limit=limit)
    assert book.total("Ada") is None


@pytest.mark.parametrize("limit", [-1.0, float("nan"), float("inf"), True, "2"])
def test_an_impossible_limit_is_refused(book, limit):
    with pytest.raises(ValueError, match="finite epsilon"):
        book.record("Ada", release(0.5), limit=limit)
    assert not book.path.exists()


@pytest.mark.parametrize(
    "change", [{"budget": "9"}, {"budget": -1}, {"budget": True}, {"subject": "Ada"}, {"date": 3}]
)
def test_an_altered_budget_is_an_error(book, change):
    book.fix_budgets(["Ada"], 2.0)
    header, line = book.path.read_text().splitlines()
    book.path.write_text(header + "\n" + json.dumps(json.loads(line) | change) + "\n")
    with pytest.raises(LedgerError, match=r"line 2 .* is damaged"):
        book.read()


def test_a_torn_budget_is_an_error_and_never_no_budget(book):
    book.fix_budgets(["Ada"], 2.0)
    book.path.write_bytes(book.path.read_bytes()[:-4])
    with pytest.raises(LedgerError, match="cannot be read"):
        Ledger(book.path).record("Ada", release(9.0))


def test_a_limit_holds_between_processes_that_know_less(book):
    other = Ledger(book.path)
    other.prepare()
    book.record("Ada", release(2.0), limit=3.0)
    for limit in (3.0, None):
        with pytest.raises(OverLimit):
            other.record("Ada", release(2.0), limit=limit)


def test_of_several_people_in_a_release_all_are_written_or_none(book):
    book.record("Ada", release(3.0))
    with pytest.raises(OverLimit):
        book.record_all([Booking("Grace", release(2.0)), Booking("Ada", release(2.0))], limit=4.0)
    assert book.total("Grace") is None
    assert book.record_all([Booking("Grace", release(2.0)), Booking("Ada", release(1.0))], limit=4.0) == 2
    again = book.read()[-1].certificate
    assert book.record_all([Booking("Ada", again), Booking("Mary", again)], only_new=True) == 1
    assert (book.total("Ada").epsilon, book.total("Mary").epsilon) == (4.0, 1.0)
    assert book.knows(again.release_id) and not book.knows("0" * 32)


@pytest.fixture
def old(tmp_path):
    """A ledger that version 0.1.0 wrote: dp-semcom, identity-dp pasted back, dp-pix, latent-dp, dp-image and
    dp-svd.
    """
    for name in ("ledger.jsonl", "ledger.jsonl.key"):
        (tmp_path / name).write_bytes((Path(__file__).parent / "old" / name).read_bytes())
        (tmp_path / name).chmod(0o600)
    return Ledger(tmp_path / "ledger.jsonl")


def test_entries_of_the_last_version_still_read_and_add_as_epsilon_and_delta(old):
    ada = old.account("Ada")  # laplace on four codes, twice gaussian on all
    assert [(s.epsilon, s.delta) for s in ada.sets] == [
        (pytest.approx(3.0), pytest.approx(2e-5)),
        (None, 0.0),
    ]
    assert ada.sets[0].coverage.covered[0].codes == (0, 1, 4, 5) and ada.whole.epsilon is None
    assert sets(old, "Grace")["the identity vector of 4 numbers"] == 5.0
    assert old.total("Mary").epsilon == pytest.approx(34.0)
    assert set(sets(old, "Rosa").values()) == {None} and not old.binds_key


def test_an_old_ledger_goes_on_and_binds_its_key(old):
    model = old.read()[0].certificate.model_hash
    old.record("Ada", of_codes(1.0, (0, 1, 4, 5, 6), model=model))
    assert old.account("Ada").sets[0].epsilon == pytest.approx(4.0)
    assert Ledger(old.path).total("Mary").epsilon == pytest.approx(34.0)
    old.key_path.write_bytes(bytes(32))
    with pytest.raises(KeyProblem, match="another ledger"):
        old.total("Mary")


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


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(OutputError, match="ledger is empty"):
        Ledger("")
