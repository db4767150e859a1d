# SPDX-License-Identifier: Apache-2.0
"""`semveil train quantiles`: public bounds of a model's latent coordinates, used by latent-dp."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.console import progress, show
from semveil.cli.train import run as training_run


def quantiles(
    source: Annotated[
        Path,
        typer.Argument(
            help=(
                "Face set of `semveil data prepare`, whose training photos are inverted; or latents of "
                "public photos, as `semveil invert` writes them."
            ),
            metavar="FACES.npz|LATENTS.safetensors",
        ),
    ],
    model: options.Model = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; in the model's folder by default.", metavar="FILE.safetensors"),
    ] = None,
    photos: Annotated[int, typer.Option(min=2, help="Number of training photos to invert.")] = 1000,
    seed: Annotated[int, typer.Option(help="Random seed of the choice of photos.", metavar="N")] = 0,
    perceptual: options.Perceptual = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Measure the public latent bounds that latent-dp clips to.

    They are quantiles of each latent coordinate over public photos, none of which is protected later.

    Example: semveil train quantiles faces.npz --model models/mine
    """
    if out is not None:
        options.check_output_file(out, ".safetensors")
    place = training_run.only_process(device)

    from semveil.cli.parties import default_model
    from semveil.data.latents import LatentSet
    from semveil.methods.latent_model import identity_codes
    from semveil.models.face import load_model
    from semveil.models.quantile_bounds import FILE
    from semveil.training.quantiles import invert_training_photos, training_quantiles

    fixed = load_model(model or default_model()).to(place)
    if out is None and fixed.folder is None:
        raise options.OptionError(f"model {fixed.name} has no folder; name a file with --out")
    if source.suffix == ".npz":
        from semveil.cli.face_sets import check_size, load_faces

        faces = load_faces(source)
        check_size(faces, fixed.size)
        with progress("Inverting training photos, steps", quiet=as_json) as advance:
            codes = invert_training_photos(
                fixed, faces, photos=photos, seed=seed, perceptual=perceptual, progress=advance
            )
    else:
        codes = LatentSet.load(source, model_digest=fixed.digest).codes
    bounds = training_quantiles(codes, identity_codes(fixed.generator))
    path = out or (fixed.folder or Path()) / FILE
    bounds.save(path)
    result = {
        "written": str(path),
        "latents": bounds.count,
        "shares": list(bounds.shares),
        "observed": dict(bounds.observed),
    }
    distances = ", ".join(f"{name} codes {value:,.0f}" for name, value in bounds.observed.items())
    lines = [f"Bounds from {bounds.count} latents; largest L1 distances: {distances}.", f"Written: {path}."]
    show(result, lines, as_json=as_json)
