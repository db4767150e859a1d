# SPDX-License-Identifier: Apache-2.0
"""Bob's and Eve's sides as one call each: from a message to images with their certificate."""

import os
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from semveil.channels import (
    DigitalMessage,
    Message,
    MessageError,
    channel_of,
    is_digital,
    read_digital,
    read_message,
)
from semveil.channels.wiretap import AnyChannel, AnySnr
from semveil.core.brief import Brief
from semveil.core.errors import KeyProblem
from semveil.core.model_folders import ModelName
from semveil.core.output_path import keep_inputs, output_path
from semveil.core.progress import Note, unheard
from semveil.core.provenance import commit
from semveil.core.rng import streams
from semveil.link.keys import SENT, AnyKey, bob_key, key_files, nonce_log
from semveil.link.outputs import AnyPath, picture_outputs, publish_outputs
from semveil.methods.certificates import certificate_of
from semveil.methods.digital import digital_certificate, open_codes
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.messages import heard, method_for_bob, method_for_eve
from semveil.models.face import FaceModel, load_model
from semveil.privacy.certificate import Certificate
from semveil.protection.pair import TrainedPair


@dataclass(frozen=True, eq=False, repr=False)
class Received(Brief):
    """Images that a receiver reconstructed from a message.

    Attributes:
        images: (B, 3, S, S), nominal range [-1, 1], not clamped.
        message: the message as read.
        certificate: certificate of the images.
        written: paths of the images, then of their certificates; empty where no file was named.
    """

    images: Tensor
    message: Message | DigitalMessage
    certificate: Certificate
    written: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Side of the images in pixels."""
        return self.images.shape[-1]


def receive(
    message: Message | DigitalMessage | AnyPath,
    out: AnyPath | None = None,
    *,
    iq: bool = False,
    key: AnyKey | None = None,
    model: FaceModel | ModelName | None = None,
    pair: TrainedPair | None = None,
    snr_db: AnySnr | None = None,
    channel: AnyChannel | str | None = None,
    seed: int | None = None,
    authenticate: bool = True,
    replay: bool = False,
    certificate_in_png: bool = False,
    device: str | torch.device | None = None,
    note: Note = unheard,
) -> Received:
    """Bob: receive a message over a simulated channel, undo the protection and synthesise the images.

    A keyed message can be read only once. Bob's image shows the person whom the protection hides, so only the
    owner may read its file. A digital message passes no channel: it is opened as a whole, or rejected if any
    part of it was altered.

    Args:
        message: a message or its file.
        out: PNG to write; several images become NAME-1.png and so on.
        iq: the file is a SigMF recording, which is also recognised by its name: .sigmf, .sigmf-meta or
            .sigmf-data.
        key: Bob's copy: a key file, a `Key` or a `SharedKey`; if one is given, a message made without a key
            is rejected.
        model: face model, loaded or by name; the model named in the message where None.
        pair: Alice's trained pair, for protection `nn`; looked up by its hash where None.
        snr_db: SNR of the simulated channel in dB (20): one number, or one for each image.
        channel: the simulated channel, as for `transmit`; AWGN where None.
        seed: random seed of the channel; a new one where None.
        authenticate: False reads a deniable message, whose side information may have been altered by anyone.
        replay: read a keyed message that was read before.
        certificate_in_png: also embed the certificate in the text of the PNG.
        device: compute device, see `core.device.choose_device`; the model's device where None.
        note: receives a line if the message was sent from this machine, since Bob may be reading his own
            message.

    Raises:
        MessageError: the message is damaged, or needs another model or pair.
        KeyProblem: the key is missing or not Alice's, the message was made without one or was read before, or
            its side information was altered.
    """
    out = output_path(out)
    inputs: list[object] = [message, *key_files(key)]
    keep_inputs(out, *inputs)
    read, loaded = _open(message, model, iq=iq)
    loaded = loaded.to(device)
    nonce = None if read.keyed is None else read.keyed.nonce
    if key is not None and read.keyed is None:
        raise KeyProblem(
            f"a key is given, and the message was made without one (protection {read.protection}), so "
            "anybody may have written it; leave the key out to read it all the same"
        )
    shared = None if read.keyed is None else bob_key(key, read.keyed.source)
    method: DPSemCom | None = None
    if isinstance(read, Message):
        method = method_for_bob(read, loaded, pair=pair, key=shared, authenticate=authenticate)
    else:
        _refuse_analogue(snr_db=snr_db, channel=channel, pair=pair, authenticate=authenticate)
    if nonce is not None and not replay:
        nonce_log().check(nonce)
    if isinstance(read, Message):
        assert method is not None
        images = method.receive(
            heard(read, snr_db=snr_db, rng=streams(seed)["bob"], channel=channel_of(channel))
        )
        certificate, as_heard = certificate_of(read, method), not method.kind.undone
    else:
        assert shared is not None
        images = DPSemCom(loaded, protection="none").synthesize(open_codes(read, loaded, shared))
        certificate, as_heard = digital_certificate(read, loaded), False
    if nonce is not None and nonce_log(SENT).holds(nonce):  # only now is it known to be unaltered
        note(
            "you sent this message yourself (same machine); it is not from the other side"
            if authenticate
            else "you sent a message with this nonce yourself (same machine)"
        )
    certificate = certificate.for_picture() if as_heard else certificate.for_opened_picture()
    certificate = replace(certificate, commit=commit())
    outputs = picture_outputs(out, images, certificate, in_png=certificate_in_png)
    # Claim the nonce only after the key has fitted, or a forged message would block the genuine one; the
    # nonce is spent only if the image is written.
    with nullcontext() if nonce is None or replay else nonce_log().claim(nonce):
        written = publish_outputs(outputs, inputs=inputs, private=True)
    return Received(images, read, certificate, written)


def eavesdrop(
    message: Message | AnyPath,
    out: AnyPath | None = None,
    *,
    iq: bool = False,
    model: FaceModel | ModelName | None = None,
    snr_db: AnySnr | None = None,
    channel: AnyChannel | str | None = None,
    seed: int | None = None,
    certificate_in_png: bool = False,
    device: str | torch.device | None = None,
) -> Received:
    """Eve: decode a message naively, passing her received signal to the public generator as in the paper.

    Args:
        message: a message or its file.
        out: image to write; several images become NAME-1.png and so on.
        iq: the file is a SigMF recording.
        model: face model, loaded or by name; the message's model where None.
        snr_db: SNR of the simulated channel in dB (20): one number, or one for each image.
        channel: the simulated channel, as for `transmit`; AWGN where None.
        seed: random seed of the channel; a new one where None.
        certificate_in_png: also embed the certificate in the text of the PNG.
        device: compute device, see `core.device.choose_device`; the model's device where None.

    Raises:
        MessageError: the message is damaged, or needs another model.
    """
    out = output_path(out)
    keep_inputs(out, message)
    read, loaded = open_message(message, model, iq=iq)
    loaded = loaded.to(device)
    images = method_for_eve(read, loaded).eavesdrop(
        heard(read, snr_db=snr_db, rng=streams(seed)["eve"], channel=channel_of(channel))
    )
    certificate = replace(certificate_of(read).for_picture(), commit=commit())
    outputs = picture_outputs(out, images, certificate, in_png=certificate_in_png)
    return Received(images, read, certificate, publish_outputs(outputs, inputs=[message]))


def open_message(
    message: Message | AnyPath, model: FaceModel | ModelName | None, *, iq: bool = False
) -> tuple[Message, FaceModel]:
    """Read a message and load its face model.

    Args:
        message: a message, its file, or a recording of its burst.
        model: face model, loaded or by name; the model named in the message where None.
        iq: the file is a SigMF recording, which is also recognised by its name.

    Raises:
        MessageError: the message is damaged or digital, or its model is not on this machine.
    """
    read = _read(message, iq) if isinstance(message, str | os.PathLike) else message
    if isinstance(read, DigitalMessage):
        raise MessageError(
            "a digital message is sealed whole and has no symbols to hear; receive opens it with its key"
        )
    if not isinstance(read, Message):
        raise TypeError(f"name a message's file or give a message, got {type(read).__name__}")
    return read, _model_of(read, model)


def _open(
    message: Message | DigitalMessage | AnyPath, model: FaceModel | ModelName | None, *, iq: bool
) -> tuple[Message | DigitalMessage, FaceModel]:
    if isinstance(message, str | os.PathLike) and not iq and is_digital(message):
        message = read_digital(message)
    if isinstance(message, DigitalMessage):
        return message, _model_of(message, model)
    return open_message(message, model, iq=iq)


def _model_of(read: Message | DigitalMessage, model: FaceModel | ModelName | None) -> FaceModel:
    if isinstance(model, FaceModel):
        return model
    try:
        return load_model(model or read.model)
    except ValueError as error:
        raise MessageError(f"the message needs a model that is not here: {error}") from error


def _refuse_analogue(
    *, snr_db: AnySnr | None, channel: AnyChannel | str | None, pair: TrainedPair | None, authenticate: bool
) -> None:
    """Reject options of analogue symbols for a digital message."""
    if snr_db is not None or channel is not None:
        raise MessageError("a digital message passes no simulated channel; leave --snr-db and --channel out")
    if pair is not None or not authenticate:
        raise MessageError(
            "a digital message is authenticated and needs no pair; leave --deniable and --pair out"
        )


def _read(path: AnyPath, iq: bool) -> Message:
    if not iq and not Path(path).suffix.startswith(".sigmf"):
        return read_message(path)
    from semveil.radio.bursts import receive_recording  # needs the extra `iq`

    return receive_recording(Path(path))
