"""`semveil reproduce` and `semveil demo`: the paper's figures, and a first look."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.console import show, stages


def reproduce(
    figure: Annotated[
        str,
        typer.Argument(
            help="dp-semcom/fig3 to fig6, noise, security, channels, snr, bandwidth, "
            "cliff, mismatch, competitors; dp-image/fig4, 5, 7 to 11, table1; "
            "latent-dp/fig4, 6 to 8; "
            "identity-dp/fig4 to 7, 10, 11, table1 to 3, leak; noise-image/table3, table4, fig3 to 5, attack, variants; "
            "all-methods/usefulness.",
            metavar="FIGURE",
        ),
    ],
    preset: Annotated[
        str,
        typer.Option(
            help="How large: smoke, small, paper; also development (security, usefulness), full (leak).",
            metavar="smoke|small|paper",
        ),
    ] = "smoke",
    out: Annotated[
        Path | None, typer.Option(help="Folder for JSON and plots; out/METHOD/PRESET by default.", metavar="DIR")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Photos: a face set, or a folder as the documentation names it.", metavar="PATH")
    ] = None,
    model: options.Model = None,
    verifier: Annotated[str | None, typer.Option(help="Recogniser; the preset's by default.", metavar="NAME")] = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Run what a figure of a paper shows, write its numbers as JSON and draw it from them.

    Example: semveil reproduce dp-semcom/fig3 --preset small --data faces.npz
    """
    folder = out or Path("out") / figure.partition("/")[0] / preset
    options.check_output_folder(folder)
    models_there = options.on_device(device)

    from semveil.experiments.reproducible import EXPERIMENTS

    run = EXPERIMENTS[figure]
    with stages(quiet=as_json) as advance, models_there:
        path = run(preset, folder, data=data, model=model, verifier=verifier, progress=advance)
    result = {"figure": figure, "preset": preset, "folder": str(folder), "picture": str(path)}
    show(result, [f"Written: {path}, with the numbers that it shows beside it."], as_json=as_json)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the figure, result.json and the report.", metavar="DIR")] = Path(
        "out/demo"
    ),
    seed: Annotated[int, typer.Option(help="Of the simulated channel.", metavar="N")] = 0,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Send scikit-image's portrait of an astronaut to Bob and Eve: by the paper's pairs, and under a key.

    Example: semveil demo --out out/demo
    """
    options.check_output_folder(out)
    models_there = options.on_device(device)

    from rich.console import Console

    from semveil.experiments.demo import demo

    with stages(quiet=as_json) as advance, models_there:
        path = demo(out, seed=seed, progress=advance, console=Console(quiet=as_json, highlight=False))
    show({"written": str(path)}, [f"Written: {path}"], as_json=as_json)
