# SPDX-License-Identifier: Apache-2.0
"""`semveil train deep-jscc`: a DeepJSCC baseline with the bandwidth of a face model's codes."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.train import run as training_run


def deep_jscc(
    faces: Annotated[
        Path, typer.Argument(help="Face set that `semveil data prepare` wrote.", metavar="FACES.npz")
    ],
    out: Annotated[
        Path, typer.Option(help="Weights to write when training is done.", metavar="FILE.safetensors")
    ],
    config: training_run.Config = None,
    overrides: training_run.Set = None,
    channel: Annotated[
        str | None,
        typer.Option(
            help="Channel in training, as in `semveil receive`; awgn by default.",
            metavar=options.CHANNEL_METAVAR,
        ),
    ] = None,
    checkpoint: training_run.Checkpoint = None,
    minutes: training_run.Minutes = None,
    sheet_minutes: training_run.SheetMinutes = training_run.SHEET_MINUTES,
    device: options.Device = "auto",
    seed: training_run.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Train a DeepJSCC end to end through a channel.

    Photos that are held out are not used.

    Example: semveil train deep-jscc faces.npz --out jscc.safetensors --minutes 60
    """
    options.check_output_file(out, ".safetensors")
    state = checkpoint or out.with_name(f"{out.name}.checkpoint")
    options.check_output_file(state)
    link = options.channel("--channel", channel)
    place = training_run.only_process(device)

    from semveil.cli.face_sets import check_size, load_faces
    from semveil.core.rng import streams
    from semveil.methods.deep_jscc import save_deep_jscc
    from semveil.training.deep_jscc import DeepJSCCTrainer, DeepJSCCTraining
    from semveil.training.perceptual import perceptual_distance

    settings = training_run.read_settings(DeepJSCCTraining, config, overrides)
    photos = load_faces(faces)
    check_size(photos, settings.network.size)
    distance, rng = perceptual_distance(settings.perceptual, place), streams(seed)["train"]
    trainer = DeepJSCCTrainer(photos, settings, perceptual=distance, rng=rng, channel=link, device=place)
    if state.is_file():
        training_run.resume(trainer, state)
    done = training_run.train(
        trainer, state, title="Training the DeepJSCC", shown="mse", minutes=minutes, quiet=as_json,
        sheet=trainer.sheet, sheet_minutes=sheet_minutes,
    )  # fmt: skip
    if done:
        card = {
            "trained_on": f"{len(trainer.photos)} aligned photos",
            "channel": channel or "awgn",
            **asdict(settings),
        }
        save_deep_jscc(out, *trainer.finished(), card)
    training_run.tell(trainer, out, state, done=done, as_json=as_json)
