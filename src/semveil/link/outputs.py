"""Outputs with their certificates, and the record of a release in the ledger."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from semveil.core.certificate import Certificate
from semveil.core.ledger import Ledger
from semveil.core.pixels import to_pixels
from semveil.core.privacy import Guarantee
from semveil.core.provenance import commit
from semveil.data.certified import save_certified_png, write_certificate
from semveil.data.photos import load_photo
from semveil.data.save import save_png

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Record:
    """What the ledger holds about a person.

    Attributes:
        releases: how many there are.
        together: what they add up to.
    """

    releases: int
    together: Guarantee


def open_ledger(subject: str | None, ledger: Ledger | AnyPath | None) -> Ledger | None:
    """The ledger for a subject, checked before the work; None without a subject."""
    if subject is None:
        return None
    book = ledger if isinstance(ledger, Ledger) else Ledger(ledger)
    book.releases(subject)  # an empty name, a missing key or a foreign file shows now
    book.prepare()
    return book


def record_release(ledger: Ledger | None, subject: str | None, certificate: Certificate) -> Record | None:
    """Add a release to the ledger; once for each release, however many outputs show it."""
    if ledger is None or subject is None:
        return None
    ledger.record(subject, certificate)
    together = ledger.total(subject)
    assert together is not None
    return Record(len(ledger.releases(subject)), together)


def save_pictures(out: AnyPath, images: Tensor) -> list[Path]:
    """Write images (B, 3, S, S) as PNG; of several NAME-1.png, NAME-2.png and so on."""
    pixels, place = to_pixels(images), Path(out)
    paths = [place] if len(pixels) == 1 else [place.with_stem(f"{place.stem}-{i}") for i in range(1, len(pixels) + 1)]
    for path, picture in zip(paths, pixels, strict=True):
        save_png(path, picture)
    return paths


def certify_outputs(outputs: Sequence[Path], certificate: Certificate, *, in_png: bool = False) -> tuple[Path, ...]:
    """Write the certificate of outputs that are there, each bound to its own.

    Args:
        outputs: files of one kind that the same is true of.
        in_png: put it into the text of PNG files too.

    Returns:
        The certificates' files.
    """
    certificate = replace(certificate, commit=commit())
    written = []
    for path in outputs:
        if in_png and path.suffix.lower() == ".png":
            save_certified_png(path, load_photo(path).pixels, certificate)
        written.append(write_certificate(path, certificate))
    return tuple(written)
