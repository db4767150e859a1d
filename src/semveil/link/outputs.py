# SPDX-License-Identifier: Apache-2.0
"""Output files with their certificates, and ledger records of releases."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from semveil.core.output_path import keep_inputs
from semveil.core.progress import Note, unheard
from semveil.core.publish import File, publish
from semveil.data.certified import certified_picture
from semveil.faces.pixels import to_pixels
from semveil.privacy.certificate import Certificate
from semveil.privacy.guarantee import Guarantee
from semveil.privacy.ledger import Ledger, subject_name

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Record:
    """Releases about a person in the ledger.

    Attributes:
        releases: number of releases.
        together: their composed guarantee.
    """

    releases: int
    together: Guarantee


def ledger_of(
    subject: str | None, ledger: Ledger | AnyPath | None, limit: float | None = None
) -> Ledger | None:
    """Return the ledger for a subject without touching its file; None without a subject.

    Args:
        subject: the person shown in the photos.
        ledger: an open ledger or its file; the default ledger where None.
        limit: budget of the subject, which is only checked to have one.

    Raises:
        ValueError: an empty name, or a ledger or limit without a subject.
    """
    if subject is None:
        if ledger is not None or limit is not None:
            raise ValueError("a ledger or a limit needs the subject whom the photos show; name the subject")
        return None
    subject_name(subject)
    return ledger if isinstance(ledger, Ledger) else Ledger(ledger)


def open_ledger(
    subject: str | None, ledger: Ledger | AnyPath | None, limit: float | None = None, *, note: Note = unheard
) -> Ledger | None:
    """Open and check the ledger for a subject before the work; None without a subject.

    Args:
        subject: the person shown in the photos.
        ledger: an open ledger or its file; the default ledger where None.
        limit: fixed as the subject's budget, which also applies to every later release.
        note: receives a line if a new ledger is begun.

    Raises:
        ValueError: an empty name, or a ledger or limit without a subject.
        SemveilError: a missing key, a foreign file, a torn line, or a budget other than the one fixed before.
    """
    book = ledger_of(subject, ledger, limit)
    if book is None or subject is None:
        return None
    if book.prepare():
        note(f"began a new ledger: {book.path}")
    if limit is not None:
        book.fix_budgets([subject], limit)
    return book


def account(ledger: Ledger | None, subject: str | None) -> Record | None:
    """Compose the guarantees of all releases about a subject; None without ledger or subject.

    Args:
        ledger: record of releases, which already includes the current one.
        subject: the person whose releases are composed.
    """
    if ledger is None or subject is None:
        return None
    together = ledger.total(subject)
    assert together is not None
    return Record(len(ledger.releases(subject)), together)


def picture_outputs(
    out: Path | None, images: Tensor, certificate: Certificate, *, in_png: bool
) -> list[list[File]]:
    """Prepare images as PNG files for publication, each preceded by its certificate.

    Args:
        out: file of a single image; several images become NAME-1.png, NAME-2.png and so on. None for no
            files.
        images: (B, 3, S, S), nominal range [-1, 1].
        certificate: guarantee of the images.
        in_png: also embed the certificate in the text of the PNG.
    """
    if out is None:
        return []
    pixels = to_pixels(images)
    paths = (
        [out] if len(pixels) == 1 else [out.with_stem(f"{out.stem}-{i}") for i in range(1, len(pixels) + 1)]
    )
    return [
        certified_picture(path, one, certificate, inside=in_png)
        for path, one in zip(paths, pixels, strict=True)
    ]


def publish_outputs(
    outputs: Sequence[Sequence[File]],
    *,
    inputs: Sequence[object] = (),
    private: bool = False,
    once: Callable[[], None] = lambda: None,
) -> tuple[Path, ...]:
    """Write outputs with their certificates, see `publish`.

    Args:
        outputs: files of each output, the certificate first and the output itself last.
        inputs: inputs that no output may overwrite; as for `keep_inputs`.
        private: restrict read access to the owner.
        once: action required before anyone can read a file; also called where there are no files.

    Returns:
        Paths of the outputs, then of their certificates.

    Raises:
        OutputError: a file is one of the inputs or cannot be written; then nothing is written.
    """
    for output in outputs:
        for path, _ in output:
            keep_inputs(path, *inputs)
    publish([file for output in outputs for file in output], private=private, once=once)
    return (*(output[-1][0] for output in outputs), *(output[0][0] for output in outputs))
