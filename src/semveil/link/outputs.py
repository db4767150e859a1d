# SPDX-License-Identifier: Apache-2.0
"""Outputs with their certificates, and the record of a release in the ledger."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from semveil.core.output_path import keep_inputs
from semveil.core.progress import Note, unheard
from semveil.core.provenance import commit
from semveil.core.publish import File, publish
from semveil.data.certified import certified_picture
from semveil.faces.pixels import to_pixels
from semveil.privacy.certificate import Certificate
from semveil.privacy.guarantee import Guarantee
from semveil.privacy.ledger import Ledger, subject_name

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Record:
    """The ledger's releases about a person.

    Attributes:
        releases: their number.
        together: their composed guarantee.
    """

    releases: int
    together: Guarantee


def open_ledger(
    subject: str | None, ledger: Ledger | AnyPath | None, limit: float | None = None, *, note: Note = unheard
) -> Ledger | None:
    """The ledger for a subject, checked before the work; None without a subject.

    Args:
        subject: whom the photos show.
        ledger: opened, or its file; the default one where None.
        note: told of a ledger that is begun.
        limit: fixed as the subject's budget, which holds for every later release too.

    Raises:
        ValueError: an empty name, or a ledger or limit without a subject.
        SemveilError: a missing key, a foreign file, a torn line, or another budget than was fixed before.
    """
    if subject is None:
        if ledger is not None or limit is not None:
            raise ValueError("a ledger or a limit needs the subject whom the photos show; name the subject")
        return None
    subject_name(subject)
    book = ledger if isinstance(ledger, Ledger) else Ledger(ledger)
    if book.prepare():
        note(f"began a new ledger: {book.path}")
    if limit is not None:
        book.fix_budgets([subject], limit)
    return book


def account(ledger: Ledger | None, subject: str | None) -> Record | None:
    """The composed guarantee of all releases about a subject, or None without ledger or subject.

    Args:
        ledger: record of releases, which already holds the present one.
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
    """Pictures (B, 3, S, S) as PNG, each with its certificate before it, ready to be published.

    Args:
        out: file of the only one; of several NAME-1.png, NAME-2.png and so on. None: nothing.
        images: (B, 3, S, S) about [-1, 1].
        certificate: what holds for it.
        in_png: put the certificate into the text of the PNG too.
    """
    if out is None:
        return []
    made, pixels = replace(certificate, commit=commit()), to_pixels(images)
    paths = (
        [out] if len(pixels) == 1 else [out.with_stem(f"{out.stem}-{i}") for i in range(1, len(pixels) + 1)]
    )
    return [
        certified_picture(path, one, made, inside=in_png) for path, one in zip(paths, pixels, strict=True)
    ]


def publish_outputs(
    outputs: Sequence[Sequence[File]],
    *,
    inputs: Sequence[object] = (),
    private: bool = False,
    once: Callable[[], None] = lambda: None,
) -> tuple[Path, ...]:
    """Write outputs with their certificates as `publish` does.

    Args:
        outputs: for each its files, the certificate first and the output itself last.
        inputs: what they were made of and with, over which none is written; as for `keep_inputs`.
        private: nobody but the owner may read the files.
        once: what must be done before anybody can read a file; also where there is none.

    Returns:
        Where outputs lie, then where their certificates lie.

    Raises:
        OutputError: a file is one of the inputs, or cannot be written; nothing is.
    """
    for output in outputs:
        for path, _ in output:
            keep_inputs(path, *inputs)
    publish([file for output in outputs for file in output], private=private, once=once)
    return (*(output[-1][0] for output in outputs), *(output[0][0] for output in outputs))
