"""What verbs that write outputs do with certificates: put them beside the outputs, into pictures, into the ledger."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semveil.core.certificate import Certificate
    from semveil.core.ledger import Ledger


def open_ledger(subject: str | None, path: Path | None) -> "Ledger | None":
    """The ledger for `--subject`, checked before the work; None without a subject."""
    from semveil.core.ledger import Ledger

    if subject is None:
        return None
    ledger = Ledger(path)
    ledger.releases(subject)  # an empty name, a missing key or a foreign file shows now
    ledger.prepare()
    return ledger


def certify_outputs(outputs: Sequence[Path], certificate: "Certificate", *, in_png: bool = False) -> list[str]:
    """Write the certificate of outputs that are there, each bound to its own.

    Args:
        outputs: files of one kind that the same is true of.
        in_png: put it into the text of PNG files too.

    Returns:
        Lines for the user.
    """
    from dataclasses import replace

    from semveil.core.explain import explain
    from semveil.core.provenance import commit
    from semveil.data.certified import save_certified_png, write_certificate
    from semveil.data.photos import load_photo

    certificate = replace(certificate, commit=commit())
    written = []
    for path in outputs:
        if in_png and path.suffix.lower() == ".png":
            save_certified_png(path, load_photo(path).pixels, certificate)
        written.append(write_certificate(path, certificate).name)
    return [explain(certificate)[0], f"Certified: {', '.join(written)}; for the whole of it: semveil certify {outputs[0]}."]


def record_release(ledger: "Ledger | None", subject: str | None, certificate: "Certificate") -> list[str]:
    """Add a release to the ledger; once for each release, however many outputs show it.

    Returns:
        Lines for the user: what all recorded releases about the person add up to.
    """
    if ledger is None or subject is None:
        return []
    ledger.record(subject, certificate)
    together = ledger.total(subject)
    assert together is not None
    return [f"Recorded releases about this person: {len(ledger.releases(subject))}. Together: {together.summary()}"]
