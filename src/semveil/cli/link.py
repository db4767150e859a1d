# SPDX-License-Identifier: Apache-2.0
"""`semveil send`, `receive` and `eavesdrop`: three processes that share one message file."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.certified import certified_lines, record_lines
from semveil.cli.console import NOTHING_KEPT, Line, note, show, stages, when_interrupted
from semveil.cli.ledger import LedgerFile, SpendingLimit, check_limit
from semveil.cli.parties import ProtectionOptions, default_model
from semveil.cli.shared_key import check_key_options, key_of
from semveil.cli.terminal import pasted
from semveil.core.output_path import keep_inputs

if TYPE_CHECKING:
    from semveil.channels import Bandwidth
    from semveil.link.receive import Received
    from semveil.link.send import Sent

MessageFile = Annotated[
    Path, typer.Argument(help="Message file that `semveil send` wrote.", metavar="MESSAGE")
]
Picture = Annotated[
    Path,
    typer.Option(
        help="PNG to write; for several images NAME-1.png, NAME-2.png and so on.",
        metavar="FILE.png",
        rich_help_panel=options.OUTPUT,
    ),
]
RADIO, DIGITAL = "Radio", "Digital link"


def send(
    photo: Annotated[Path, typer.Argument(help="Photo that shows a face.", metavar="PHOTO")],
    out: Annotated[
        Path | None,
        typer.Option(help="Message file to write.", metavar="FILE.svl", rich_help_panel=options.OUTPUT),
    ] = None,
    key: options.Key = None,
    passphrase_file: options.PassphraseFile = None,
    identity: options.Identity = None,
    peer: options.Peer = None,
    deniable: options.Deniable = False,
    protection: options.Protection = None,
    mechanism: options.Mechanism = None,
    private: options.Private = None,
    private_codes: options.PrivateCodes = None,
    epsilon: options.Epsilon = None,
    budget: options.Budget = None,
    calibration: options.Calibration = None,
    delta: options.Delta = None,
    guard: options.Guard = None,
    pair: options.Pair = None,
    face: options.Face = None,
    subject: options.Subject = None,
    ledger: LedgerFile = None,
    limit: SpendingLimit = None,
    for_snr_db: Annotated[
        float | None,
        typer.Option(
            help=(
                "Round the symbols to the precision that this SNR leaves: at 20 dB the file is a third as "
                "large."
            ),
            metavar="DB",
            rich_help_panel=options.CHANNEL,
        ),
    ] = None,
    iq: Annotated[
        Path | None,
        typer.Option(
            help="SigMF recording to write: the message as a radio signal.",
            metavar="FILE.sigmf|.sigmf-meta",
            rich_help_panel=RADIO,
        ),
    ] = None,
    iq_format: Annotated[
        str | None,
        typer.Option(
            help=(
                "Sample format of the recording: `cf32`, two floats (the default), or `ci16`, two 16-bit "
                "integers."
            ),
            metavar="FORMAT",
            autocompletion=options.one_of("cf32", "ci16"),
            rich_help_panel=RADIO,
        ),
    ] = None,
    sample_rate: Annotated[
        float | None,
        typer.Option(
            help="Sample rate of the recording, four samples per symbol; 1 MHz by default.",
            metavar="HZ",
            rich_help_panel=RADIO,
        ),
    ] = None,
    frequency: Annotated[
        float | None,
        typer.Option(
            help="Carrier frequency that the recording's metadata states; 0 by default.",
            metavar="HZ",
            rich_help_panel=RADIO,
        ),
    ] = None,
    digital: Annotated[
        bool,
        typer.Option(
            "--digital",
            help=(
                "Write a message for a digital link: the latents as bytes, encrypted and authenticated; "
                "needs a key."
            ),
            rich_help_panel=DIGITAL,
        ),
    ] = False,
    image_bytes: Annotated[
        int | None,
        typer.Option(
            "--bytes",
            help="Size of each image with --digital; 4.5 bits for a latent number by default.",
            metavar="N",
            min=16,
            rich_help_panel=DIGITAL,
        ),
    ] = None,
    model: options.Model = None,
    perceptual: options.Perceptual = None,
    device: options.Device = "auto",
    train: options.Train = True,
    as_json: options.Json = False,
) -> None:
    """Alice: turn a photo into a message file.

    The message holds clean symbols with the side information to read them; each receiver simulates its own
    channel. A certificate is written beside it. A release about a person is recorded in the ledger before
    anybody can read the message.

    Example: semveil send portrait.jpg --key alice-bob.key --out m.svl

    Example: semveil send portrait.jpg --key alice-bob.key --iq m.sigmf

    Example: semveil send portrait.jpg --key bob.key --digital --out m.svd

    Example: semveil send face.jpg --protection laplace --epsilon 500 --out m.svl
    """
    outputs = [path for path in (out, iq) if path is not None]
    if not outputs:
        raise options.OptionError("name a message file with --out, a recording with --iq, or both")
    keyed = check_key_options(key, passphrase_file, identity, peer)
    asked = ProtectionOptions(
        protection=protection,
        mechanism=mechanism,
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
    options.check_snr("--for-snr-db", for_snr_db)
    if digital:
        if not keyed:
            raise options.OptionError("--digital needs a key: semveil keygen --out my.key, then --key my.key")
        if for_snr_db is not None:
            raise options.OptionError("--digital has no symbols; leave --for-snr-db out, and choose --bytes")
        if iq is not None:
            raise options.OptionError("--digital makes bytes for a modem of your own; leave --iq out")
        if deniable or any(
            asked.arguments()[name] is not None for name in asked.arguments() if name != "perceptual"
        ):
            raise options.OptionError("--digital seals all codes; leave options of other protections out")
    elif image_bytes is not None:
        raise options.OptionError("--bytes is for --digital")
    if asked.needs_key() and not keyed:
        raise options.OptionError(
            f"--protection {protection} needs a key: semveil keygen --out my.key, then --key my.key"
        )
    for path in outputs:
        options.check_output_file(path)
        keep_inputs(path, passphrase_file, pair)
    opening = _opening(key, passphrase_file, peer) + (" --deniable" if deniable else "")
    _check_recording(iq, iq_format, sample_rate, frequency)
    check_limit(limit)

    if subject is None and (ledger is not None or limit is not None):
        raise options.OptionError(
            "--ledger and --limit are for releases about a person; name the person with --subject"
        )

    options.check_device(device)

    from semveil.link.send import send as send_photo
    from semveil.methods.pairs import read_pair

    with when_interrupted(NOTHING_KEPT), stages(quiet=as_json) as advance:
        sent = send_photo(
            photo,
            out,
            iq=iq,
            iq_format=iq_format,
            sample_rate=sample_rate,
            frequency=frequency,
            digital=digital,
            image_bytes=image_bytes,
            for_snr_db=for_snr_db,
            model=model or default_model(),
            key=key_of(key, passphrase_file, identity, peer, confirm=True),
            pair=None if pair is None else read_pair(pair),
            face=face,
            subject=subject,
            ledger=ledger,
            limit=limit,
            train=train,
            device=device,
            progress=advance,
            note=note,
            **asked.arguments(),
        )
    _report(
        sent,
        counted=sent.bandwidth,
        more=record_lines(sent.record),
        following=_after_sending(out, iq, opening, digital=digital),
        as_json=as_json,
    )


def receive(
    message: MessageFile,
    out: Picture,
    key: options.Key = None,
    passphrase_file: options.PassphraseFile = None,
    identity: options.Identity = None,
    peer: options.Peer = None,
    deniable: options.DeniableMessage = False,
    replay: Annotated[
        bool,
        typer.Option(
            "--replay", help="Read a keyed message that was read before.", rich_help_panel=options.KEY
        ),
    ] = False,
    pair: options.Pair = None,
    snr_db: options.SnrDb = None,
    channel: options.BobChannel = None,
    seed: options.Seed = None,
    iq: options.Iq = False,
    in_png: options.CertificateInPng = False,
    model: options.Model = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Bob: open a message and reconstruct the photo.

    The message passes a simulated channel (AWGN at 20 dB); a digital one passes none and is opened, or
    refused if anything in it was altered. A keyed message can be read once: its nonce is logged, and a replay
    is refused.

    Example: semveil receive m.svl --key alice-bob.key --out bob.png

    Example: semveil receive m.svl --key bob.key --channel rayleigh --out bob.png

    Example: semveil receive --iq heard.sigmf-meta --key bob.key --out bob.png
    """
    given = key_of(key, passphrase_file, identity, peer)
    _check(out, snr_db)
    keep_inputs(out, passphrase_file, pair)
    over = options.channel("--channel", channel)
    options.check_device(device)

    from semveil.link.receive import receive as receive_message
    from semveil.methods.pairs import read_pair

    received = receive_message(
        message,
        out,
        iq=iq,
        key=given,
        model=model,
        pair=None if pair is None else read_pair(pair),
        snr_db=snr_db,
        channel=over,
        seed=seed,
        authenticate=not deniable,
        replay=replay,
        certificate_in_png=in_png,
        device=device,
        note=note,
    )
    shown = pasted(received.written[0])
    if received.certificate.guarantee.epsilon is None:
        following = f"semveil protect {shown}"
        short = "Bob's picture is unprotected: keep it private. Protect it before you show it to others."
    else:
        following, short = f"semveil certify {shown}", None
    _report(received, short=short, following=[following], as_json=as_json)


def eavesdrop(
    message: MessageFile,
    out: Picture,
    snr_db: options.SnrDb = None,
    channel: options.EveChannel = None,
    seed: options.Seed = None,
    iq: options.Iq = False,
    in_png: options.CertificateInPng = False,
    model: options.Model = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Eve: decode a message naively, as the paper's eavesdropper does.

    The received signal, over her own simulated channel (AWGN at 20 dB), goes into the public generator.
    `semveil attack` tries harder.

    Example: semveil eavesdrop m.svl --out eve.png
    """
    _check(out, snr_db)
    over = options.channel("--channel", channel)
    options.check_device(device)

    from semveil.link.receive import eavesdrop as eavesdrop_on

    heard = eavesdrop_on(
        message,
        out,
        iq=iq,
        model=model,
        snr_db=snr_db,
        channel=over,
        seed=seed,
        certificate_in_png=in_png,
        device=device,
    )
    _report(heard, following=[f"semveil attack {pasted(message)}"], as_json=as_json)


def _opening(key: Path | None, passphrase_file: Path | None, peer: Path | None) -> str:
    """Options with which the receiver opens the message; empty without a key."""
    if peer is not None:
        return " --identity BOB.secret --peer ALICE.public"
    secret = [("--key", key), ("--passphrase-file", passphrase_file)]
    return "".join(f" {option} {pasted(path)}" for option, path in secret if path is not None)


def _after_sending(out: Path | None, iq: Path | None, opening: str, *, digital: bool) -> list[str]:
    """Next commands after sending a message file or a recording."""
    if out is None:
        return [] if iq is None else [f"semveil receive --iq {pasted(iq)}{opening} --out bob.png"]
    name = pasted(out)
    bob = f"semveil receive {name}{opening} --out bob.png"
    return [bob] if digital else [bob, f"semveil attack {name}"]


def _check(out: Path, snr_db: float | None) -> None:
    options.check_output_file(out, ".png")
    options.check_snr("--snr-db", snr_db)


def _check_recording(
    path: Path | None, datatype: str | None, sample_rate: float | None, frequency: float | None
) -> None:
    given = (("--iq-format", datatype), ("--sample-rate", sample_rate), ("--frequency", frequency))
    if path is None:
        for option, value in given:
            if value is not None:
                raise options.OptionError(f"{option} is for a recording; name it with --iq, or leave it out")
        return
    if sample_rate is not None and not 0 < sample_rate < math.inf:
        raise options.OptionError(f"--sample-rate must be a finite number > 0 in Hz, got {sample_rate:g}")
    if frequency is not None and not math.isfinite(frequency):
        raise options.OptionError(f"--frequency must be a finite number in Hz, got {frequency:g}")

    from semveil.radio.recording import FORMATS, SUFFIXES, require_sigmf

    if path.suffix not in SUFFIXES:
        raise options.OptionError(f"--iq needs a name that ends in {', '.join(SUFFIXES)}, got {str(path)!r}")
    if datatype is not None and datatype not in FORMATS:
        raise options.OptionError(f"--iq-format must be {' or '.join(FORMATS)}, got {datatype!r}")
    require_sigmf()


def _report(
    made: "Sent | Received",
    *,
    short: str | None = None,
    counted: "Bandwidth | None" = None,
    more: Sequence[Line] = (),
    following: Sequence[str] = (),
    as_json: bool,
) -> None:
    """Print the kind of message, its guarantee, the outputs and the next commands.

    Args:
        made: a message that was sent or received.
        short: statement in place of the certificate's short one.
        counted: channel uses of an image that was sent over no channel yet.
        more: further lines of the command.
        following: next commands.
        as_json: print one JSON object.
    """
    message, outputs = made.message, made.written[: len(made.written) // 2]
    result: dict[str, Any] = {
        "method": message.method,
        "model": message.model,
        "images": message.images,
        "protection": message.protection,
        "calibration": message.calibration,
        "nominal_epsilon": message.nominal_epsilon,
        "private_codes": list(message.private_codes),
        "authenticated": message.keyed.authenticated if message.keyed else None,
        "guarantee": _guarantee(made),
        "certificate": made.certificate.as_dict(),
        "written": [str(path) for path in outputs],
    }
    uses: list[Line] = []
    if counted is not None:
        result["bandwidth"] = counted.as_dict()
        uses.append(("Bandwidth", f"{counted}; pilots of a channel come on top"))
    several = "s" if message.images > 1 else ""
    size = f"{made.size} x {made.size} px"
    lines: list[Line] = [
        (
            "Message",
            f"{message.images} image{several} of {size}, model {message.model}, protection "
            f"{message.protection}",
        ),
        *certified_lines(made.certificate, made.written, short=short),
        *uses,
        *more,
        ("Written", ", ".join(result["written"])),
        *(("Next" if i == 0 else "", command) for i, command in enumerate(following)),
    ]
    show(result, lines, as_json=as_json)


def _guarantee(made: "Sent | Received") -> dict[str, Any]:
    """Guarantee from the message's header; a digital message has none, so it is derived from the message."""
    from semveil.channels import DigitalMessage
    from semveil.methods.digital import digital_certificate

    message = made.message
    if isinstance(message, DigitalMessage):
        return digital_certificate(message).guarantee.as_dict()
    return dict(message.guarantee)
