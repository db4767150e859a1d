# SPDX-License-Identifier: Apache-2.0
"""Alice's side as a single call: from a photo to a message file with its certificate and ledger entry."""

import tempfile
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semveil.channels import Bandwidth, DigitalMessage, Message, bandwidth, digital_bytes, message_bytes
from semveil.channels.stored_symbols import step_for
from semveil.core.brief import Brief
from semveil.core.errors import KeyProblem
from semveil.core.model_folders import ModelName
from semveil.core.output_path import keep_inputs, output_path
from semveil.core.progress import Note, Progress, quiet, unheard
from semveil.core.provenance import commit
from semveil.core.publish import File
from semveil.data.certified import certified
from semveil.data.load_faces import Photos, load_faces, require_one_person
from semveil.link.keys import SENT, AnyKey, alice_key, key_files, nonce_log
from semveil.link.outputs import AnyPath, Record, account, ledger_of, open_ledger, publish_outputs
from semveil.link.sender import sender
from semveil.methods.certificates import certificate_of
from semveil.methods.digital import digital_certificate, seal_codes
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.messages import to_message
from semveil.models.face import DEFAULT_MODEL, FaceModel, face_model
from semveil.privacy.certificate import Certificate
from semveil.privacy.ledger import Ledger
from semveil.protection.pair import TrainedPair

NO_PROMISE = (
    "no key and no protection are named, so the paper's trained pair (nn) is used, which guarantees "
    "nothing; for a promise make a key (semveil keygen --out my.key) and give it with --key my.key"
)


class NoPromiseWarning(UserWarning):
    """A message was sent under the default protection, which guarantees nothing."""


@dataclass(frozen=True, eq=False, repr=False)
class Sent(Brief):
    """A sent message.

    Attributes:
        message: clean symbols with their side information, or sealed bytes.
        certificate: guarantee of the message.
        written: files of the message and the recording, then their certificates; empty where no file was
            named.
        record: total of all recorded releases about the subject; None without a subject.
        size: side in pixels of the images synthesised from the message.
    """

    message: Message | DigitalMessage
    certificate: Certificate
    written: tuple[Path, ...]
    record: Record | None
    size: int

    @property
    def bandwidth(self) -> Bandwidth | None:
        """Channel uses of an image without the pilots of a channel; None for a digital message."""
        message = self.message
        if isinstance(message, DigitalMessage):
            return None
        return bandwidth(message.symbols.shape[1], self.size, side_bits=message.side_information_bits)

    def __repr__(self) -> str:
        message, several = self.message, "s" if self.message.images > 1 else ""
        files = f"; {', '.join(path.name for path in self.written)}" if self.written else ""
        return (
            f"Sent({message.images} image{several} of {self.size} x {self.size} px, model {message.model}, "
            f"protection {message.protection}; {self.certificate.guarantee.briefly()}{files})"
        )


def send(
    photos: Photos,
    out: AnyPath | None = None,
    *,
    iq: AnyPath | None = None,
    iq_format: str | None = None,
    sample_rate: float | None = None,
    frequency: float | None = None,
    digital: bool = False,
    image_bytes: int | None = None,
    for_snr_db: float | None = None,
    model: FaceModel | ModelName = DEFAULT_MODEL,
    key: AnyKey | None = None,
    pair: TrainedPair | None = None,
    face: int | str | None = None,
    subject: str | None = None,
    ledger: Ledger | AnyPath | None = None,
    limit: float | None = None,
    train: bool = True,
    device: str | torch.device | None = None,
    progress: Progress = quiet,
    note: Note = unheard,
    **options: Any,
) -> Sent:
    """Turn photos into a message: detect faces, invert, protect, write, and record the release.

    Args:
        photos: paths, arrays or aligned images, see `load_faces`.
        out: message file to write.
        iq: SigMF recording to write, the same message as a radio signal; needs the extra `iq`.
        iq_format: sample format of the recording, `cf32` (where None) or `ci16`.
        sample_rate: sample rate of the recording in Hz, four samples per symbol; 1e6 where None.
        frequency: carrier frequency in Hz that the recording states; 0 where None.
        digital: make a message for a digital link: the latents as bytes, encrypted as a whole under the key,
            see `methods.digital`.
        image_bytes: bytes per image on a digital link; see `default_bytes` where None.
        for_snr_db: round the symbols to the precision that this SNR permits: a smaller file, at a loss of
            0.14 dB at that SNR; floats where None.
        model: face model, loaded or by name.
        key: key that Alice shares with Bob: a key file, a `Key` or a `SharedKey`; None for protections
            without a key.
        pair: trained pair of protection `nn`; looked up, or trained, where None.
        face: selects a face in a photo with several.
        subject: person shown in the photo; the release is recorded in the ledger under a pseudonym.
        ledger: ledger or its file; the user's default ledger where None.
        limit: total epsilon of the subject above which the release is refused.
        train: train a missing pair now (takes minutes; the pair is kept).
        device: compute device, see `core.device.choose_device`; the model's device where None.
        progress: receives the stages of the work.
        note: receives notes for the user. Without it, a `NoPromiseWarning` is issued where neither a key nor
            a protection is named: the trained pair `nn` is used then, which guarantees nothing.
        options: options of the protection, see `DPSemCom`: protection, private_codes, epsilon, calibration,
            budget, delta, guard, authenticate, perceptual.

    Raises:
        ValueError: incompatible options.
        SemveilError: a photo, a key, the ledger or an output is invalid; nothing is sent.

    Example:
        >>> import torch
        >>> from semveil.methods.shared_key import SharedKey
        >>> from semveil.models.face import load_model
        >>> face = load_model().generator.synthesize(torch.zeros(1, 28, 64)).clamp(-1, 1)
        >>> send(face, protection="none").certificate.guarantee.basis.value
        'none'
    """
    out = output_path(out)
    iq = output_path(iq, "iq")
    signal: dict[str, Any] = {"datatype": iq_format, "sample_rate": sample_rate, "frequency": frequency}
    signal = {name: value for name, value in signal.items() if value is not None}
    if signal and iq is None:
        raise ValueError(
            "iq_format, sample_rate and frequency are for a recording; name it with iq, or leave them out"
        )
    if for_snr_db is not None:
        step_for(for_snr_db)  # checks the value before the work
    book = ledger_of(subject, ledger, limit)
    inputs: list[object] = [*key_files(key), photos, *([] if book is None else [book.path, book.key_path])]
    keep_inputs(out, *inputs)
    shared = alice_key(key)
    asked = {name for name, value in options.items() if value is not None}
    if digital:
        if shared is None:
            raise KeyProblem("a digital message is sealed under a key; give one")
        asked |= set() if for_snr_db is None else {"for_snr_db"}
        if iq is not None or pair is not None or asked - {"perceptual"}:
            wrong = next(iter(sorted(asked - {"perceptual"})), "iq" if iq is not None else "pair")
            raise ValueError(
                f"a digital message is sealed whole and needs no other protection or signal; leave {wrong} "
                "out"
            )
    elif image_bytes is not None:
        raise ValueError("image_bytes is for a digital message; ask for one, or leave it out")
    loaded = face_model(model).to(device)
    faces = load_faces(photos, size=loaded.size, face=face, progress=progress, note=note)
    if subject is not None:
        require_one_person(faces)
    open_ledger(subject, book, limit, note=note)  # after the photo: a refused one begins no ledger

    def inverted(method: DPSemCom) -> Tensor:
        return method.invert(
            faces.images, progress=lambda done, total: progress("Inverting", done, total)
        ).codes

    message: Message | DigitalMessage
    if digital and shared is not None:
        method = DPSemCom(loaded, protection="none", perceptual=options.get("perceptual"))
        message = seal_codes(inverted(method), loaded, shared, size=image_bytes)
        term = loaded.describe_inversion(method.perceptual)["perceptual_term"]
        certificate = digital_certificate(message, loaded, perceptual=term)
        content, signals = digital_bytes(message), []
    else:
        method = sender(loaded, key=shared, pair=pair, train=train, progress=progress, note=note, **options)
        message = to_message(method, method.send_codes(inverted(method)), for_snr_db=for_snr_db)
        term = loaded.describe_inversion(method.perceptual)["perceptual_term"]
        certificate = certificate_of(message, method, perceptual=term)
        content, signals = (
            message_bytes(message),
            [] if iq is None else _recorded_signal(Path(iq), message, signal),
        )
    certificate = replace(certificate, commit=commit())
    made = [
        certified(path, data, certificate)
        for path, data in [*([] if out is None else [(out, content)]), *signals]
    ]

    def written_down() -> None:
        if book is not None and subject is not None:
            book.record(subject, certificate)
        if message.keyed is not None:
            nonce_log(SENT).add(message.keyed.nonce)

    # recorded before the caller has the message, too
    written = publish_outputs(made, inputs=inputs, once=written_down)
    if shared is None and pair is None and not asked & {"protection", "mechanism", "budget"}:
        if note is unheard:
            warnings.warn(NO_PROMISE, NoPromiseWarning, stacklevel=2)
        note(NO_PROMISE)
    return Sent(message, certificate, written, account(book, subject), loaded.size)


def _recorded_signal(path: Path, message: Message, signal: dict[str, Any]) -> list[File]:
    """Files of a recording and their contents.

    They are first written to a temporary folder, since no output may be readable before the release is
    recorded.
    """
    from semveil.radio.bursts import send_recording  # needs the extra `iq`

    with tempfile.TemporaryDirectory() as folder:
        files = send_recording(Path(folder) / path.name, message, **signal)
        return [(path.with_name(file.name), file.read_bytes()) for file in files]
