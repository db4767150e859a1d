# SPDX-License-Identifier: Apache-2.0
"""The log of an output folder under kills at every step, other runs, other keys and torn lines."""

import errno
import json
import os
import stat
from collections.abc import Callable
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pytest

from semveil.bulk import manifest as module
from semveil.bulk.manifest import Manifest, NotPlaced, PhotoEntry
from semveil.bulk.sources import FOLDER, LOG, BulkError
from semveil.core import locks
from semveil.core.errors import KeyProblem, OutputError


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code under test may catch it."""


def staged_entry(manifest: Manifest, name: str = "sub/a", text: str = "new") -> PhotoEntry:
    folder = manifest.run / f"job-{name.replace('/', '-')}-{text}"
    folder.mkdir(exist_ok=True)
    outputs = (f"{name}.png.certificate.json", f"{name}.png")
    for output in outputs:
        (folder / Path(output).name).write_text(text)
    return PhotoEntry(
        place=f"{name}.jpg", name=name, content="c", settings="s", policy="error", status="protected",
        faces=1, protected=1,
        small=0, outputs=outputs, contents=(manifest.content_of(sha256(text.encode()).digest()),) * 2,
        staged=f"{manifest.run.name}/{folder.name}", replaces=(),
    )  # fmt: skip


def leave_as_killed(manifest: Manifest) -> None:
    """End a run as a kill would: the lock goes with the process, the folder of the run stays."""
    os.close(manifest._log)


def test_a_committed_photo_is_in_place_and_known_to_the_next_run(tmp_path: Path) -> None:
    with Manifest(tmp_path / "out") as manifest:
        entry = staged_entry(manifest)
        manifest.commit(entry)
        assert (tmp_path / "out/sub/a.png").read_text() == "new"
    with Manifest(tmp_path / "out") as manifest:
        assert manifest.entries == {"sub/a.jpg": entry}
        assert manifest.is_done("sub/a.jpg", "c", "s", "skip")
        assert not manifest.is_done("sub/a.jpg", "other", "s", "error")
        assert not manifest.is_done("sub/a.jpg", "c", "other", "error")
        assert not manifest.is_done("b.jpg", "c", "s", "error")
        assert manifest.altered("sub/a.jpg") == []
    assert [path.name for path in (tmp_path / "out" / FOLDER).iterdir()] == [LOG]


def test_a_name_that_is_not_utf8_is_known_to_the_next_run(tmp_path: Path) -> None:
    name = os.fsdecode(b"J\xfcrgen")  # Latin-1, as in old archives
    manifest = Manifest(tmp_path / "out").__enter__()
    entry = staged_entry(manifest, name)
    manifest._append(asdict(entry))  # a kill right after the line
    leave_as_killed(manifest)
    with Manifest(tmp_path / "out") as manifest:
        assert (manifest.entries, manifest.foreign, manifest.torn) == ({f"{name}.jpg": entry}, 0, 0)
        assert manifest.altered(f"{name}.jpg") == []
        assert manifest.conflict(f"{name}.jpg", entry.outputs) is None


def test_a_kill_before_the_line_leaves_nothing_visible(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "out").__enter__()
    staged_entry(manifest)
    leave_as_killed(manifest)
    with Manifest(tmp_path / "out") as manifest:
        assert manifest.entries == {}
        assert not (tmp_path / "out/sub").exists()
        assert list(manifest.run.parent.glob("old-*")) == []


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_kill_after_the_line_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    manifest = Manifest(tmp_path / "out").__enter__()
    entry = staged_entry(manifest)
    real, calls = os.replace, 0

    def killed(source: Path, target: Path) -> None:
        nonlocal calls
        if calls == moved:
            raise Killed
        calls += 1
        real(source, target)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(module.os, "replace", killed)
        patch.setattr(module.shutil, "rmtree", lambda *_, **__: (_ for _ in ()).throw(Killed))
        manifest.commit(entry)
    leave_as_killed(manifest)
    with Manifest(tmp_path / "out") as manifest:
        assert manifest.is_done("sub/a.jpg", "c", "s", "error") and not manifest.altered("sub/a.jpg")
        assert [(tmp_path / "out" / output).read_text() for output in entry.outputs] == ["new", "new"]


def test_a_late_worker_of_a_killed_run_finds_its_folder_gone(tmp_path: Path) -> None:
    killed = Manifest(tmp_path / "out").__enter__()
    leave_as_killed(killed)
    with Manifest(tmp_path / "out"), pytest.raises(FileNotFoundError):
        (killed.run / "late").mkdir()


def test_a_changed_photo_replaces_its_outputs_and_no_others(tmp_path: Path) -> None:
    with Manifest(tmp_path / "out") as manifest:
        manifest.commit(staged_entry(manifest))
        newer = staged_entry(manifest, "sub/a.face-0", "newer")
        newer = replace(newer, place="sub/a.jpg", replaces=("sub/a.png", "sub/a.png.certificate.json"))
        assert manifest.conflict("sub/a.jpg", newer.outputs) is None
        manifest.commit(newer)
    assert sorted(path.name for path in (tmp_path / "out/sub").iterdir()) == [
        "a.face-0.png",
        "a.face-0.png.certificate.json",
    ]


def test_files_of_others_and_links_out_of_the_folder_are_conflicts(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.png").write_text("mine")
    (tmp_path / "out/link").symlink_to(tmp_path)
    (tmp_path / "out/b.png").symlink_to(tmp_path / "nothing")
    with Manifest(tmp_path / "out") as manifest:
        assert "already" in (manifest.conflict("a.jpg", ("a.png",)) or "")
        assert "already" in (manifest.conflict("b.jpg", ("b.png",)) or "")
        assert "link" in (manifest.conflict("link/c.jpg", ("link/c.png",)) or "")
        assert manifest.conflict("d.jpg", ("d.png", "new/d.png")) is None


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with Manifest(tmp_path / "out"), pytest.raises(BulkError, match="another run is at work"):
        Manifest(tmp_path / "out").__enter__()


def test_a_torn_line_loses_one_photo_and_no_more(tmp_path: Path) -> None:
    with Manifest(tmp_path / "out") as manifest:
        for name in ("a", "b"):
            manifest.commit(staged_entry(manifest, name))
    log = tmp_path / "out" / FOLDER / LOG
    log.write_bytes(log.read_bytes()[:-9])
    with Manifest(tmp_path / "out") as manifest:
        assert (list(manifest.entries), manifest.torn) == (["a.jpg"], 1)
        manifest.commit(staged_entry(manifest, "c"))
    with Manifest(tmp_path / "out") as manifest:
        assert list(manifest.entries) == ["a.jpg", "c.jpg"]


def test_the_log_tells_nobody_else_which_photo_it_was(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Manifest(tmp_path / "out") as manifest:
        here = manifest.content_of(b"a photo's hash")
        assert here == manifest.content_of(b"a photo's hash")
    assert stat.S_IMODE((tmp_path / "out" / FOLDER / LOG).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "out" / FOLDER).stat().st_mode) == 0o700
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path / "other home"))
    with Manifest(tmp_path / "out 2") as manifest:
        assert manifest.content_of(b"a photo's hash") != here
    with pytest.raises(KeyProblem, match="another SEMVEIL_HOME"):
        Manifest(tmp_path / "out").__enter__()


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out" / FOLDER).mkdir(parents=True)
    (tmp_path / "out" / FOLDER / LOG).write_text('{"format": "something else"}\n')
    with pytest.raises(BulkError, match="no log of this version"):
        Manifest(tmp_path / "out").__enter__()


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _replaced(path: Path) -> None:
    path.write_text("the photo")


def _gone(path: Path) -> None:
    path.unlink()


def _linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("spoil", [_emptied, _replaced, _gone, _linked, _folder, _pipe])
def test_an_output_that_is_not_what_was_put_there_is_noticed(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    with Manifest(tmp_path) as manifest:
        manifest.commit(staged_entry(manifest))
        manifest.commit(staged_entry(manifest, "b"))
    spoil(tmp_path / "sub/a.png")
    with Manifest(tmp_path) as manifest:
        assert manifest.altered("sub/a.jpg") == ["sub/a.png"]
        assert manifest.altered("b.jpg") == []


OUTSIDE = {
    "outputs": ["../planted", "../planted"],
    "replaces": ["../victim"],
    "staged": "work-0123456789ab/x",
}


def foreign_line(manifest: Manifest, **changes: object) -> bytes:
    """A line as somebody without the key can write it."""
    return json.dumps({**asdict(staged_entry(manifest, "q")), "tag": "0" * 64, **changes}).encode() + b"\n"


def test_lines_without_the_key_touch_nothing_and_are_told(tmp_path: Path) -> None:
    out, victim = tmp_path / "out", tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("precious")
    with Manifest(out) as manifest:
        manifest.commit(staged_entry(manifest))
        lines = [
            foreign_line(manifest, **OUTSIDE),
            foreign_line(manifest, staged="work-0123456789ab/../../../victim"),
            foreign_line(manifest, replaces=["sub/a.png"], staged="work-0123456789ab/x"),
        ]
    staged = out / FOLDER / "work-0123456789ab" / "x"
    staged.mkdir(parents=True)
    (staged / "planted").write_text("planted")
    with (out / FOLDER / LOG).open("ab") as log:
        log.writelines(lines)
    with Manifest(out) as manifest:
        assert (list(manifest.entries), manifest.foreign, manifest.torn) == (["sub/a.jpg"], 3, 0)
        assert manifest.altered("sub/a.jpg") == []
    assert (victim / "precious").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["out", "victim"]


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": 5},
        {"outputs": None},
        {"outputs": [1]},
        {"place": []},
        {"name": 3},
        {"faces": "x"},
        {"tag": 7},
        {"tag": "é"},
    ],
)
def test_lines_of_any_shape_are_passed_over(tmp_path: Path, changes: dict) -> None:
    with Manifest(tmp_path) as manifest:
        line = foreign_line(manifest, **changes)
    with (tmp_path / FOLDER / LOG).open("ab") as log:
        log.writelines([line, b"[" * 100_000 + b"\n", b"7\n", b"\xff\xfe\n", b"\n"])
    with Manifest(tmp_path) as manifest:
        assert (manifest.entries, manifest.foreign, manifest.torn) == ({}, 2, 2)


@pytest.mark.parametrize("output", ["../a.png", "/a.png", "sub/../../a.png", ".semveil/a.png", ""])
def test_even_a_line_with_the_key_leads_nowhere_else(tmp_path: Path, output: str) -> None:
    with Manifest(tmp_path / "out") as manifest:
        entry = replace(staged_entry(manifest), outputs=(output,), contents=("",))
        assert "leave the output folder" in (manifest.conflict("sub/a.jpg", (output,)) or "")
        with pytest.raises(NotPlaced, match="leave the output folder"):
            manifest.commit(entry)
        with pytest.raises(NotPlaced, match="leave the output folder"):
            manifest.commit(replace(staged_entry(manifest, "b"), replaces=(output,)))
    assert not (tmp_path / "a.png").exists()


def test_a_link_planted_between_two_runs_leads_nowhere(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    manifest = Manifest(out).__enter__()
    entry = staged_entry(manifest)
    manifest._append(asdict(entry))  # a kill right after the line
    leave_as_killed(manifest)
    (out / "sub").symlink_to(elsewhere)
    with Manifest(out) as manifest:
        assert list(elsewhere.iterdir()) == []
        assert manifest.altered("sub/a.jpg") == list(entry.outputs)


@pytest.mark.parametrize("link", [FOLDER, f"{FOLDER}/{LOG}"])
def test_a_log_behind_a_link_is_refused(tmp_path: Path, link: str) -> None:
    target = tmp_path / "target"
    target.mkdir() if link == FOLDER else target.write_text("")
    (tmp_path / "out" / link).parent.mkdir(parents=True)
    (tmp_path / "out" / link).symlink_to(target)
    with pytest.raises(OutputError):
        Manifest(tmp_path / "out").__enter__()
    assert target.is_dir() or target.read_text() == ""


def test_an_output_that_cannot_take_its_place_concerns_its_photo_only(tmp_path: Path) -> None:
    with Manifest(tmp_path) as manifest:
        (tmp_path / "sub").write_text("a file")
        assert "is a file" in (manifest.conflict("sub/a.jpg", ("sub/a.png",)) or "")
        with pytest.raises(NotPlaced):
            manifest.commit(staged_entry(manifest))
        (tmp_path / "b.png").mkdir()
        assert "is a folder" in (manifest.conflict("b.jpg", ("b.png",)) or "")
        with pytest.raises(NotPlaced):
            manifest.commit(staged_entry(manifest, "b"))
        manifest.commit(staged_entry(manifest, "c"))
    with Manifest(tmp_path) as manifest:
        assert [place for place in manifest.entries if not manifest.altered(place)] == ["c.jpg"]


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object, **__: object) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks, "lock_descriptor", no_locks)
    with pytest.raises(
        OutputError, match=r"manifest\.jsonl.*no locks.*No locks available.*another file system"
    ):
        Manifest(tmp_path).__enter__()
