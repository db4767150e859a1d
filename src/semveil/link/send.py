"""Alice's side as one call: from a photo to a message file with its certificate, logged and recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semveil.channels import Message, write_message
from semveil.core.certificate import Certificate
from semveil.core.ledger import Ledger
from semveil.core.progress import Note, Progress, quiet, unheard
from semveil.data.load_faces import Photos, load_faces
from semveil.link.keys import SENT, AnyKey, alice_key, nonce_log
from semveil.link.outputs import AnyPath, Record, certify_outputs, open_ledger, record_release
from semveil.link.sender import sender
from semveil.methods.certificates import certificate_of
from semveil.methods.face_model import DEFAULT_MODEL, FaceModel, load_model
from semveil.methods.messages import to_message
from semveil.protection.linear_pair import LinearPair


@dataclass(frozen=True, eq=False)
class Sent:
    """A message that was sent.

    Attributes:
        message: clean symbols with the side information to read them.
        certificate: what is guaranteed of it.
        written: the message's file, and that of its certificate; none where no file was named.
        record: what all recorded releases about the subject add up to; None without a subject.
    """

    message: Message
    certificate: Certificate
    written: tuple[Path, ...]
    record: Record | None


def send(
    photos: Photos,
    out: AnyPath | None = None,
    *,
    model: FaceModel | str = DEFAULT_MODEL,
    key: AnyKey | None = None,
    pair: LinearPair | None = None,
    face: int | str | None = None,
    subject: str | None = None,
    ledger: Ledger | AnyPath | None = None,
    train: bool = True,
    progress: Progress = quiet,
    note: Note = unheard,
    **options: Any,
) -> Sent:
    """Turn photos into a message: find the faces, invert, protect, write it with its certificate, log and record it.

    Args:
        photos: paths, arrays or aligned images, see `load_faces`.
        out: message file to write.
        model: face model, loaded or by name.
        key: that Alice shares with Bob: a key file, a `Key` or a `SharedKey`; none for protections without one.
        pair: trained pair of protection `nn`; looked up, or trained, where None.
        face: which face of a photo with several.
        subject: whom the photo shows: the release goes into the ledger under a pseudonym.
        ledger: the user's where None.
        train: train a missing pair now (minutes; it is kept).
        progress: stages of the work.
        note: told of what the user should know.
        options: of the protection, see `DPSemCom`: protection, private_codes, epsilon, calibration, budget, delta, guard,
            authenticate, perceptual.

    Raises:
        ValueError: options that do not go together.
        SemveilError: a photo, a key, the ledger or an output is not as it must be; nothing is sent.

    Example:
        >>> import torch
        >>> from semveil.methods.shared_key import SharedKey
        >>> from semveil.methods.face_model import load_model
        >>> face = load_model().generator.synthesize(torch.zeros(1, 28, 64)).clamp(-1, 1)
        >>> send(face, protection="none").certificate.guarantee.basis.value
        'none'
    """
    book = open_ledger(subject, ledger)
    shared = alice_key(key)
    loaded = load_model(model) if isinstance(model, str) else model
    faces = load_faces(photos, size=loaded.size, face=face, progress=progress, note=note)
    method = sender(loaded, key=shared, pair=pair, train=train, progress=progress, note=note, **options)
    latents = method.invert(faces.images, progress=lambda done, total: progress("Inverting", done, total)).codes
    message = to_message(method, method.send_codes(latents))
    term = loaded.describe_inversion(method.perceptual)["perceptual_term"]
    certificate = certificate_of(message, method, perceptual=term)
    written, record = _release(message, certificate, [] if out is None else [Path(out)], book, subject)
    return Sent(message, certificate, written, record)


def _release(
    message: Message, certificate: Certificate, outputs: Sequence[Path], book: Ledger | None, subject: str | None
) -> tuple[tuple[Path, ...], Record | None]:
    """Make the message readable to others. The order of writing, logging and booking is decided here."""
    for path in outputs:
        write_message(path, message)
    if message.keyed is not None:
        nonce_log(SENT).add(message.keyed.nonce)
    certificates = certify_outputs(outputs, certificate)
    return (*outputs, *certificates), record_release(book, subject, certificate)
