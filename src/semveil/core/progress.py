# SPDX-License-Identifier: Apache-2.0
"""Callbacks for the progress of long computations."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the stage, the number of finished steps and the total."""
Note = Callable[[str], None]
"""Called with an informative line for the user."""


def quiet(stage: str, done: int, total: int) -> None:
    """Progress callback that reports nothing.

    Args:
        stage: name of the stage.
        done: number of finished steps.
        total: number of all steps.
    """


def unheard(text: str) -> None:
    """Message callback that discards its text.

    Args:
        text: the message.
    """
