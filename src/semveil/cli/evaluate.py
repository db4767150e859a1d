# SPDX-License-Identifier: Apache-2.0
"""`semveil evaluate`: comparison of other programs' pictures with those of identity-dp."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import completion, options
from semveil.cli.console import NOTHING_KEPT, note, show, stages, when_interrupted


def evaluate(
    photos: Annotated[Path, typer.Argument(help="Folder of the originals.", metavar="PHOTOS")],
    out: Annotated[
        Path, typer.Option(help="Folder for evaluation.json, its tables and a picture.", metavar="DIR")
    ],
    output: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of a method and the folder of its pictures; repeat it for several.", metavar="NAME=DIR"
        ),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="List of pairs such as LFW's pairs.txt, for true acceptance rates.", metavar="FILE"
        ),
    ] = None,
    far: Annotated[float, typer.Option(help="False acceptance rate with --pairs.", metavar="R")] = 1e-3,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name or folder of an identity model; identity-128 by default.",
            metavar="NAME",
            autocompletion=completion.identity_model,
        ),
    ] = None,
    verifier: Annotated[
        str | None, typer.Option(help="Recognisers; all that are installed by default.", metavar="NAME,...")
    ] = None,
    judgements: Annotated[
        Path | None,
        typer.Option(
            help="Findings of an independent judge in photos and pictures: faces.jsonl.", metavar="FILE"
        ),
    ] = None,
    parser: Annotated[
        Path | None,
        typer.Option(
            help="Weights of `semveil train parser` for mouth, eyes and hair; the bundled ones by default.",
            metavar="FILE",
        ),
    ] = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Compare other programs' pictures with identity-dp's.

    Pictures are measured as in the identity-dp paper. Each must have its photo's name and place below its
    folder and show the whole photo, at any size; clips are left out. JSON, tables and picture show your
    photos: keep them to yourself.

    Example: semveil evaluate holiday/ --output Fawkes=made/fawkes --out out/eval
    """
    folders: dict[str, Path] = {}
    for text in output or []:
        name, sign, folder = text.partition("=")
        if not (name and sign and folder):
            raise options.OptionError(f"--output takes NAME=DIR, got {text!r}")
        if name in folders:
            raise options.OptionError(f"--output names {name!r} twice")
        folders[name] = Path(folder)
    if not 0 < far < 1:
        raise options.OptionError(f"--far lies in (0, 1), got {far}")
    options.check_output_folder(out)
    models_there = options.on_device(device)

    from semveil.bulk.sources import CLIP_SUFFIXES
    from semveil.core.files import write_whole
    from semveil.core.results import read_result
    from semveil.experiments.identity_dp.evaluate import evaluate
    from semveil.experiments.kit.reproduce import tables

    names = verifier.split(",") if verifier else ()
    with when_interrupted(NOTHING_KEPT), stages(quiet=as_json) as advance, models_there:
        path, picture = evaluate(
            photos,
            folders,
            out,
            pairs=pairs,
            far=far,
            model=model,
            verifiers=names,
            judgements=judgements,
            parser=parser,
            progress=advance,
        )
    result = read_result(path)
    words = tables(result)
    write_whole(path.with_suffix(".md"), words + "\n")
    if not as_json:
        if clips := sum(path.suffix.lower() in CLIP_SUFFIXES for path in photos.rglob("*")):
            note(f"{clips} clip{'s' if clips > 1 else ''} left out: only photos are compared")
        for reason, count in result["left_out"].items():
            if count:
                note(f"{count} photo{'s' if count > 1 else ''} {reason} left out")
        if judged := result.get("judged"):
            photos_judged = (
                f"{judged['photos']} of {len(result['rows'][0]['kept']['five_point_error'])} photos"
            )
            pictures = ", ".join(f"{count} of {name}" for name, count in judged["pictures"].items())
            note(f"judged: {photos_judged}; pictures: {pictures}")
    facts = {"written": str(path), "picture": str(picture), "rows": result["rows"]}
    show(facts, [*words.splitlines(), f"Written: {path}"], as_json=as_json)
