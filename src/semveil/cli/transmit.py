"""`semveil transmit`: Alice, Bob and Eve in one process."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semveil.cli import options
from semveil.cli.console import make_table, note, show, stages
from semveil.cli.parties import ProtectionOptions, default_model
from semveil.cli.photo_names import photo_names
from semveil.cli.verifiers import Name

if TYPE_CHECKING:
    from semveil.link.transmit import Transmitted

METRICS = ("lpips", "lpips_squeeze", "psnr", "ssim", "fppsr", "face_detected")


def transmit(
    photos: Annotated[list[Path], typer.Argument(help="Photos that show a face.", metavar="PHOTO...")],
    protection: options.Protection = None,
    epsilon: options.Epsilon = None,
    snr_db: Annotated[float, typer.Option(help="Bob's SNR per complex symbol in dB.", metavar="S")] = 20.0,
    eve_snr_db: Annotated[float | None, typer.Option(help="Eve's SNR; Bob's where not given.", metavar="S")] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            help="Both channels and receivers: awgn (default), rayleigh:coherence=64,csi=mmse, ...; see receive.",
            metavar=options.CHANNEL_METAVAR,
        ),
    ] = None,
    bob_channel: Annotated[
        str | None, typer.Option(help="Bob's channel, instead of --channel.", metavar=options.CHANNEL_METAVAR)
    ] = None,
    eve_channel: Annotated[
        str | None, typer.Option(help="Eve's channel, instead of --channel.", metavar=options.CHANNEL_METAVAR)
    ] = None,
    mechanism: options.Mechanism = None,
    private: options.Private = None,
    private_codes: options.PrivateCodes = None,
    budget: options.Budget = None,
    calibration: options.Calibration = None,
    delta: options.Delta = None,
    guard: options.Guard = None,
    deniable: options.Deniable = False,
    model: options.Model = None,
    face: options.Face = None,
    perceptual: options.Perceptual = None,
    verifier: Name = "dlib",
    threshold: Annotated[float | None, typer.Option(help="Of an ONNX verifier, on its cosine.", metavar="T")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures and result.json.", metavar="DIR")] = Path("out/transmit"),
    names: Annotated[
        str,
        typer.Option(
            help="What photos are called in the table, folders and result.json: after their files, or photo-1 and so on, where "
            "file names name people.",
            metavar="photos|numbers",
        ),
    ] = "photos",
    seed: options.Seed = None,
    device: options.Device = "auto",
    train: options.Train = True,
    as_json: options.Json = False,
) -> None:
    """Send photos to Bob over a wiretap channel on which Eve listens; all three are simulated.

    Writes source.png, inverted.png, direct.png (without protection), bob.png and eve.png, in a folder for each of several
    photos, and one result.json. Keyed protection draws a new key, which Bob has and Eve has not.

    Example: semveil transmit portrait.jpg --epsilon 10 --snr-db 20 --private skin,eyes,brows --out out/portrait

    Example: semveil transmit portrait.jpg --protection rotation --out out/portrait
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
    options.check_snr("--snr-db", snr_db)
    options.check_snr("--eve-snr-db", eve_snr_db)
    options.channel("--bob-channel", bob_channel or channel)  # their check
    options.channel("--eve-channel", eve_channel or channel)
    options.check_output_folder(out)
    called = photo_names(photos, names)
    options.check_device(device)

    from semveil.link.transmit import transmit as transmit_photos

    with stages(quiet=as_json) as advance:
        sent = transmit_photos(
            photos,
            out,
            model=model or default_model(),
            face=face,
            names=called,
            snr_db=snr_db,
            eve_snr_db=eve_snr_db,
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


def _print(sent: "Transmitted", out: Path, *, as_json: bool) -> None:
    from semveil.link.transmit import PICTURES, meaning

    rows = [
        [record["source"] if party == "inverted" else "", party, *(record[party].get(metric) for metric in METRICS)]
        for record in sent.summary["images"]
        for party in PICTURES[1:]
    ]
    reasons = sorted({v for record in sent.summary["images"] for k, v in record["bob"].items() if k.endswith("_reason")})
    lines = [sent.result.transmission.guarantee.summary()]
    if sent.method.pair is not None:
        lines.append(f"The {meaning(sent.method)}.")
    lines += [f"Left out: {reason}." for reason in reasons] + [f"Written to {out}."]
    headings = ["photo", "image", "LPIPS", "LPIPS-Squeeze", "PSNR dB", "SSIM", "FPPSR", "face found"]
    table = None if as_json else make_table(headings, rows)
    show({**sent.summary, "out": str(out)}, lines, as_json=as_json, table=table)
