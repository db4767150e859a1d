# SPDX-License-Identifier: Apache-2.0
"""Lines about certificates and the ledger, shared by several commands."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from semveil.cli.console import Line
from semveil.cli.terminal import pasted

if TYPE_CHECKING:
    from semveil.link.outputs import Record
    from semveil.privacy.certificate import Certificate


def certified_lines(
    certificate: "Certificate", written: Sequence[Path], *, short: str | None = None
) -> list[Line]:
    """Report lines with a short statement of the guarantee and the names of the certificates.

    Args:
        certificate: certificate of the outputs.
        written: outputs, followed by their certificates.
        short: statement in place of the certificate's own.
    """
    from semveil.privacy.explain import explain

    label, _, own = explain(certificate)[0].partition(": ")
    names = ", ".join(path.name for path in written[len(written) // 2 :])
    return [
        (label, short or own),
        ("Certified", f"{names}; to read one: semveil certify {pasted(written[0])}"),
    ]


def record_lines(record: "Record | None") -> list[Line]:
    """Report line with the total of all recorded releases about the person; empty without a record.

    Args:
        record: record returned by `send` and `protect`.
    """
    if record is None:
        return []
    return [
        (
            "Ledger",
            f"Recorded releases about this person: {record.releases}. Together: {record.together.summary()}",
        ),
    ]
