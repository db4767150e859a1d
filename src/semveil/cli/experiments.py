# SPDX-License-Identifier: Apache-2.0
"""`semveil reproduce` and `semveil demo`: the papers' figures, and a first look."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import completion, options
from semveil.cli.console import NOTHING_KEPT, Line, note, show, stages, when_interrupted


def _figure_names() -> list[str]:
    from semveil.experiments.kit.experiment import figures

    return [f"{paper}/{name}" for paper, names in figures().items() for name in names]


def reproduce(
    figure: Annotated[
        str | None,
        typer.Argument(
            help=(
                "PAPER/FIGURE, such as dp-semcom/fig3, identity-dp/table1 or dp-image/sensitivities. "
                "Without it all names are listed."
            ),
            metavar="FIGURE",
            autocompletion=completion.completing(_figure_names),
        ),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            help=(
                "Run size: `smoke`, `small` or `paper`. security, usefulness and models also take "
                "`development`, leak also `full`."
            ),
            metavar="SIZE",
            autocompletion=options.one_of("smoke", "small", "paper", "development", "full"),
        ),
    ] = "smoke",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for JSON and plots; out/METHOD/PRESET by default.", metavar="DIR"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Photos: a face set, or a folder as the documentation names it.", metavar="PATH"),
    ] = None,
    model: options.AnyModel = None,
    verifier: Annotated[
        str | None, typer.Option(help="Recogniser; the preset's by default.", metavar="NAME")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="Also write the result's tables between the markers of this Markdown page.",
            metavar="PAGE.md",
        ),
    ] = None,
    redraw: Annotated[
        bool,
        typer.Option(
            "--redraw", help="Measure nothing: draw the JSON in the folder again, and write its tables."
        ),
    ] = False,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Measure and draw a figure or table of a paper.

    Writes the numbers as JSON and draws the figure from them. Results that exist with the same settings are
    reused.

    Example: semveil reproduce dp-semcom/fig3 --preset small --data faces.npz
    """
    if figure is None:
        _list_figures(as_json=as_json)
        return
    folder = out or Path("out") / figure.partition("/")[0] / preset
    options.check_output_folder(folder)
    models_there = options.on_device(device)

    from semveil.experiments.kit import reproduce as kit
    from semveil.experiments.kit.experiment import find

    experiment = find(figure)
    numbers = folder / experiment.file
    if redraw:
        if not numbers.is_file():
            raise options.OptionError(
                f"--redraw: there is no {numbers}; run it without --redraw first, or name its folder by --out"
            )
        path = kit.draw(numbers, figure)
    else:
        kept = f"measurements that are done are kept in {folder}; run the same command again to go on"
        with when_interrupted(kept), stages(quiet=as_json) as advance, models_there:
            path = kit.reproduce(
                figure,
                preset,
                folder,
                data=data,
                model=model,
                verifier=verifier,
                progress=advance,
                note=note,
            )
    if table is not None:
        kit.publish(numbers, table)
    claims = kit.judged(numbers)
    said: list[Line] = [(claim["verdict"], f"{claim['text']} ({claim['ours']})") for claim in claims]
    result = {
        "figure": figure,
        "preset": preset,
        "folder": str(folder),
        "picture": str(path),
        "claims": claims,
    }
    show(result, [*said, ("Written", f"{path}, with its numbers as JSON beside it")], as_json=as_json)


def _list_figures(*, as_json: bool) -> None:
    from semveil.experiments.kit.experiment import figures

    papers = figures()
    lines: list[Line] = [(paper, ", ".join(names)) for paper, names in papers.items()]
    show({"figures": papers}, [*lines, ("Next", "semveil reproduce PAPER/FIGURE")], as_json=as_json)


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the figure, result.json and the report.", metavar="DIR")
    ] = Path("out/demo"),
    seed: Annotated[int, typer.Option(help="Random seed of the simulated channel.", metavar="N")] = 0,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """See the link and its protections on one portrait.

    scikit-image's portrait of an astronaut is sent to Bob, while Eve listens: by the paper's pairs of
    networks at five nominal epsilons, and under a key. The pairs guarantee nothing, and this Eve decodes
    naively.

    Example: semveil demo
    """
    options.check_output_folder(out)
    models_there = options.on_device(device)

    from rich.console import Console

    from semveil.experiments.demo.demo import FILES, demo

    with when_interrupted(NOTHING_KEPT), stages(quiet=as_json) as advance, models_there:
        path = demo(out, seed=seed, progress=advance, console=Console(quiet=as_json, highlight=False))
    lines: list[Line] = [
        ("nn", "the paper's trained pair: it only seems to protect, semveil attack undoes it"),
        ("rotation", "all codes under a key that Bob has: to Eve every photo looks equally likely"),
        ("Written", f"{out}: {', '.join(FILES)}"),
        ("Next", f"open {out / 'report.html'} in a browser"),
        ("", "semveil protect PHOTO, or semveil transmit PHOTO, with a photo of yours"),
    ]
    files = [str(out / name) for name in FILES]
    show({"written": str(path), "files": files}, lines, as_json=as_json)
