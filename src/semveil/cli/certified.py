"""What verbs that write outputs do with certificates and the ledger."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from semveil.cli.console import note
from semveil.cli.options import OptionError

if TYPE_CHECKING:
    from semveil.core.certificate import Certificate
    from semveil.core.ledger import Ledger
    from semveil.core.publish import File


def open_ledger(subject: str | None, path: Path | None, limit: float | None = None) -> "Ledger | None":
    """The ledger for `--subject`, checked before the work; None without a subject."""
    from semveil.core.ledger import Ledger, subject_name

    if subject is None:
        if path is not None or limit is not None:
            raise OptionError("--ledger and --limit are for releases about a person; name the person with --subject")
        return None
    subject_name(subject)
    ledger = Ledger(path)
    if ledger.prepare():  # a missing key, a foreign file or a torn line shows now
        note(f"began a new ledger: {ledger.path}")
    return ledger


def certified_outputs(outputs: "Sequence[Sequence[File]]", certificate: "Certificate") -> "tuple[list[File], list[str]]":
    """Outputs with their certificates, ready to be published, and lines for the user."""
    from semveil.core.explain import explain

    files = [file for output in outputs for file in output]
    names = ", ".join(output[0][0].name for output in outputs)
    first = outputs[0][-1][0]
    return files, [explain(certificate)[0], f"Certified: {names}; for the whole of it: semveil certify {first}."]


def recorded(ledger: "Ledger | None", subject: str | None) -> list[str]:
    """Lines for the user: what all recorded releases about the person add up to."""
    if ledger is None or subject is None:
        return []
    together = ledger.total(subject)
    assert together is not None
    return [f"Recorded releases about this person: {len(ledger.releases(subject))}. Together: {together.summary()}"]
