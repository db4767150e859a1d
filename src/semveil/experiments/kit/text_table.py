# SPDX-License-Identifier: Apache-2.0
"""Results that consist of a single table: no figure, and the JSON contains the Markdown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from semveil.core.registry import Registry
from semveil.experiments.kit.experiment import Experiment, Run, cells, experiment

TABLE = "table"
ONLY_SIZE: Registry[None] = Registry("preset")
ONLY_SIZE.add("smoke", None)


@dataclass(frozen=True)
class Text:
    """A table that can be made.

    Attributes:
        config: all that it follows from, JSON-ready.
        make: gives the Markdown.
    """

    config: Mapping[str, Any]
    make: Callable[[], str]
    head: Mapping[str, Any] = field(default_factory=dict)


def text_table(name: str, *, revision: int, load: Callable[[Run], Text]) -> Experiment:
    """Declare a result that is one table, of one size.

    Args:
        name: as for `experiment`.
        revision: as `Measurement` has it.
        load: gives the table, from the run's model.
    """
    return experiment(
        name,
        revision=revision,
        presets=ONLY_SIZE,
        load=load,
        measure=cells("made", lambda text: {}, stage="make", first={TABLE: lambda text: text.make()}),
        table=lambda result: str(result[TABLE]),
    )
