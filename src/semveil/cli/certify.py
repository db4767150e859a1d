# SPDX-License-Identifier: Apache-2.0
"""`semveil certify`: explanation of a file's guarantee."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.console import Line, show

LONGEST_LABEL = 14
LABELS = {
    "What epsilon": "Epsilon",
    "Similar photos": "Metric",
    "The claim (basis": "Basis",
    "It holds only if: ": "Only if",
    "With the sealed": "Sealed",
    "Values were clipped": "Clipping",
    "Epsilon by part": "Parts",
    "The release was made": "Release",
    "Release": "Release",
    "Note": "Note",
}
"""Labels of topics with long names."""


def certify(
    file: Annotated[
        Path, typer.Argument(help="Output of semveil, its certificate, or a message.", metavar="FILE")
    ],
    as_json: options.Json = False,
) -> None:
    """Say in plain words what is guaranteed about a file, and what is not.

    The certificate is read from FILE.certificate.json or from the text of a PNG, and must match the current
    content of the file.

    Example: semveil certify eve.png
    """
    from semveil.link.certify import certify as certify_file

    certified = certify_file(file)
    lines, said = list(certified.explanation), certified.certificate.as_dict()
    result = {"file": str(file), "found": certified.found, "certificate": said, "explanation": lines}
    show(result, [*map(_fact, lines), ("Found", f"{certified.found}.")], as_json=as_json)


def _fact(line: str) -> Line:
    """A topic of the explanation in two columns, under its own name or a shorter one."""
    for start, label in LABELS.items():
        if line.startswith(start):
            return (label, line.removeprefix(start if start.endswith(": ") else label).lstrip())
    name, _, text = line.partition(": ")
    return (name, text) if text and len(name) <= LONGEST_LABEL else line
