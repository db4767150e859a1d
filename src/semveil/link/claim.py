"""What is claimed about a file: its certificate, or what a message says of itself."""

import os
from pathlib import Path

from semveil.channels import is_digital, read_digital, read_message
from semveil.channels.container import DIGITAL_MAGIC, MAGIC
from semveil.core.certificate import Certificate, CertificateError
from semveil.core.files import open_regular
from semveil.data.certified import SUFFIX, certificate_path, read_certificate
from semveil.methods.certificates import certificate_of
from semveil.methods.digital import digital_certificate

_MESSAGE = "no certificate lies beside the message; this is what the message says of itself, without mechanism and sensitivity"


def claim_of(file: Path) -> tuple[Certificate, str]:
    """The certificate of a file, and where it was found, in words.

    It is read from beside the file or from the text of a PNG, and must belong to the file as it is now; a message states its
    own.

    Args:
        file: an output of semveil, its certificate's file, or a message.

    Raises:
        CertificateError: there is none, or it belongs to another file.
    """
    if file.is_dir():
        raise CertificateError(f"{str(file)!r} is a folder; name an output in it")
    if file.name.endswith(SUFFIX):
        output = file.with_name(file.name.removesuffix(SUFFIX))
        held = f"checked against {output.name}" if output.is_file() else f"not checked: {output.name} does not lie beside it"
        return read_certificate(file), f"in the certificate's file, {held}"
    if certificate_path(file).is_file() or not _is_message(file):
        return read_certificate(file), "with the file, whose hash matches"
    if is_digital(file):
        return digital_certificate(read_digital(file)), _MESSAGE
    return certificate_of(read_message(file)), _MESSAGE


def _is_message(file: Path) -> bool:
    try:
        with os.fdopen(open_regular(file), "rb") as content:
            return content.read(len(MAGIC)) in (MAGIC, DIGITAL_MAGIC)
    except OSError:
        return False
