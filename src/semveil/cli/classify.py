"""`semveil classify`: noise-image's service, which classifies converted pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.console import make_table, note, show
from semveil.core.errors import SemveilError

if TYPE_CHECKING:
    from semveil.bulk.sources import Source
    from semveil.methods.noise_image import NoiseImageModel

SHOWN = 20  # pictures that are listed one by one


def classify(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, or folders of pictures.", metavar="PATH...")],
    model: Annotated[
        str,
        typer.Option(
            help="`service` reads what `semveil protect --method noise-image` wrote, `explainer` reads pictures as they are.",
            metavar="NAME",
            autocompletion=options.one_of("service", "explainer"),
        ),
    ] = "service",
    networks: Annotated[
        str | None, typer.Option(help="Name or folder of trained networks; the bundled ones by default.", metavar="NAME")
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
    from semveil.core.pixels import to_tensor
    from semveil.methods.noise_image import NETWORKS, classify
    from semveil.methods.noise_image_model import BUNDLED, load_noise_image_model

    if model not in NETWORKS:
        from semveil.core.registry import suggest

        raise options.OptionError(f"--model has no choice {model!r}{suggest(model, NETWORKS)}; allowed: {', '.join(NETWORKS)}")

    from semveil.bulk.sources import find_sources

    options.check_device(device)
    trained = load_noise_image_model(networks or BUNDLED).to(device)
    read, refused = [], []
    for source in find_sources(pictures).photos:
        try:
            read.append((source, _pixels(source, trained, model)))
        except SemveilError as error:
            refused.append(error)
    if not read:
        raise refused[0]
    for one in [] if as_json else refused:
        note(f"left out: {one}")
    found = [source for source, _ in read]
    answer = classify(trained, to_tensor([pixels for _, pixels in read]), network=model)
    said: list[dict[str, Any]] = [
        {"picture": str(source.path), "class": name, "probability": probability}
        for source, name, probability in zip(found, answer.names, answer.probabilities.tolist(), strict=True)
    ]
    truth = [source.path.resolve().parent.name for source in found]
    labelled = all(name in trained.classes for name in truth)
    share = sum(a == b for a, b in zip(truth, answer.names, strict=True)) / len(found) if labelled else None
    lines = [f"and {len(said) - SHOWN} more; all of them with --json"] if len(said) > SHOWN else []
    if share is not None:
        lines.append(
            f"Accuracy over {len(found)} pictures in folders by class: {share:.3f} (chance {1 / len(trained.classes):.3f})."
        )
    rows = [[one["picture"], one["class"], one["probability"]] for one in said[:SHOWN]]
    table = None if as_json else make_table(["picture", "class", "probability"], rows)
    result = {"model": model, "networks": trained.name, "accuracy": share, "pictures": said, "refused": list(map(str, refused))}
    show(result, lines, as_json=as_json, table=table)
    if refused:
        raise typer.Exit(refused[0].exit_code)


def _pixels(source: "Source", trained: "NoiseImageModel", model: str) -> Any:
    """A converted picture as it is; another one's middle square at the networks' size."""
    from semveil.bulk.pictures import middle_square
    from semveil.data.photos import load_photo

    pixels = load_photo(source.path).pixels
    if model == "explainer":
        return middle_square(pixels, trained.size)
    if pixels.shape[:2] != (trained.size, trained.size):
        height, width = pixels.shape[:2]
        raise options.OptionError(
            f"{str(source.path)!r} has {width} x {height} px, converted pictures have {trained.size} x {trained.size}; "
            "convert it with: semveil protect --method noise-image"
        )
    return pixels
