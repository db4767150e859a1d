# SPDX-License-Identifier: Apache-2.0
"""`semveil invert`: latent codes of photos, computed once and stored."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.console import note, show, stages, when_interrupted
from semveil.cli.parties import default_model


def invert(
    photos: Annotated[
        list[Path], typer.Argument(help="Photos, or folders of photos.", metavar="PHOTO|DIR...")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="File of latents; photos that are in it already are skipped.", metavar="FILE.safetensors"
        ),
    ],
    image_dir: Annotated[
        Path | None, typer.Option(help="Also write each inverted image here.", metavar="DIR")
    ] = None,
    model: options.Model = None,
    face: options.Face = None,
    perceptual: options.Perceptual = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Compute the latent codes of photos and store them.

    Run it again to resume after a break. A photo's id is the start of the SHA-256 of its file, so it survives
    renaming and reveals no path. Photos that cannot be used are left out with a note, and make the command
    fail at its end, except photos without a usable face in folders. Latents show the photos, so only you can
    read what is written.

    Example: semveil invert portraits/ --out latents.safetensors
    """
    options.check_output_file(out, ".safetensors")
    if image_dir is not None:
        options.check_output_folder(image_dir)
    options.check_device(device)

    from semveil.bulk.invert import invert_photos
    from semveil.models.face import load_model

    saved = 0

    def kept() -> str:
        return f"{saved} new latents are kept in {out}; run the same command again to go on"

    with when_interrupted(kept), stages(quiet=as_json) as advance:

        def count(stage: str, done: int, total: int) -> None:
            nonlocal saved
            saved = done if stage == "Inverting" else 0
            advance(stage, done, total)

        made = invert_photos(
            photos,
            out,
            load_model(model or default_model()).to(device),
            images=image_dir,
            face=face,
            perceptual=perceptual,
            progress=count,
            note=note,
        )
    counts = {"latents": made.latents, "new": made.new, "known": made.known, "refused": made.refused}
    line = (
        f"{made.latents} latents in {out}: {made.new} new, {made.known} known before; {made.refused} "
        "files left out."
    )
    show({**counts, "written": str(out)}, [line], as_json=as_json)
    if made.failures:
        raise typer.Exit(made.failures[0].exit_code)
