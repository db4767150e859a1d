"""`semveil send`, `receive` and `eavesdrop`: three processes and one message file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.certified import certified_outputs, open_ledger, recorded
from semveil.cli.console import note, progress, show
from semveil.cli.ledger import LedgerFile, SpendingLimit, check_limit
from semveil.cli.parties import ProtectionOptions, build_method, default_model, load_faces
from semveil.cli.shared_key import SENT, alice_key, bob_key, check_key_options, nonce_log

if TYPE_CHECKING:
    from torch import Tensor

    from semveil.channels import Message
    from semveil.core.certificate import Certificate
    from semveil.core.publish import File
    from semveil.methods.face_model import FaceModel

MessageFile = Annotated[Path, typer.Argument(help="Message file that `semveil send` wrote.", metavar="MESSAGE")]
Picture = Annotated[
    Path, typer.Option(help="PNG to write; of several images NAME-1.png, NAME-2.png and so on.", metavar="FILE.png")
]


def send(
    photo: Annotated[Path, typer.Argument(help="Photo that shows a face.", metavar="PHOTO")],
    out: Annotated[Path | None, typer.Option(help="Message file to write.", metavar="FILE.svl")] = None,
    iq: Annotated[
        Path | None,
        typer.Option(help="SigMF recording to write: the same as a radio signal.", metavar="FILE.sigmf|.sigmf-meta"),
    ] = None,
    iq_format: Annotated[
        str, typer.Option(help="Of its samples: two floats or two 16-bit integers.", metavar="cf32|ci16")
    ] = "cf32",
    key: options.Key = None,
    passphrase_file: options.PassphraseFile = None,
    identity: options.Identity = None,
    peer: options.Peer = None,
    deniable: options.Deniable = False,
    protection: options.Protection = None,
    private: options.Private = None,
    private_codes: options.PrivateCodes = None,
    epsilon: options.Epsilon = None,
    budget: options.Budget = None,
    calibration: options.Calibration = None,
    delta: options.Delta = None,
    guard: options.Guard = None,
    model: options.Model = None,
    face: options.Face = None,
    perceptual: options.Perceptual = None,
    pair: options.Pair = None,
    train: options.Train = True,
    subject: options.Subject = None,
    ledger: LedgerFile = None,
    limit: SpendingLimit = None,
    as_json: options.Json = False,
) -> None:
    """Alice: turn a photo into a message, clean symbols with the side information to read them.

    The receivers simulate the channel, each its own. A certificate is written beside the message. A release about a person is
    in the ledger before the message can be read.

    Example: semveil send portrait.jpg --key alice-bob.key --out m.svl

    Example: semveil send portrait.jpg --key alice-bob.key --iq m.sigmf

    Example: semveil send portrait.jpg --protection laplace --private all --epsilon 500 --out m.svl
    """
    outputs = [path for path in (out, iq) if path is not None]
    if not outputs:
        raise options.OptionError("name a message file with --out, a recording with --iq, or both")
    keyed = check_key_options(key, passphrase_file, identity, peer)
    asked = ProtectionOptions(
        protection=protection,
        codes=options.private_codes(private, private_codes),
        epsilon=epsilon,
        calibration=calibration,
        budget=budget,
        delta=delta,
        guard=guard,
        deniable=deniable,
        perceptual=perceptual,
    )
    asked.check(keyed=keyed)
    if protection in ("rotation", "modulo") and not keyed:
        raise options.OptionError(f"--protection {protection} needs a key: semveil keygen --out my.key, then --key my.key")
    for path in outputs:
        options.check_output_file(path)
    if iq is not None:
        _check_recording(iq, iq_format)
    check_limit(limit)

    from dataclasses import replace

    from semveil.channels import message_bytes
    from semveil.core.provenance import commit
    from semveil.core.publish import publish
    from semveil.data.certified import certified
    from semveil.methods.certificates import certificate_of
    from semveil.methods.face_model import load_model
    from semveil.methods.messages import to_message

    book = open_ledger(subject, ledger, limit)
    shared = alice_key(key, passphrase_file, identity, peer)
    loaded = load_model(model or default_model())
    faces = load_faces([photo], loaded, face, quiet=as_json)
    method = build_method(loaded, asked, key=shared, pair_file=pair, train=train, quiet=as_json)
    with progress("Inverting", quiet=as_json) as advance:
        latents = method.invert(faces.images, progress=advance).codes
    message = to_message(method, method.send_codes(latents))
    term = loaded.describe_inversion(method.perceptual)["perceptual_term"]
    certificate = replace(certificate_of(message, method, perceptual=term), commit=commit())

    def written_down() -> None:
        if book is not None and subject is not None:
            book.record(subject, certificate, limit=limit)
        if message.keyed is not None:
            nonce_log(SENT).add(message.keyed.nonce)

    made = [] if out is None else [certified(out, message_bytes(message), certificate)]
    if iq is not None:
        made += [certified(path, content, certificate) for path, content in _recorded_signal(iq, message, iq_format)]
    files, lines = certified_outputs(made, certificate)
    publish(files, once=written_down)
    _report(message, certificate, [output[-1][0] for output in made], lines + recorded(book, subject), as_json=as_json)


def _recorded_signal(path: Path, message: "Message", datatype: str) -> list[tuple[Path, bytes]]:
    """The files of a recording and their bytes; they are written elsewhere first, since nobody may read them before booking."""
    import tempfile

    from semveil.radio.bursts import send_recording

    with tempfile.TemporaryDirectory() as folder:
        files = send_recording(Path(folder) / path.name, message, datatype=datatype)
        return [(path.with_name(file.name), file.read_bytes()) for file in files]


def receive(
    message: MessageFile,
    out: Picture,
    key: options.Key = None,
    passphrase_file: options.PassphraseFile = None,
    identity: options.Identity = None,
    peer: options.Peer = None,
    deniable: options.Deniable = False,
    replay: Annotated[bool, typer.Option("--replay", help="Read a keyed message that was read before.")] = False,
    snr_db: options.SnrDb = None,
    channel: options.BobChannel = None,
    iq: options.Iq = False,
    seed: options.Seed = None,
    model: options.Model = None,
    pair: options.Pair = None,
    in_png: options.CertificateInPng = False,
    as_json: options.Json = False,
) -> None:
    """Bob: hear a message over a simulated channel (AWGN, 20 dB), undo the protection and make the image.

    A keyed message is read once: its nonce goes into a log, and whoever sends it again is found out.

    Example: semveil receive m.svl --key alice-bob.key --snr-db 15 --out bob.png

    Example: semveil receive m.svl --key alice-bob.key --channel rayleigh:coherence=64,csi=mmse --out bob.png

    Example: semveil receive --iq heard.sigmf-meta --key alice-bob.key --out bob.png
    """
    check_key_options(key, passphrase_file, identity, peer)
    _check(out, snr_db)
    over = options.channel("--channel", channel)

    from contextlib import nullcontext

    from semveil.core.publish import publish
    from semveil.core.rng import streams
    from semveil.methods.certificates import certificate_of
    from semveil.methods.dp_semcom import NOISY
    from semveil.methods.messages import heard, method_for_bob
    from semveil.methods.pairs import read_pair

    read, loaded = open_message(message, model, iq=iq)
    shared = None if read.keyed is None else bob_key(read.keyed.source, key, passphrase_file, identity, peer)
    nonce = None if read.keyed is None else read.keyed.nonce
    method = method_for_bob(read, loaded, pair=None if pair is None else read_pair(pair), key=shared, authenticate=not deniable)
    if nonce is not None and not replay:
        nonce_log().check(nonce)
    if nonce is not None and nonce_log(SENT).holds(nonce):
        note("this message was sent from this machine; if you did not send it to yourself, somebody sent it back to you")
    images = method.receive(heard(read, snr_db=snr_db, rng=streams(seed)["bob"], channel=over))
    certificate = certificate_of(read, method)
    as_heard = read.protection in (*NOISY, "none")  # nothing was undone
    opened = certificate.for_picture() if as_heard else certificate.for_opened_picture()
    files, written, lines = _pictures(out, images, opened, in_png=in_png)
    # Only after the key fitted, or a forged message would block the true one; and spent only if the picture is there.
    with nullcontext() if nonce is None or replay else nonce_log().claim(nonce):
        publish(files)
    _report(read, opened, written, lines, as_json=as_json)


def eavesdrop(
    message: MessageFile,
    out: Picture,
    snr_db: options.SnrDb = None,
    channel: options.EveChannel = None,
    iq: options.Iq = False,
    seed: options.Seed = None,
    model: options.Model = None,
    in_png: options.CertificateInPng = False,
    as_json: options.Json = False,
) -> None:
    """Eve: hear a message over her own simulated channel (AWGN, 20 dB) and put it into the public generator, as in the paper.

    Example: semveil eavesdrop m.svl --out eve.png
    """
    _check(out, snr_db)
    over = options.channel("--channel", channel)

    from semveil.core.publish import publish
    from semveil.core.rng import streams
    from semveil.methods.certificates import certificate_of
    from semveil.methods.messages import heard, method_for_eve

    read, loaded = open_message(message, model, iq=iq)
    method = method_for_eve(read, loaded)
    images = method.eavesdrop(heard(read, snr_db=snr_db, rng=streams(seed)["eve"], channel=over))
    certificate = certificate_of(read).for_picture()
    files, written, lines = _pictures(out, images, certificate, in_png=in_png)
    publish(files)
    _report(read, certificate, written, lines, as_json=as_json)


def _check(out: Path, snr_db: float | None) -> None:
    options.check_output_file(out, ".png")
    options.check_snr("--snr-db", snr_db)


def _check_recording(path: Path, datatype: str) -> None:
    from semveil.radio.recording import FORMATS, SUFFIXES, require_sigmf

    if path.suffix not in SUFFIXES:
        raise options.OptionError(f"--iq needs a name that ends in {', '.join(SUFFIXES)}, got {str(path)!r}")
    if datatype not in FORMATS:
        raise options.OptionError(f"--iq-format must be {' or '.join(FORMATS)}, got {datatype!r}")
    require_sigmf()


def open_message(path: Path, model: str | None, *, iq: bool = False) -> "tuple[Message, FaceModel]":
    """A message file, or the burst in a recording, and the model that it needs."""
    from semveil.channels import MessageError, read_message
    from semveil.methods.face_model import load_model

    if iq or path.suffix.startswith(".sigmf"):
        from semveil.radio.bursts import receive_recording

        message = receive_recording(path)
    else:
        message = read_message(path)
    try:
        return message, load_model(model or message.model)
    except ValueError as error:
        raise MessageError(f"the message needs a model that is not here: {error}") from error


def _pictures(
    out: Path, images: "Tensor", certificate: "Certificate", *, in_png: bool
) -> "tuple[list[File], list[Path], list[str]]":
    """Pictures with their certificates, ready to be published, where they will lie, and lines for the user."""
    from dataclasses import replace

    from semveil.core.pixels import to_pixels
    from semveil.core.provenance import commit
    from semveil.data.certified import certified_picture

    made, pixels = replace(certificate, commit=commit()), to_pixels(images)
    paths = [out] if len(pixels) == 1 else [out.with_stem(f"{out.stem}-{i}") for i in range(1, len(pixels) + 1)]
    outputs = [certified_picture(path, one, made, inside=in_png) for path, one in zip(paths, pixels, strict=True)]
    files, lines = certified_outputs(outputs, made)
    return files, paths, lines


def _report(message: "Message", certificate: "Certificate", written: list[Path], lines: list[str], *, as_json: bool) -> None:
    """What the message is, what holds for what was written, and where it lies."""
    result: dict[str, Any] = {
        "method": message.method,
        "model": message.model,
        "images": message.images,
        "protection": message.protection,
        "calibration": message.calibration,
        "nominal_epsilon": message.nominal_epsilon,
        "private_codes": list(message.private_codes),
        "authenticated": message.keyed.authenticated if message.keyed else None,
        "guarantee": dict(message.guarantee),
        "certificate": certificate.as_dict(),
        "written": [str(path) for path in written],
    }
    first = (
        f"{message.images} image{'s' if message.images > 1 else ''}, model {message.model}, protection {message.protection}."
    )
    show(result, [first, *lines, f"Written: {', '.join(result['written'])}."], as_json=as_json)
