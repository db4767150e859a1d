# SPDX-License-Identifier: Apache-2.0
"""Execution of tasks in this process, in local worker processes, or on a Dask cluster."""

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

_AHEAD = 4  # queued tasks per worker thread
_CONNECTING = 15  # seconds to wait for the scheduler
_PATIENCE = 60  # seconds to wait for workers


class Lost(Exception):
    """A task whose workers died on every attempt, the last with the task alone."""


class Pool(Protocol):
    """Runs a function over tasks, in any order; yields each task with its result, or with `Lost`."""

    def __call__(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R | Lost]]: ...


def in_this_process(function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R | Lost]]:
    """Run tasks sequentially in this process, with the interface of a `Pool`.

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
    """Open a pool; close it at the end of the context.

    Args:
        workers: number of local processes, each with one photo at a time; None runs in this process. They are
            forked from a server that has loaded the modules once, where the system supports it, otherwise
            spawned.
        cluster: address of a Dask scheduler, such as `tcp://10.0.0.1:8786`.
        tasks: number of tasks: no more workers are started, and none at all for one.
        preload: modules that every worker needs.

    Yields:
        The pool.

    Raises:
        BulkError: Dask is not installed, no scheduler answers, or there is no worker.
        ValueError: workers and cluster are both given, or there is less than one worker.

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
    """Let Dask fork workers from a server that has loaded the modules.

    Keys are drawn in the workers, so none is shared.
    """
    import dask

    if "forkserver" not in multiprocessing.get_all_start_methods():
        yield
        return
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        # overrides the list that Dask sets once
        get_mp_context().set_forkserver_preload(["distributed", *preload])
        yield


@contextmanager
def _workers_here(count: int) -> Iterator[Any]:
    """Dask cluster of local processes, closed once its workers are up.

    A killed worker is restarted, and closing fails in Dask if a worker is just starting.
    """
    import distributed

    # No dashboard, so nothing of the run is served to others. Workers listen on the loopback address only.
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
    """Whether the scheduler knows all workers and all their nannies see them running.

    The scheduler is the first to notice a worker's death.
    """
    processes = [nanny.process for nanny in cluster.workers.values()]
    return len(cluster.scheduler.workers) == count and all(
        process is not None and process.status is process.status.running for process in processes
    )


def check_workers(client: Any) -> None:
    """Check that all workers of a Dask client have this version of semveil.

    Otherwise Dask would wait forever for a task that no worker can unpickle.

    Args:
        client: a connected `dask.distributed.Client`.

    Raises:
        BulkError: a worker has no semveil, or another version; the message names the versions.
    """
    try:
        # a builtin, so that nothing of semveil is unpickled
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
    """Pool on a Dask client that queues only a few tasks per worker, to bound memory.

    When a worker dies, Dask blames every task that it held, not only the running one. Tasks blamed too often
    are retried at the end, one at a time, so that none is lost because of another.
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
        """Number of tasks to keep submitted.

        Workers come and go, so their number is requested again, but at most once a second.
        """
        if time.monotonic() - self._asked > 1:
            self._asked, self._threads = time.monotonic(), max(1, sum(self.client.nthreads().values()))
        return _AHEAD * self._threads
