# SPDX-License-Identifier: Apache-2.0
"""`semveil classify`: noise-image's service, which classifies converted pictures."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.console import make_table, note, show
from semveil.core.registry import suggest

SHOWN = 20  # pictures listed individually


def classify(
    pictures: Annotated[
        list[Path], typer.Argument(help="Pictures, or folders of pictures.", metavar="PATH...")
    ],
    model: Annotated[
        str,
        typer.Option(
            help=(
                "`service` reads what `semveil protect --method noise-image` wrote, `explainer` reads "
                "pictures as they are."
            ),
            metavar="NAME",
            autocompletion=options.one_of("service", "explainer"),
        ),
    ] = "service",
    networks: Annotated[
        str | None,
        typer.Option(help="Name or folder of trained networks; the bundled ones by default.", metavar="NAME"),
    ] = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Classify converted pictures, as noise-image's service does.

    The service sees converted pictures only. Pictures that cannot be read are left out with a note, and make
    the command fail at its end. If all pictures lie in folders named after classes, the accuracy is printed
    too.

    Example: semveil classify converted/ --model service
    """
    from semveil.methods.noise_image import NETWORKS

    if model not in NETWORKS:
        raise options.OptionError(
            f"--model has no choice {model!r}{suggest(model, NETWORKS)}; allowed: {', '.join(NETWORKS)}"
        )
    options.check_device(device)

    from semveil.bulk.classify import classify_pictures
    from semveil.models.noise_image import BUNDLED, load_noise_image_model

    trained = load_noise_image_model(networks or BUNDLED).to(device)
    found = classify_pictures(pictures, trained, network=model)
    for error in [] if as_json else found.refused:
        note(f"left out: {error}")
    answers = [
        {"picture": str(one.path), "class": one.name, "probability": one.probability}
        for one in found.pictures
    ]
    lines = [f"and {len(answers) - SHOWN} more; all of them with --json"] if len(answers) > SHOWN else []
    if found.accuracy is not None:
        lines.append(
            f"Accuracy over {len(answers)} pictures in folders by class: {found.accuracy:.3f} "
            f"(chance {1 / len(trained.classes):.3f})."
        )
    rows = [[one["picture"], one["class"], one["probability"]] for one in answers[:SHOWN]]
    table = None if as_json else make_table(["picture", "class", "probability"], rows)
    result = {
        "model": model,
        "networks": trained.name,
        "accuracy": found.accuracy,
        "pictures": answers,
        "refused": list(map(str, found.refused)),
    }
    show(result, lines, as_json=as_json, table=table)
    if found.refused:
        raise typer.Exit(found.refused[0].exit_code)
