"""`semveil certify`: what is guaranteed about a file, to whom, and what is not."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semveil.cli import options
from semveil.cli.console import Line, show

if TYPE_CHECKING:
    from semveil.core.certificate import Certificate

LONGEST_LABEL = 14
_MESSAGE = "no certificate lies beside the message; this is what the message says of itself, without mechanism and sensitivity"


def certify(
    file: Annotated[Path, typer.Argument(help="Output of semveil, its certificate, or a message.", metavar="FILE")],
    as_json: options.Json = False,
) -> None:
    """Say in plain words what is guaranteed about a file, and what not.

    The certificate is read from beside the file (FILE.certificate.json) or from the text of a PNG, and must
    belong to the file as it is now.

    Example: semveil certify eve.png
    """
    from semveil.core.explain import explain

    certificate, origin = _find(file)
    lines = explain(certificate)
    result = {"file": str(file), "found": origin, "certificate": certificate.as_dict(), "explanation": lines}
    show(result, [*map(_fact, lines), ("Found", f"{origin}.")], as_json=as_json)


def _fact(line: str) -> Line:
    """A topic of the explanation in two columns, where its name is short."""
    name, _, text = line.partition(": ")
    return (name, text) if text and len(name) <= LONGEST_LABEL else line


def _find(file: Path) -> "tuple[Certificate, str]":
    from semveil.core.certificate import CertificateError
    from semveil.data.certified import SUFFIX, certificate_path, read_certificate

    if file.is_dir():
        raise CertificateError(f"{str(file)!r} is a folder; name an output in it")
    if file.name.endswith(SUFFIX):
        output = file.with_name(file.name.removesuffix(SUFFIX))
        held = f"checked against {output.name}" if output.is_file() else f"not checked: {output.name} does not lie beside it"
        return read_certificate(file), f"in the certificate's file, {held}"
    if certificate_path(file).is_file() or not _is_message(file):
        return read_certificate(file), "with the file, whose hash matches"

    from semveil.channels import is_digital, read_digital, read_message
    from semveil.methods.certificates import certificate_of
    from semveil.methods.digital import digital_certificate

    if is_digital(file):
        return digital_certificate(read_digital(file)), _MESSAGE
    return certificate_of(read_message(file)), _MESSAGE


def _is_message(file: Path) -> bool:
    from semveil.channels.container import DIGITAL_MAGIC, MAGIC
    from semveil.core.files import open_regular

    try:
        with os.fdopen(open_regular(file), "rb") as content:
            return content.read(len(MAGIC)) in (MAGIC, DIGITAL_MAGIC)
    except OSError:
        return False
