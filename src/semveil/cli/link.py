"""`semveil send`, `receive` and `eavesdrop`: three processes and one message file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.console import progress, show
from semveil.cli.parties import build_method, default_model, load_faces

if TYPE_CHECKING:
    from torch import Tensor

    from semveil.channels import Message
    from semveil.methods.dp_semcom import DPSemCom
    from semveil.methods.face_model import FaceModel

MessageFile = Annotated[Path, typer.Argument(help="Message file that `semveil send` wrote.", metavar="MESSAGE")]
Picture = Annotated[
    Path, typer.Option(help="PNG to write; of several images NAME-1.png, NAME-2.png and so on.", metavar="FILE.png")
]


def send(
    photo: Annotated[Path, typer.Argument(help="Photo that shows a face.", metavar="PHOTO")],
    out: Annotated[Path, typer.Option(help="Message file to write.", metavar="FILE.svl")],
    epsilon: options.Epsilon = None,
    private: options.Private = None,
    private_codes: options.PrivateCodes = None,
    protection: options.Protection = "nn",
    calibration: options.Calibration = None,
    model: options.Model = None,
    face: options.Face = None,
    pair: options.Pair = None,
    train: options.Train = True,
    as_json: options.Json = False,
) -> None:
    """Alice: turn a photo into a message, clean symbols with the side information to read them.

    The receivers simulate the channel, each its own.

    Example: semveil send portrait.jpg --epsilon 10 --out m.svl
    """
    codes = options.private_codes(private, private_codes)
    options.check_output_file(out)

    from semveil.channels import write_message
    from semveil.experiments.latents import inversion_distance
    from semveil.methods.face_model import load_model
    from semveil.methods.messages import to_message

    loaded = load_model(model or default_model())
    faces = load_faces([photo], loaded, face, quiet=as_json)
    method = build_method(
        loaded,
        codes=codes,
        epsilon=epsilon,
        protection=protection,
        calibration=calibration,
        pair_file=pair,
        train=train,
        quiet=as_json,
    )
    with progress("Inverting", quiet=as_json) as advance:
        latents = method.invert(faces.images, perceptual=inversion_distance(loaded)[0], progress=advance).codes
    message = to_message(method, method.send_codes(latents))
    write_message(out, message)
    _report(message, method, [out], as_json=as_json)


def receive(
    message: MessageFile,
    out: Picture,
    snr_db: options.SnrDb = None,
    seed: options.Seed = None,
    model: options.Model = None,
    pair: options.Pair = None,
    as_json: options.Json = False,
) -> None:
    """Bob: hear a message over a simulated channel (20 dB), undo the protection and make the image.

    Example: semveil receive m.svl --snr-db 15 --out bob.png
    """
    _check(out, snr_db)

    from semveil.core.rng import streams
    from semveil.methods.messages import heard, method_for_bob
    from semveil.methods.pairs import read_pair

    read, loaded = _open(message, model)
    method = method_for_bob(read, loaded, pair=None if pair is None else read_pair(pair))
    images = method.receive(heard(read, method, snr_db=snr_db, rng=streams(seed)["bob"]))
    _report(read, method, _save(out, images), as_json=as_json)


def eavesdrop(
    message: MessageFile,
    out: Picture,
    snr_db: options.SnrDb = None,
    seed: options.Seed = None,
    model: options.Model = None,
    as_json: options.Json = False,
) -> None:
    """Eve: hear a message over her own simulated channel (20 dB) and put it into the public generator, as in the paper.

    Example: semveil eavesdrop m.svl --out eve.png
    """
    _check(out, snr_db)

    from semveil.core.rng import streams
    from semveil.methods.messages import heard, method_for_eve

    read, loaded = _open(message, model)
    method = method_for_eve(read, loaded)
    images = method.eavesdrop(heard(read, method, snr_db=snr_db, rng=streams(seed)["eve"]))
    _report(read, method, _save(out, images), as_json=as_json)


def _check(out: Path, snr_db: float | None) -> None:
    options.check_output_file(out, ".png")
    options.check_snr("--snr-db", snr_db)


def _open(path: Path, model: str | None) -> "tuple[Message, FaceModel]":
    from semveil.channels import MessageError, read_message
    from semveil.methods.face_model import load_model

    message = read_message(path)
    try:
        return message, load_model(model or message.model)
    except ValueError as error:
        raise MessageError(f"the message needs a model that is not here: {error}") from error


def _save(out: Path, images: "Tensor") -> list[Path]:
    from semveil.core.pixels import to_pixels
    from semveil.data.save import save_png

    pixels = to_pixels(images)
    paths = [out] if len(pixels) == 1 else [out.with_stem(f"{out.stem}-{i}") for i in range(1, len(pixels) + 1)]
    for path, picture in zip(paths, pixels, strict=True):
        save_png(path, picture)
    return paths


def _report(message: "Message", method: "DPSemCom", written: list[Path], *, as_json: bool) -> None:
    """What the message is, with Alice's guarantee, and what was written."""
    result: dict[str, Any] = {
        "method": message.method,
        "model": message.model,
        "images": message.images,
        "protection": message.protection,
        "calibration": message.calibration,
        "nominal_epsilon": message.nominal_epsilon,
        "private_codes": list(message.private_codes),
        "guarantee": dict(message.guarantee),
        "written": [str(path) for path in written],
    }
    lines = [
        f"{message.images} image{'s' if message.images > 1 else ''}, model {message.model}, protection {message.protection}."
    ]
    if method.protection == message.protection:  # what Eve's own method would say is not about this message
        lines.append(method.guarantee().summary())
    show(result, [*lines, f"Written: {', '.join(result['written'])}."], as_json=as_json)
