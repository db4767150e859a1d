"""What verbs tell the user about certificates and the ledger."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semveil.core.certificate import Certificate
    from semveil.link.outputs import Record


def certified_lines(certificate: "Certificate", written: Sequence[Path]) -> list[str]:
    """What holds in short, and where the certificates lie.

    Args:
        written: outputs, then as many certificates.
    """
    from semveil.core.explain import explain

    names = ", ".join(path.name for path in written[len(written) // 2 :])
    return [explain(certificate)[0], f"Certified: {names}; for the whole of it: semveil certify {written[0]}."]


def record_lines(record: "Record | None") -> list[str]:
    """What all recorded releases about the person add up to."""
    if record is None:
        return []
    return [f"Recorded releases about this person: {record.releases}. Together: {record.together.summary()}"]
