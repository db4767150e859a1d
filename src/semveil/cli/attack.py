"""`semveil attack`: what eavesdroppers who try make of a message file."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.console import make_table, show, stages
from semveil.cli.link import MessageFile


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

    from semveil.link.attack import attack as attack_file
    from semveil.link.attack import known_to_eve, summary_of
    from semveil.link.receive import open_message
    from semveil.methods.pairs import read_pair

    read, loaded = open_message(message, model)
    with stages(quiet=as_json) as advance:
        found = attack_file(
            read,
            out,
            attacks=names,
            latents=latents,
            known=known,
            snr_db=snr_db,
            seed=seed,
            model=loaded,
            pair=None if pair is None else read_pair(pair),
            progress=advance,
        )
    summary = summary_of(read, found, known=known_to_eve(read, known))
    rows = [[one.name, one.knowledge] for one in found.results]
    table = None if as_json else make_table(["attack", "what she has beside the signal"], rows)
    show({**summary, "out": str(out)}, [f"Written to {out}."], as_json=as_json, table=table)
