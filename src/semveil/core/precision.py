# SPDX-License-Identifier: Apache-2.0
"""Working precision of ball arithmetic, which FLINT keeps for the whole process."""

from collections.abc import Iterator
from contextlib import contextmanager

from flint import ctx

from semveil.core.thread_lock import ThreadLock

_lock = ThreadLock()


@contextmanager
def working_precision(bits: int) -> Iterator[None]:
    """Context manager that sets the precision and restores it on exit, for one thread at a time.

    Without the lock, a thread that leaves would change the precision of another one within.

    Args:
        bits: of the mantissa of a ball's centre.

    Example:
        >>> from flint import arb
        >>> with working_precision(200):
        ...     third = arb(1) / 3
        >>> third.rel_accuracy_bits() > 190
        True
    """
    with _lock, ctx.workprec(bits):
        yield
