# SPDX-License-Identifier: Apache-2.0
"""Where photos are worked on: in this process, in worker processes of this machine, or on any Dask cluster."""

import itertools
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol, TypeVar

from semveil import __version__
from semveil.bulk.sources import BulkError

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 4  # tasks that wait for each thread of the workers
_CONNECTING = 15  # seconds for a scheduler to answer
_PATIENCE = 60  # seconds for a first worker to come up


class Lost(Exception):
    """A task whose workers died each time it was tried, at last alone."""


class Pool(Protocol):
    """Runs a function over tasks, in any order; yields each task with its result, or with `Lost`."""

    def __call__(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R | Lost]]: ...


def in_this_process(function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R | Lost]]:
    """Run tasks one after the other in this process, with the interface of a `Pool`.

    Args:
        function: applied to each task; its exceptions propagate.
        tasks: consumed lazily.

    Yields:
        Each task with its result.
    """
    for task in tasks:
        yield task, function(task)


@contextmanager
def open_pool(
    workers: int | None = None,
    cluster: str | None = None,
    *,
    tasks: int | None = None,
    preload: Sequence[str] = (),
) -> Iterator[Pool]:
    """The pool that was asked for.

    Args:
        workers: processes on this machine, one photo each at a time; None works in this process. They are
            forked from a server that has loaded the modules once, where the system can, or else started from
            scratch.
        tasks: how many there will be: no more workers are started, and none at all for one.
        preload: modules that every worker needs.
        cluster: address of a Dask scheduler, such as `tcp://10.0.0.1:8786`.

    Raises:
        BulkError: Dask is not installed, no scheduler answers, or there is no worker.
        ValueError: workers and cluster both, or fewer than one worker.

    Example:
        >>> with open_pool() as pool:
        ...     list(pool(abs, [-1, 2]))
        [(-1, 1), (2, 2)]
    """
    if workers is not None and cluster is not None:
        raise ValueError("give workers or a cluster, not both: a cluster has workers of its own")
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be 1 or more, got {workers}")
    if workers is not None and tasks is not None:
        workers = min(workers, max(tasks, 1))
    if cluster is None and (workers is None or (tasks is not None and tasks <= 1)):
        yield in_this_process
        return
    try:
        import distributed
    except ImportError:
        raise BulkError("several workers need Dask; install it with: pip install 'semveil[bulk]'") from None
    with ExitStack() as stack:
        address: Any = cluster
        if workers is not None:
            stack.enter_context(_starting_method(preload))
            address = stack.enter_context(_workers_here(workers))
        try:
            client = stack.enter_context(distributed.Client(address, timeout=_CONNECTING))
            client.wait_for_workers(1, timeout=_PATIENCE)
        except (OSError, ValueError, TimeoutError) as error:
            raise BulkError(
                f"no Dask cluster at {cluster or 'this machine'}: {error or 'no answer'}; "
                "start one with `dask scheduler` and `dask worker`, or use --workers N"
            ) from error
        check_workers(client)
        yield _Dask(client)


@contextmanager
def _starting_method(preload: Sequence[str]) -> Iterator[None]:
    """Let Dask start workers from a fork server that has the modules; keys are drawn in the workers, so none is shared."""
    import dask

    if "forkserver" not in multiprocessing.get_all_start_methods():
        yield
        return
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        # after Dask's own list, which it sets once
        get_mp_context().set_forkserver_preload(["distributed", *preload])
        yield


@contextmanager
def _workers_here(count: int) -> Iterator[Any]:
    """A Dask cluster of processes on this machine, which is closed when its workers are up.

    A worker that was killed is started again, and Dask's closing fails where it meets one that is just
    starting.
    """
    import distributed

    # No dashboard: nothing of the run is served to others. Workers listen on this machine alone.
    cluster = distributed.LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        memory_limit=None,
        silence_logs=50,
        env={name: value for name, value in os.environ.items() if name.startswith("SEMVEIL")},
    )
    try:
        yield cluster
    finally:
        end = time.monotonic() + _PATIENCE
        while not _all_up(cluster, count) and time.monotonic() < end:
            time.sleep(0.05)
        cluster.close()


def _all_up(cluster: Any, count: int) -> bool:
    """The scheduler, which is the first to notice a worker's death, knows all workers, and so do their nannies."""
    processes = [nanny.process for nanny in cluster.workers.values()]
    return len(cluster.scheduler.workers) == count and all(
        process is not None and process.status is process.status.running for process in processes
    )


def check_workers(client: Any) -> None:
    """Check that all workers of a Dask client have this version of semveil; otherwise Dask would wait forever
    for a task that no worker can unpickle.

    Args:
        client: a connected `dask.distributed.Client`.

    Raises:
        BulkError: a worker has no semveil, or another version; the message names the versions.
    """
    try:
        # a builtin: nothing of ours to unpickle
        found = client.run(eval, "__import__('semveil').__version__")
    except ImportError as error:
        raise BulkError(
            f"the workers cannot import semveil ({error}); install version {__version__} there"
        ) from None
    for worker, version in found.items():
        if version != __version__:
            raise BulkError(
                f"the worker at {worker} has semveil {version}, this process {__version__}; install the same "
                "there"
            )


class _Dask:
    """Keeps a few tasks waiting for each worker, so that a hundred thousand photos need no hundred thousand futures.

    When a worker dies, Dask blames every task that it held, not only the one it was at. Tasks blamed too
    often are tried once more at the end, one at a time, so that none is lost for having waited beside
    another.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self._asked, self._threads = -math.inf, 1

    def __call__(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R | Lost]]:
        from distributed import as_completed

        tasks = iter(tasks)
        waiting: dict[str, T] = {}

        def submit(count: int) -> list[Any]:
            futures = []
            for task in itertools.islice(tasks, count):
                future = self.client.submit(function, task, pure=False)
                waiting[future.key] = task
                futures.append(future)
            return futures

        suspects: list[T] = []
        completed = as_completed(submit(self._window()))
        for future in completed:
            task = waiting.pop(future.key)
            result = self._result(future)
            completed.update(submit(max(0, self._window() - len(waiting))))
            if isinstance(result, Lost):
                suspects.append(task)
            else:
                yield task, result
        for task in suspects:
            yield task, self._result(self.client.submit(function, task, pure=False))

    def _result(self, future: Any) -> Any:
        from distributed import CancelledError, KilledWorker

        try:
            return future.result()
        except KilledWorker:
            return Lost("the workers that tried it died, each time; it may need more memory than they have")
        except CancelledError as error:
            raise BulkError("the Dask scheduler was lost; run the same command again to go on") from error

    def _window(self) -> int:
        """Number of workers; they come and go, so it is asked again, but not for every task, since that costs a request."""
        if time.monotonic() - self._asked > 1:
            self._asked, self._threads = time.monotonic(), max(1, sum(self.client.nthreads().values()))
        return _AHEAD * self._threads
