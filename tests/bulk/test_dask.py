# SPDX-License-Identifier: Apache-2.0
"""Several worker processes: the same results, also where a worker or the whole run is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.forkserver import _forkserver
from pathlib import Path

import numpy as np
import pytest

from semveil import __version__
from semveil.bulk import pool
from semveil.bulk.pool import check_workers, open_pool
from semveil.bulk.protect import protection_settings
from semveil.bulk.run import protect_photos
from semveil.bulk.settings import Settings
from semveil.bulk.sources import FOLDER, LOG, BulkError
from semveil.bulk.task import Task, protect_photo
from semveil.data.certified import read_certificate

pytest.importorskip("distributed")
# Dask opens sockets, event loops and threads, which Python reports when processes at the other end were
# killed.
pytestmark = pytest.mark.filterwarnings("ignore")

SRC = Path(__file__).resolve().parents[2] / "src"
NOISE = Settings("pixel-noise", options=(("size", 48),))
PATIENCE = 120  # seconds


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "SEMVEIL_HOME": str(home), "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"}


def pictures(out: Path) -> dict[str, bytes]:
    """Finished pictures, while folders of unfinished work come and go."""
    paths = (
        Path(folder) / name for folder, _, names in os.walk(out) for name in names if name.endswith(".png")
    )
    return {str(path.relative_to(out)): path.read_bytes() for path in paths if FOLDER not in path.parts}


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.01)


def check_whole(out: Path, count: int) -> None:
    """Every photo is there once, certified, and nothing is left of unfinished work."""
    lines = (out / FOLDER / LOG).read_text().splitlines()[1:]
    assert len({json.loads(line)["place"] for line in lines}) == len(lines) == count
    assert len(pictures(out)) == count
    assert len({read_certificate(out / name).release_id for name in pictures(out)}) == count
    assert [path.name for path in (out / FOLDER).iterdir()] == [LOG]


@pytest.fixture
def cluster(tmp_path: Path, own_home: Path) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A Dask scheduler with two workers, each a process of its own without a nanny that would restart it."""
    file = tmp_path / "scheduler.json"
    at = ["--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"]
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", *at]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-nanny", "--nthreads", "1", *at]
    log = (tmp_path / "dask.log").open("wb")
    started = [
        subprocess.Popen(command, env=environment(own_home), cwd=tmp_path, stdout=log, stderr=log)
        for command in (scheduler, worker, worker)
    ]
    wait_for(lambda: file.exists() and file.stat().st_size > 0)
    try:
        yield json.loads(file.read_text())["address"], started[1:]
    finally:
        for process in started:
            process.kill()
            process.wait()
        log.close()


def test_a_cluster_finishes_the_run_when_one_of_its_workers_is_killed(
    album: Callable, tmp_path: Path, cluster: tuple[str, list[subprocess.Popen]]
) -> None:
    import distributed

    folder, out = album(*(f"{i % 3}/{i}.jpg" for i in range(16))), tmp_path / "out"
    address, workers = cluster
    with distributed.Client(address) as client:
        client.wait_for_workers(2, timeout=PATIENCE)
    killed_at: list[int] = []

    def kill(done: int, total: int) -> None:
        if done >= 3 and not killed_at:
            killed_at.append(done)
            workers[0].send_signal(signal.SIGKILL)

    summary = protect_photos([folder], out, NOISE, cluster=address, progress=kill)
    assert workers[0].wait() == -signal.SIGKILL
    assert workers[1].poll() is None
    assert killed_at[0] < 16
    assert (summary.protected, summary.refused) == (16, ())
    check_whole(out, 16)
    before = pictures(out)
    assert protect_photos([folder], out, NOISE, cluster=address).done_before == 16  # the other worker goes on
    assert pictures(out) == before


@pytest.mark.slow
def test_a_clip_goes_through_the_workers_of_a_cluster(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen]]
) -> None:
    """Two stretches, whose draws, fits and what was found travel between machines; the clip is whole and in
    order.
    """
    pytest.importorskip("av")
    from video.moving import astronaut_frames, frames_in, write_clip

    path, out = write_clip(tmp_path / "a.mp4", astronaut_frames(52), sound="aac"), tmp_path / "out"
    settings = protection_settings("identity-dp", epsilon=6.0, detector="dlib")
    told: list[tuple[str, int, int]] = []
    summary = protect_photos(
        [path], out, settings, cluster=cluster[0], clip_progress=lambda *now: told.append(now)
    )
    (account,) = summary.accounts
    assert (
        (summary.exit_code, summary.faces_protected) == (0, 1)
        and account.clip is not None
        and account.clip.missed == 0
    )
    before, after = frames_in(path), frames_in(out / "a.mp4")
    assert len(after) == 52 and {stage for stage, _, _ in told} == {
        "Finding faces in a.mp4",
        "Protecting a.mp4",
    }
    edges = [np.abs(b[:20].astype(float) - a[:20]).mean() for b, a in zip(before, after, strict=True)]
    assert max(edges) < 6  # what is not the face is where and when it was
    assert protect_photos([path], out, settings, cluster=cluster[0]).done_before == 1


def test_a_killed_run_goes_on_without_losing_or_repeating_a_photo(
    album: Callable, tmp_path: Path, own_home: Path
) -> None:
    folder, out = album(*(f"{i}.jpg" for i in range(12))), tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "semveil",
        "protect",
        str(folder),
        "--method",
        "pixel-noise",
        "--size",
        "48",
        "--out",
        str(out),
    ]
    run = subprocess.Popen([*command, "--workers", "2"], env=environment(own_home), stdout=subprocess.DEVNULL)
    wait_for(lambda: len(pictures(out)) >= 3)
    run.kill()
    run.wait()
    before = pictures(out)
    assert 3 <= len(before) < 12
    done = subprocess.run(
        [*command, "--json"], env=environment(own_home), capture_output=True, timeout=PATIENCE
    )
    photos = json.loads(done.stdout)["photos"]
    assert photos["protected"] + photos["done_before"] == 12
    # one may have been written down and not been put into its place
    assert photos["done_before"] >= len(before)
    after = pictures(out)
    # noise is fresh, so equal bytes were not made again
    assert {name: after[name] for name in before} == before
    check_whole(out, 12)


def test_a_photo_that_kills_its_workers_is_refused_and_the_rest_done(tmp_path: Path) -> None:
    def deadly(number: int) -> int:
        if number == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    with open_pool(workers=1) as run:
        results = dict(run(deadly, [13, 1, 2, 3]))
    # though they waited beside it, and Dask blames all
    assert [results[number] for number in (1, 2, 3)] == [1, 2, 3]
    assert "died" in str(results[13])


def test_workers_without_the_same_semveil_are_named_at_once() -> None:
    class Client:
        def __init__(self, answer: object) -> None:
            self.answer = answer

        def run(self, function: Callable, text: str) -> dict[str, object]:
            assert function(text) == __version__
            if isinstance(self.answer, Exception):
                raise self.answer
            return {"tcp://10.0.0.7:1": self.answer, "tcp://10.0.0.8:1": __version__}

    check_workers(Client(__version__))
    with pytest.raises(BulkError, match=r"10\.0\.0\.7.*has semveil 0\.0\.1"):
        check_workers(Client("0.0.1"))
    with pytest.raises(BulkError, match="cannot import semveil"):
        check_workers(Client(ModuleNotFoundError("No module named 'semveil'")))


def test_clusters_that_do_not_answer_and_workers_that_cannot_help_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_CONNECTING", 1)
    with pytest.raises(BulkError, match="no Dask cluster at tcp"), open_pool(cluster="tcp://127.0.0.1:9"):
        pass
    with pytest.raises(ValueError, match="not both"), open_pool(workers=1, cluster="tcp://127.0.0.1:9"):
        pass
    with pytest.raises(ValueError, match="1 or more"), open_pool(workers=0):
        pass
    settings = Settings("blur")
    task = Task("a.jpg", "a.jpg", "a", str(tmp_path / "not here"), settings.digest(settings.build()))
    with pytest.raises(BulkError, match="does not see"):
        protect_photo(task, settings)
    with pytest.raises(BulkError, match="another model"):
        protect_photo(Task("a.jpg", "a.jpg", "a", str(tmp_path), "0" * 64), settings)


def test_no_more_workers_are_started_than_there_are_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Stop(Exception):
        pass

    def cluster(n_workers: int, **options: object) -> None:
        asked.append(n_workers)
        raise Stop

    monkeypatch.setattr("distributed.LocalCluster", cluster)
    for workers, tasks in ((8, 3), (2, 40), (4, None)):
        with pytest.raises(Stop), open_pool(workers=workers, tasks=tasks):
            pass
    assert asked == [3, 2, 4]
    with open_pool(workers=4, tasks=1) as run:
        assert list(run(abs, [-1])) == [(-1, 1)] and len(asked) == 3  # one photo is done here


def test_workers_are_forked_from_a_server_that_has_the_modules_and_have_keys_of_their_own() -> None:
    def seen(number: int) -> tuple[int, bool, bytes, str | None]:
        import os
        import sys

        from semveil.keys import new_nonce

        return (
            os.getpid(),
            "semveil.bulk.task" in sys.modules,
            new_nonce(),
            os.environ.get("SEMVEIL_TEST_MARK"),
        )

    _forkserver._stop()  # that of earlier tests, which has loaded less
    os.environ["SEMVEIL_TEST_MARK"] = "here"
    try:
        with open_pool(workers=2, preload=("semveil.bulk.task",)) as run:
            found = [result for _, result in run(seen, range(6))]
    finally:
        del os.environ["SEMVEIL_TEST_MARK"]
    assert os.getpid() not in {process for process, *_ in found}
    assert all(loaded for _, loaded, *_ in found)
    assert len({nonce for *_, nonce, _ in found}) == 6 and {mark for *_, mark in found} == {"here"}
