# SPDX-License-Identifier: Apache-2.0
"""Look-up of the certificate of a file or message, with an explanation in words."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from semveil.core.brief import Brief
from semveil.core.files import open_regular
from semveil.data.certified import SUFFIX, certificate_path, read_certificate
from semveil.privacy.certificate import Certificate, CertificateError
from semveil.privacy.explain import explain

if TYPE_CHECKING:  # messages need torch, which the certificate of a file does without
    from semveil.channels import DigitalMessage, Message

_SAID = "this is what the message states about itself, without mechanism and sensitivity"


@dataclass(frozen=True, eq=False, repr=False)
class Certified(Brief):
    """A certificate with its explanation, which `str` and `print` give, and origin.

    Attributes:
        certificate: the certificate as found, or constructed from a message header.
        explanation: the same in plain words, one line per item.
        found: origin of the certificate.
    """

    certificate: Certificate
    explanation: tuple[str, ...]
    found: str

    def __str__(self) -> str:
        return "\n".join(self.explanation)


def certify(thing: "str | os.PathLike[str] | Message | DigitalMessage | Certificate") -> Certified:
    """Find the guarantee of a file or message: its scope, adversary, strength and limits.

    Args:
        thing: an output of semveil, whose certificate is read from FILE.certificate.json or from the text of
            a PNG and must match the current content of the file; a certificate file; a message or message
            file; or a certificate.

    Raises:
        CertificateError: there is no certificate, or it belongs to another file.
        TypeError: it is none of these.

    Example:
        >>> from semveil.link.send import send
        >>> import torch
        >>> sent = send(torch.zeros(1, 3, 128, 128), protection="none")
        >>> certify(sent.message).certificate.guarantee.basis.value
        'none'
    """
    certificate, found = _find(thing)
    return Certified(certificate, tuple(explain(certificate)), found)


def _find(
    thing: "str | os.PathLike[str] | Message | DigitalMessage | Certificate",
) -> tuple[Certificate, str]:
    if isinstance(thing, Certificate):
        return thing, "as given"
    if not isinstance(thing, str | os.PathLike):
        return _of_message(thing), _SAID
    if not os.fspath(thing):
        raise CertificateError("the file's name is empty; name an output of semveil, or its certificate")
    file = Path(thing)
    if file.is_dir():
        raise CertificateError(f"{str(file)!r} is a folder; name an output in it")
    if file.name.endswith(SUFFIX):
        output = file.with_name(file.name.removesuffix(SUFFIX))
        held = (
            f"checked against {output.name}"
            if output.is_file()
            else f"not checked: there is no {output.name} beside it"
        )
        return read_certificate(file), f"in the certificate's file, {held}"
    if certificate_path(file).is_file() or not _is_message(file):
        return read_certificate(file), "with the file, whose hash matches"
    from semveil.channels import is_digital, read_digital, read_message

    message = read_digital(file) if is_digital(file) else read_message(file)
    return _of_message(message), f"there is no certificate beside the message; {_SAID}"


def _of_message(message: "Message | DigitalMessage") -> Certificate:
    from semveil.channels import DigitalMessage, Message
    from semveil.methods.certificates import certificate_of
    from semveil.methods.digital import digital_certificate

    if not isinstance(message, Message | DigitalMessage):
        raise TypeError(f"name a file, a message or a certificate, got {type(message).__name__}")
    return digital_certificate(message) if isinstance(message, DigitalMessage) else certificate_of(message)


def _is_message(file: Path) -> bool:
    from semveil.channels.container import DIGITAL_MAGIC, MAGIC

    try:
        with os.fdopen(open_regular(file), "rb") as content:
            return content.read(len(MAGIC)) in (MAGIC, DIGITAL_MAGIC)
    except OSError:
        return False
