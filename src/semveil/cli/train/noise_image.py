# SPDX-License-Identifier: Apache-2.0
"""`semveil train noise-image`: explainer, conversion and service model on own labelled pictures."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.console import make_table, show, stages
from semveil.cli.train import run as training_run


def noise_image(
    data: Annotated[
        Path,
        typer.Argument(
            help=(
                "CIFAR-10 or CIFAR-100 in the Python version; or a folder with train/CLASS/*.png "
                "and test/CLASS/*.png; or an .npz."
            ),
            metavar="DATA",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Model folder to write.", metavar="DIR")],
    config: training_run.Config = None,
    overrides: training_run.Set = None,
    device: options.Device = "auto",
    seed: training_run.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Train noise-image's networks on your own labelled pictures.

    Trains the explainer, then the conversion with it, then the service model on converted pictures only. Run
    it again to resume after a break: finished networks are kept.

    Example: semveil train noise-image cifar-100-python --out models/mine
    """
    options.check_output_folder(out)
    place = training_run.only_process(device)

    from semveil.data.labelled_pictures import load_labelled
    from semveil.training.noise_image_networks import NoiseImageTraining, train_networks

    settings = training_run.read_settings(NoiseImageTraining, config, overrides)
    train, test = load_labelled(data, part="train"), load_labelled(data, part="test")
    if train.classes != test.classes or train.pixels.shape[1:] != test.pixels.shape[1:]:
        raise options.OptionError(f"training and test pictures of {str(data)!r} differ in classes or size")
    told = f"{len(train)} pictures of {len(train.classes)} classes, {data.resolve().name}"
    with stages(quiet=as_json) as advance:
        figures = train_networks(
            out, train, test, settings, seed=seed, trained_on=told, device=place, progress=advance
        )
    rows = [[name.replace("_", " "), value] for name, value in figures.items()]
    table = None if as_json else make_table(["accuracy on test pictures", ""], rows)
    show({"accuracy": figures, "model": str(out)}, [f"Model in {out}."], as_json=as_json, table=table)
