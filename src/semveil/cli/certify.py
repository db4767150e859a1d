"""`semveil certify`: what is guaranteed about a file, to whom, and what is not."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.console import show


def certify(
    file: Annotated[Path, typer.Argument(help="An output of semveil, its certificate, or a message.", metavar="FILE")],
    as_json: options.Json = False,
) -> None:
    """Explain in plain words what is guaranteed about a file: for what, to whom, how strongly, and what is not.

    The certificate is looked for beside the file (FILE.certificate.json) and in the text of a PNG, and must belong to the file
    as it is now.

    Example: semveil certify eve.png
    """
    from semveil.link.certify import certify as certify_file

    certified = certify_file(file)
    lines = list(certified.explanation)
    found, said = certified.found, certified.certificate.as_dict()
    result = {"file": str(file), "found": found, "certificate": said, "explanation": lines}
    show(result, [*lines, f"Found: {found}."], as_json=as_json)
