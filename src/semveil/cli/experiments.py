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
            help="PAPER/FIGURE, such as dp-semcom/fig3, identity-dp/table1 or dp-image/sensitivities; a name that there is not "
            "is answered by those that there are.",
            metavar="FIGURE",
        ),
    ],
    preset: Annotated[
        str,
        typer.Option(
            help="Run size: smoke, small or paper; `security` and `usefulness` also accept development, `leak` full.",
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
    table: Annotated[
        Path | None,
        typer.Option(help="Also write the result's tables between the markers of this Markdown page.", metavar="PAGE.md"),
    ] = None,
    redraw: Annotated[
        bool, typer.Option("--redraw", help="Measure nothing: draw the JSON in the folder again, and write its tables.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Run what a figure of a paper shows, write its numbers as JSON and draw it from them.

    Example: semveil reproduce dp-semcom/fig3 --preset small --data faces.npz
    """
    folder = out or Path("out") / figure.partition("/")[0] / preset
    options.check_output_folder(folder)

    from semveil.experiments.kit import reproduce as kit

    experiment = kit.find(figure)
    numbers = folder / experiment.file
    if redraw:
        if not numbers.is_file():
            raise options.OptionError(
                f"--redraw: there is no {numbers}; run it without --redraw first, or name its folder by --out"
            )
        path = kit.draw(numbers, figure)
    else:
        with stages(quiet=as_json) as advance:
            path = kit.reproduce(figure, preset, folder, data=data, model=model, verifier=verifier, progress=advance)
    if table is not None:
        kit.publish(numbers, table)
    claims = kit.judged(numbers)
    said = [f"{claim['verdict']}: {claim['text']} ({claim['ours']})" for claim in claims]
    result = {"figure": figure, "preset": preset, "folder": str(folder), "picture": str(path), "claims": claims}
    show(result, [*said, f"Written: {path}, with the numbers that it shows beside it."], as_json=as_json)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the figure, result.json and the report.", metavar="DIR")] = Path(
        "out/demo"
    ),
    seed: Annotated[int, typer.Option(help="Of the simulated channel.", metavar="N")] = 0,
    as_json: options.Json = False,
) -> None:
    """Send scikit-image's portrait of an astronaut to Bob and Eve: by the paper's pairs, and under a key.

    Example: semveil demo --out out/demo
    """
    options.check_output_folder(out)

    from rich.console import Console

    from semveil.experiments.demo.demo import demo

    with stages(quiet=as_json) as advance:
        path = demo(out, seed=seed, progress=advance, console=Console(quiet=as_json, highlight=False))
    show({"written": str(path)}, [f"Written: {path}"], as_json=as_json)
