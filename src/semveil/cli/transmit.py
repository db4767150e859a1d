# SPDX-License-Identifier: Apache-2.0
"""`semveil transmit`: Alice, Bob and Eve in one process."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.console import NOTHING_KEPT, Line, make_table, note, show, stages, when_interrupted
from semveil.cli.parties import ProtectionOptions, default_model
from semveil.cli.verifiers import Name, Threshold
from semveil.data.photo_names import photo_names

if TYPE_CHECKING:
    from semveil.link.transmit import Transmitted

METRICS = ["lpips", "lpips_squeeze", "psnr", "ssim", "fppsr", "face_detected"]


def transmit(
    photos: Annotated[list[Path], typer.Argument(help="Photos that show a face.", metavar="PHOTO...")],
    protection: options.ProtectionOfSimulation = None,
    epsilon: options.Epsilon = None,
    mechanism: options.Mechanism = None,
    private: options.Private = None,
    private_codes: options.PrivateCodes = None,
    budget: options.Budget = None,
    calibration: options.Calibration = None,
    delta: options.Delta = None,
    guard: options.Guard = None,
    deniable: options.Deniable = False,
    snr_db: Annotated[
        str,
        typer.Option(
            help=(
                "Bob's SNR per complex symbol in dB. Several, such as 0,5,10: one for each photo, or all for "
                "a single photo, which is inverted and sent once."
            ),
            metavar="DB",
            rich_help_panel=options.CHANNEL,
        ),
    ] = "20",
    eve_snr_db: Annotated[
        str | None,
        typer.Option(
            help="Eve's SNR in dB, one or as many as Bob's; Bob's by default.",
            metavar="DB",
            rich_help_panel=options.CHANNEL,
        ),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            help=(
                "Both channels and receivers: awgn (default), rayleigh:coherence=64,csi=mmse and others, "
                "named as in `semveil receive`."
            ),
            metavar=options.CHANNEL_METAVAR,
            rich_help_panel=options.CHANNEL,
        ),
    ] = None,
    bob_channel: Annotated[
        str | None,
        typer.Option(
            help="Bob's channel, instead of --channel.",
            metavar=options.CHANNEL_METAVAR,
            rich_help_panel=options.CHANNEL,
        ),
    ] = None,
    eve_channel: Annotated[
        str | None,
        typer.Option(
            help="Eve's channel, instead of --channel.",
            metavar=options.CHANNEL_METAVAR,
            rich_help_panel=options.CHANNEL,
        ),
    ] = None,
    seed: options.Seed = None,
    face: options.Face = None,
    verifier: Name = "dlib",
    threshold: Threshold = None,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the pictures and result.json.", metavar="DIR", rich_help_panel=options.OUTPUT
        ),
    ] = Path("out/transmit"),
    names: Annotated[
        str,
        typer.Option(
            help=(
                "Names of the photos in the table, in folders and in result.json: `photos` takes the files' "
                "names, `numbers` takes photo-1 and so on, where file names tell who is shown."
            ),
            metavar="WHICH",
            autocompletion=options.one_of("photos", "numbers"),
            rich_help_panel=options.OUTPUT,
        ),
    ] = "photos",
    model: options.Model = None,
    perceptual: options.Perceptual = None,
    device: options.Device = "auto",
    train: options.Train = True,
    as_json: options.Json = False,
) -> None:
    """Try a protection: send photos to Bob while Eve listens.

    All three are simulated here. Writes source.png, inverted.png (through the model, without channel),
    direct.png (without protection), bob.png and eve.png, in a folder for each of several photos or SNRs, and
    one result.json.

    Without options, keyed `rotation` protects all codes under a new key, which Bob has and Eve does not. The
    paper's trained pair is `--protection nn`: it guarantees nothing.

    Example: semveil transmit portrait.jpg

    Example: semveil transmit portrait.jpg --protection nn --epsilon 10

    Example: semveil transmit portrait.jpg --snr-db 0,5,10
    """
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
    asked.check(keyed=False)
    bob_snrs = _snrs("--snr-db", snr_db)
    eve_snrs = None if eve_snr_db is None else _snrs("--eve-snr-db", eve_snr_db)
    for flag, text in (
        ("--channel", channel),
        ("--bob-channel", bob_channel),
        ("--eve-channel", eve_channel),
    ):
        options.channel(flag, text)  # raises if it is not valid
    options.check_output_folder(out)
    called = photo_names(photos, names)
    options.check_device(device)

    from semveil.link.transmit import transmit as transmit_photos

    with when_interrupted(NOTHING_KEPT), stages(quiet=as_json) as advance:
        sent = transmit_photos(
            photos,
            out,
            model=model or default_model(),
            face=face,
            names=called,
            snr_db=bob_snrs,
            eve_snr_db=eve_snrs,
            channel=bob_channel or channel,
            eve_channel=eve_channel or channel,
            verifier=verifier,
            threshold=threshold,
            seed=seed,
            train=train,
            device=device,
            progress=advance,
            note=note,
            **asked.arguments(),
        )
    _print(sent, out, as_json=as_json)


def _snrs(flag: str, text: str) -> float | list[float]:
    """Read one SNR, or several separated by commas."""
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        raise options.OptionError(f"{flag} takes numbers such as 20 or 0,5,10, got {text!r}") from None
    for value in found:
        options.check_snr(flag, value)
    return found if len(found) > 1 else found[0]


def _print(sent: "Transmitted", out: Path, *, as_json: bool) -> None:
    from semveil.link.transmit import PICTURES, meaning
    from semveil.link.words import legend, persons

    records, config = sent.summary["images"], sent.summary["config"]
    judge = config["verifier"]["name"]
    shown = [metric for metric in METRICS if any(record["bob"].get(metric) is not None for record in records)]
    names = legend(shown, judge)
    rows = [
        [
            _heading(record) if party == "inverted" else "",
            party,
            *(record[party].get(metric) for metric in shown),
        ]
        for record in records
        for party in PICTURES[1:]
    ]
    lines: list[Line] = [*names]
    lines += [
        (party, persons([record[party.lower()] for record in records], judge) + ".")
        for party in ("Bob", "Eve")
    ]
    lines.append(("Protection", f"{sent.method.protection}. {sent.result.transmission.guarantee.summary()}"))
    if sent.method.pair is not None:
        lines.append(("", f"The {meaning(sent.method)}."))
    lines.append(("Bandwidth", f"{sent.bandwidth}."))
    reasons = sorted({v for record in records for k, v in record["bob"].items() if k.endswith("_reason")})
    to_get = [found for reason in reasons for found in re.findall(r"semveil models get [\w-]+", reason)]
    if to_get:
        lines.append(("LPIPS left out", "; ".join(to_get)))
    lines += [("Left out", f"{reason}.") for reason in reasons if "semveil models get" not in reason]
    size = config["image_size"]
    each = "SNR" if "snr_db" in records[0] else "photo"
    several = f" in a folder for each {each}" if len(records) > 1 else ""
    pictures = ", ".join(f"{name}.png" for name in PICTURES)
    lines.append(("Written", f"{out}: {pictures}{several} ({size} x {size} px), result.json."))
    lines.append(
        ("Next", "semveil send makes a message, and semveil attack tries harder on it than this Eve")
    )
    headings = ["photo", "image", *(name for name, _ in names)]
    table = None if as_json else make_table(headings, rows)
    show({**sent.summary, "out": str(out)}, lines, as_json=as_json, table=table)


def _heading(record: dict[str, Any]) -> str:
    """Name of a photo, with the SNRs where it was received at several."""
    if "snr_db" not in record:
        return str(record["source"])
    bob, eve = record["snr_db"], record["eve_snr_db"]
    return f"{record['source']}, {bob:g} dB" + ("" if eve == bob else f", Eve {eve:g} dB")
