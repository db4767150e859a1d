# SPDX-License-Identifier: Apache-2.0
"""Speed of a training, and the remaining time."""

import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

WINDOW = 60.0  # averaging window of the rate in seconds


class Pace:
    """Speed meter of a training.

    Args:
        batch: photos per step.
        steps: total number of steps.
        done: steps done before.
        clock: returns seconds.

    Example:
        >>> seconds = iter([0.0, 2.0, 4.0])
        >>> pace = Pace(batch=16, steps=10, done=0, clock=lambda: next(seconds))
        >>> pace.at(1), pace.at(2)
        ('8.0 photos/s, 0:00:18 left', '8.0 photos/s, 0:00:16 left')
    """

    def __init__(
        self, *, batch: int, steps: int, done: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._batch, self._steps, self._clock = batch, steps, clock
        self._seen = deque([(clock(), done)])

    def at(self, step: int) -> str:
        """Throughput over the last minute and remaining time, as text; `-` before they can be measured.

        Args:
            step: steps done.
        """
        now = self._clock()
        self._seen.append((now, step))
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW:
            self._seen.popleft()
        (then, before), more = self._seen[0], self._steps - step
        if step == before or now <= then:
            return "-"
        per_second = (step - before) / (now - then)
        return f"{per_second * self._batch:.1f} photos/s, {timedelta(seconds=round(more / per_second))} left"
