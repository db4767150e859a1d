# SPDX-License-Identifier: Apache-2.0
"""Callbacks for the progress of long computations."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""
Note = Callable[[str], None]
"""Called with a line for the user that is no error."""


def quiet(stage: str, done: int, total: int) -> None:
    """Progress callback that reports nothing.

    Args:
        stage: of the work.
        done: finished steps.
        total: all steps.
    """


def unheard(text: str) -> None:
    """Message callback that discards its text."""
