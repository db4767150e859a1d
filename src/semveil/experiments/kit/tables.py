# SPDX-License-Identifier: Apache-2.0
"""Markdown tables: cells, means, claims."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.statistics import NOT_MEASURED, mean


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table.

    Example:
        >>> print(markdown(["a", "b"], [["1", "2|3"]]))
        | a | b |
        |---|---|
        | 1 | 2\\|3 |
    """
    lines = [head, *rows]
    text = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    return "\n".join([text[0], "|" + "---|" * len(head), *text[1:]])


def means(columns: Mapping[str, Any], metrics: Iterable[str]) -> list[str]:
    """Means over photos in a table's cells."""
    found = [(metric, mean(columns, metric)) for metric in metrics]
    return [NOT_MEASURED if m is None else f"{m.value:,.0f}" if metric == "l2" else str(m) for metric, m in found]


def claims_table(claims: Iterable[Claim], *, said_by: str = "The paper's text") -> str:
    """Claims, what was measured, and the verdicts."""
    return markdown([said_by, "Here", ""], [[claim.text, claim.ours, claim.verdict] for claim in claims])
