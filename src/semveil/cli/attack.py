"""`semveil attack`: what eavesdroppers who try make of a message file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.console import make_table, show, stages
from semveil.cli.link import MessageFile
from semveil.core.whole_folder import SUMMARY, whole_folder

if TYPE_CHECKING:
    from torch import Tensor

    from semveil.methods.face_model import FaceModel

KNOWN, KNOWN_UNDER_KEYS = 4000, 300  # under a key every message has keys of its own: more tell nothing more


def attack(
    message: MessageFile,
    out: Annotated[Path, typer.Option(help="Folder for the pictures and result.json.", metavar="DIR")] = Path("out/attack"),
    names: Annotated[
        list[str] | None, typer.Option("--attack", help="Only this one; give it again for several.", metavar="NAME")
    ] = None,
    latents: Annotated[
        Path | None,
        typer.Option(help="Latents of public faces (semveil invert); the model's prior else.", metavar="FILE.safetensors"),
    ] = None,
    known: Annotated[
        int | None,
        typer.Option(help="Transmissions that Eve knows the photo of (4000; 300 under a key).", metavar="N", min=100),
    ] = None,
    snr_db: options.SnrDb = None,
    seed: options.Seed = None,
    model: options.Model = None,
    pair: options.Pair = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Attack a message in every way that applies, and write what each Eve sees.

    Eve has the public model, latents of public faces and transmissions whose photos she knows; of a keyed message those were
    sent under a key that she does not have, as hers would be. Attack your own messages before somebody else does.

    Example: semveil attack m.svl --snr-db 30 --out out/attack

    Example: semveil attack m.svl --attack linear --attack impute --latents public.safetensors
    """
    options.check_snr("--snr-db", snr_db)
    options.check_output_folder(out)
    options.check_device(device)

    from semveil.attacks import ATTACKS
    from semveil.core.pixels import to_pixels
    from semveil.core.results import write_result
    from semveil.core.rng import streams
    from semveil.data.save import save_png
    from semveil.link.attack_message import attack_message
    from semveil.link.receive import open_message
    from semveil.methods.pairs import read_pair

    for name in names or ():
        ATTACKS[name]  # an unknown name is an error before the work
    read, loaded = open_message(message, model)
    loaded = loaded.to(device)
    count = known or (KNOWN if read.keyed is None else KNOWN_UNDER_KEYS)
    rng = streams(seed)["eve"]
    with stages(quiet=as_json) as advance:
        found = attack_message(
            read,
            loaded,
            latents=_latents(latents, loaded, rng),
            known=count,
            names=names,
            snr_db=snr_db,
            pair=None if pair is None else read_pair(pair),
            rng=rng,
            progress=advance,
        )
    summary: dict[str, Any] = {
        "method": read.method,
        "model": read.model,
        "protection": read.protection,
        "guarantee": dict(read.guarantee),
        "snr_db": found.snr_db,
        "known_transmissions": count,
        "attacks": [{"attack": one.name, "knowledge": one.knowledge} for one in found.results],
    }
    with whole_folder(out) as folder:
        for one in found.results:
            pictures = to_pixels(one.images)
            for number, pixels in enumerate(pictures, 1):
                save_png(folder / (f"{one.name}.png" if len(pictures) == 1 else f"{one.name}-{number}.png"), pixels)
        write_result(folder / SUMMARY, summary)
    rows = [[one.name, one.knowledge] for one in found.results]
    table = None if as_json else make_table(["attack", "what she has beside the signal"], rows)
    show({**summary, "out": str(out)}, [f"Written to {out}."], as_json=as_json, table=table)


def _latents(path: Path | None, model: "FaceModel", rng: Any) -> "Tensor":
    from semveil.data.latents import LatentSet

    return model.public_latents(2000, rng=rng) if path is None else LatentSet.load(path, model_digest=model.digest).codes
