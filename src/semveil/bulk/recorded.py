# SPDX-License-Identifier: Apache-2.0
"""Ledger records of a written picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from semveil.privacy.certificate import Certificate


@dataclass(frozen=True)
class Recorded:
    """A release for the ledger.

    Attributes:
        subject: person it shows.
        images: number of that person's faces in it.
        certificate: certificate as JSON.
    """

    subject: str
    images: int
    certificate: str


def bookings(subjects: Sequence[str], exposed: Sequence[str], certificate: Certificate) -> list[Recorded]:
    """Ledger records of a picture.

    Their guarantee holds jointly with the picture's sealed part, which is released too.

    Args:
        subjects: as in `Picture`.
        exposed: as in `Picture`.
        certificate: certificate of the picture.
    """
    if certificate.sealed is not None:
        certificate = replace(certificate, guarantee=certificate.sealed)
    shown = certificate.for_opened_picture(
        "the face was left as it is, as chosen, or only covered by a mosaic"
    )
    return [
        *(Recorded(name, subjects.count(name), certificate.to_json()) for name in dict.fromkeys(subjects)),
        *(Recorded(name, 1, shown.to_json()) for name in exposed),
    ]
