# SPDX-License-Identifier: Apache-2.0
"""Markdown tables: cells, means, claims."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from semveil.experiments.kit.claims import Claim
from semveil.experiments.kit.set_distance import shown_distances
from semveil.experiments.kit.statistics import NOT_MEASURED, mean

HEADS = {
    "l2": "l2", "ald_inf": "ALD∞", "ssim": "SSIM", "psnr": "PSNR", "lpips": "LPIPS",
    "lpips_squeeze": "LPIPS-Squeeze", "frechet": "Fréchet", "identity_similarity": "similarity", "psr": "PSR",
    "fppsr": "FPPSR", "fppsr_to_inversion": "FPPSR to inversion", "face_detected": "face detection rate",
}  # fmt: skip


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table.

    Args:
        head: column heads.
        rows: cells of each row, one per column; `|` is escaped.

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
    """Return table cells of means over photos; for `frechet`, of the set distances.

    Args:
        columns: metric -> values of photos, as for `mean`.
        metrics: name of the metric of each cell.
    """
    return [shown_distances(columns) if metric == "frechet" else _mean(columns, metric) for metric in metrics]


def _mean(columns: Mapping[str, Any], metric: str) -> str:
    found = mean(columns, metric)
    return NOT_MEASURED if found is None else f"{found.value:,.0f}" if metric == "l2" else str(found)


def heads(metrics: Iterable[str]) -> list[str]:
    """Return the column heads of metrics.

    Args:
        metrics: names as in results; keys of `HEADS`.
    """
    return [HEADS[metric] for metric in metrics]


def claims_table(claims: Iterable[Claim], *, said_by: str = "Claim in the paper") -> str:
    """Return a table of claims with our results and verdicts.

    Args:
        claims: one for each row.
        said_by: head of the first column.
    """
    return markdown(
        [said_by, "Our result", "Verdict"], [[claim.text, claim.ours, claim.verdict] for claim in claims]
    )
