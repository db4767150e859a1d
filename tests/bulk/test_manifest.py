"""The log of an output folder under kills at every step, other runs, other keys and torn lines."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from semveil.bulk import manifest as module
from semveil.bulk.manifest import FOLDER, LOG, Entry, Manifest
from semveil.bulk.sources import BulkError
from semveil.core.errors import KeyProblem


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code under test may catch it."""


def staged_entry(manifest: Manifest, name: str = "sub/a", text: str = "new") -> Entry:
    folder = manifest.run / f"job-{name.replace('/', '-')}-{text}"
    folder.mkdir()
    outputs = (f"{name}.png.certificate.json", f"{name}.png")
    for output in outputs:
        (folder / Path(output).name).write_text(text)
    return Entry(
        place=f"{name}.jpg", name=name, content="c", settings="s", policy="error", status="protected", faces=1, protected=1,
        small=0, outputs=outputs, staged=f"{manifest.run.name}/{folder.name}", replaces=(),
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
        (tmp_path / "out/sub/a.png").unlink()
        assert not manifest.is_done("sub/a.jpg", "c", "s", "error")
    assert [path.name for path in (tmp_path / "out" / FOLDER).iterdir()] == [LOG]


def test_a_kill_before_the_line_leaves_nothing_visible(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "out").__enter__()
    staged_entry(manifest)
    leave_as_killed(manifest)
    with Manifest(tmp_path / "out") as manifest:
        assert manifest.entries == {}
        assert not (tmp_path / "out/sub").exists()
        assert list(manifest.run.parent.glob("old-*")) == []


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_kill_after_the_line_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int) -> None:
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
        assert manifest.is_done("sub/a.jpg", "c", "s", "error")
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
    assert sorted(path.name for path in (tmp_path / "out/sub").iterdir()) == ["a.face-0.png", "a.face-0.png.certificate.json"]


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


def test_the_log_tells_nobody_else_which_photo_it_was(tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
