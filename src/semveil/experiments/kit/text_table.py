# SPDX-License-Identifier: Apache-2.0
"""Results that consist of a single table: no figure, and the JSON contains the Markdown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from semveil.core.registry import Registry
from semveil.experiments.kit.experiment import Experiment, Run, experiment

TABLE = "table"
ONLY_SIZE: Registry[None] = Registry("preset")
ONLY_SIZE.add("smoke", None)


@dataclass(frozen=True)
class Text:
    """A table to be generated.

    Attributes:
        config: all inputs of the table, JSON-ready.
        make: returns the Markdown.
        head: further fields of the result file.
    """

    config: Mapping[str, Any]
    make: Callable[[], str]
    head: Mapping[str, Any] = field(default_factory=dict)


def text_table(name: str, *, revision: int, load: Callable[[Run], Text]) -> Experiment:
    """Declare a result that is a single table with one preset.

    Args:
        name: as for `experiment`.
        revision: see `Measurement`.
        load: returns the table for a run.
    """
    return experiment(
        name, revision=revision, presets=ONLY_SIZE, load=load,
        measure=lambda text, kept, run: kept.part(TABLE, measure=text.make),
        table=lambda result: str(result[TABLE]),
    )  # fmt: skip
