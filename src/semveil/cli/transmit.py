"""`semveil transmit`: Alice, Bob and Eve in one process."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.console import make_table, progress, show
from semveil.cli.parties import ProtectionOptions, build_method, default_model, load_faces
from semveil.cli.photo_names import photo_names
from semveil.cli.results import SUMMARY, whole_folder
from semveil.cli.verifiers import Name, choose_verifier

if TYPE_CHECKING:
    from semveil.core.privacy import Guarantee
    from semveil.methods.dp_semcom import DPSemCom, WiretapResult

PICTURES = ("source", "inverted", "direct", "bob", "eve")
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
    bob_over = options.channel("--bob-channel", bob_channel or channel)
    eve_over = options.channel("--eve-channel", eve_channel or channel)
    options.check_output_folder(out)
    photo_names(photos, names)  # its check

    from semveil.core.rng import streams
    from semveil.experiments.record import measure
    from semveil.experiments.verifiers import Remembering
    from semveil.methods.dp_semcom import NOISY
    from semveil.methods.face_model import load_model

    loaded = load_model(model or default_model())
    judge, judge_card = choose_verifier(verifier, resolution=loaded.size, threshold=threshold)
    faces = load_faces(photos, loaded, face, quiet=as_json, names=names)
    method = build_method(loaded, asked, train=train, quiet=as_json)
    # The seed of genuine noise is the noise: drawn from the operating system unless given, and never written.
    genuine = method.protection in NOISY
    run_seed = secrets.randbits(32) if seed is None and not genuine else seed
    with progress("Inverting", quiet=as_json) as advance:
        latents = method.invert(faces.images, progress=advance).codes
    with progress("Sending and measuring", quiet=as_json):
        result = method.transmit(
            faces.images,
            snr_db=snr_db,
            eve_snr_db=eve_snr_db,
            codes=latents,
            run=streams(run_seed),
            bob_channel=bob_over,
            eve_channel=eve_over,
        )
        records = measure(result, method, Remembering(judge), ids=faces.ids)
    summary = {
        "config": {
            **_describe(method),
            "inversion": loaded.describe_inversion(method.perceptual),
            "snr_db": snr_db,
            "eve_snr_db": snr_db if eve_snr_db is None else eve_snr_db,
            "channel": bob_channel or channel or "awgn",
            "eve_channel": eve_channel or channel or "awgn",
            "verifier": judge_card,
        },
        "seeds": {"run": None, "reason": "it would give the noise away"} if genuine else {"run": run_seed},
        "versions": _versions(),
        "images": records,
    }
    _write(out, result, method, faces.ids, summary)
    _print(summary, method, result.transmission.guarantee, out, as_json=as_json)


def _describe(method: "DPSemCom") -> dict[str, Any]:
    from semveil.methods.face_model import box_as_dict
    from semveil.methods.pairs import pair_digest

    model, noise = method.model, method.calibration
    return {
        "method": method.name,
        "model": model.name,
        "model_digest": model.digest,
        "image_size": model.size,
        "latent_shape": list(model.latent_shape),
        "clip_box": box_as_dict(model.box),
        "protection": method.protection,
        "pair_digest": pair_digest(method.pair) if method.pair else None,
        "private_codes": list(method.private_codes),
        "private_parts": method.private_parts,
        "nominal_epsilon": method.nominal_epsilon,
        "budget": method.budget,
        "calibration": {
            "name": noise.name,
            "scale": noise.scale,
            "true_epsilon_of_genuine_noise": noise.true_epsilon,
            "meaning": _meaning(method),
        }
        if method.protection == "nn"
        else None,
    }


def _meaning(method: "DPSemCom") -> str:
    """What the nominal epsilon of a trained pair is worth."""
    from semveil.core.rounding import text_above

    noise, epsilon = method.calibration, text_above(method.calibration.true_epsilon, 4)
    return (
        f"nominal epsilon {noise.nominal_epsilon:g} ({noise.name}): genuine Laplace noise of scale {noise.scale:.4g} would "
        f"give the private codes epsilon {epsilon}; the trained pair imitates such noise and guarantees nothing"
    )


def _versions() -> dict[str, str | None]:
    from semveil.core.provenance import commit, versions

    return {**versions(), "commit": commit()}


def _write(out: Path, result: "WiretapResult", method: "DPSemCom", ids: tuple[str, ...], summary: dict[str, Any]) -> None:
    from semveil.core.pixels import to_pixels
    from semveil.core.results import write_result
    from semveil.data.certified import write_certificate
    from semveil.data.save import save_png
    from semveil.methods.certificates import certificate_of
    from semveil.methods.messages import to_message

    pixels = {name: to_pixels(getattr(result, name)) for name in PICTURES}
    heard = certificate_of(to_message(method, result.transmission), method).for_picture()
    with whole_folder(out) as folder:
        for i, name in enumerate(ids):
            place = folder / name if len(ids) > 1 else folder
            place.mkdir(exist_ok=True)
            for picture in PICTURES:
                save_png(place / f"{picture}.png", pixels[picture][i])
            write_certificate(place / "eve.png", heard)
        write_result(folder / SUMMARY, summary)


def _print(summary: dict[str, Any], method: "DPSemCom", guarantee: "Guarantee", out: Path, *, as_json: bool) -> None:
    rows = [
        [record["source"] if party == "inverted" else "", party, *(record[party].get(metric) for metric in METRICS)]
        for record in summary["images"]
        for party in PICTURES[1:]
    ]
    reasons = sorted({v for record in summary["images"] for k, v in record["bob"].items() if k.endswith("_reason")})
    lines = [guarantee.summary()]
    if method.protection == "nn":
        lines.append(f"The {_meaning(method)}.")
    lines += [f"Left out: {reason}." for reason in reasons] + [f"Written to {out}."]
    headings = ["photo", "image", "LPIPS", "LPIPS-Squeeze", "PSNR dB", "SSIM", "FPPSR", "face found"]
    table = None if as_json else make_table(headings, rows)
    show({**summary, "out": str(out)}, lines, as_json=as_json, table=table)
