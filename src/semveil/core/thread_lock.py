# SPDX-License-Identifier: Apache-2.0
"""Lock for code that one thread at a time may run, free again in a forked process."""

import os
import threading
from types import TracebackType


class ThreadLock:
    """Reentrant lock as a context manager.

    A forked process has none of its parent's other threads, which could release a lock that they held at the
    fork: it starts with a free one.

    Example:
        >>> lock = ThreadLock()
        >>> with lock, lock:
        ...     print("within")
        within
    """

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def _renew(self) -> None:
        self._lock = threading.RLock()
