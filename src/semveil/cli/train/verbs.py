# SPDX-License-Identifier: Apache-2.0
"""`semveil train`: parser, generators and encoders; the other networks have their own files."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.command import Command, Group
from semveil.cli.console import progress, show
from semveil.cli.face_sets import check_labels, check_size, load_faces
from semveil.cli.parties import default_model
from semveil.cli.train import run as training_run
from semveil.cli.train.deep_jscc import deep_jscc
from semveil.cli.train.fusion import fusion
from semveil.cli.train.identity import identity_encoder
from semveil.cli.train.noise_image import noise_image
from semveil.cli.train.protector import protector
from semveil.cli.train.quantiles import quantiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from semveil.data.face_set import FaceSet
    from semveil.training.joint import JointTrainer

app = typer.Typer(
    name="train",
    cls=Group,
    help=(
        "Train networks.\n\nA run that is interrupted goes on from its checkpoint.\n\n"
        "Example: semveil train fusion FACES.npz --out models/mine"
    ),
)
app.command(cls=Command)(fusion)
app.command(cls=Command)(identity_encoder)
app.command(cls=Command)(protector)
app.command("deep-jscc", cls=Command)(deep_jscc)
app.command(cls=Command)(quantiles)
app.command("noise-image", cls=Command)(noise_image)

FaceFile = Annotated[
    Path, typer.Argument(help="Face set that `semveil data prepare` wrote.", metavar="FACES.npz")
]
PublishedFolder = Annotated[
    Path, typer.Option(help="Model folder to write when training is done.", metavar="DIR")
]
Start = Annotated[
    str | None,
    typer.Option(
        help="Model whose weights to start from, of the same sizes.",
        metavar="MODEL",
        rich_help_panel=training_run.RUN,
    ),
]


@app.command(cls=Command)
def parser(
    faces: FaceFile,
    out: Annotated[Path, typer.Option(help="Weights to write.", metavar="FILE.safetensors")],
    labelled: Annotated[
        Path | None,
        typer.Option(help="Also write the face set with all labels filled in.", metavar="FILE.npz"),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 3000,
    checkpoint: training_run.Checkpoint = None,
    device: options.Device = "auto",
    seed: training_run.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Train the face parser on labelled faces, and label the others.

    Example: semveil train parser faces.npz --out p.safetensors --labelled l.npz
    """
    options.check_output_file(out, ".safetensors")
    if labelled is not None:
        options.check_output_file(labelled, ".npz")
    state = checkpoint or out.with_name(f"{out.name}.checkpoint")
    options.check_output_file(state)
    place = training_run.only_process(device)

    from semveil.core.rng import streams
    from semveil.recognition.face_parser import save_face_parser
    from semveil.training.parser import ParserTraining, held_out_iou, label_faces, parser_trainer

    photos = load_faces(faces)
    if not ((photos.labels[:, 0, 0] != 255) & ~photos.held_out).any():
        raise options.OptionError(
            f"{faces} holds no labelled face of the training split; prepare it with CelebAMask-HQ's masks"
        )
    settings = ParserTraining(steps)
    trainer = parser_trainer(photos, settings, rng=streams(seed)["train"], device=place)
    training_run.train_one(trainer, state, title="Training the parser", quiet=as_json)
    network = trainer.finished()
    scores = held_out_iou(network, photos)
    learnt = photos.select((photos.labels[:, 0, 0] != 255) & ~photos.held_out)
    collections = " and ".join(sorted({source.partition("/")[0] for source in learnt.source.tolist()}))
    card = {
        "trained_on": f"{len(learnt)} labelled photos of {collections}, {photos.pixels.shape[1]} px",
        "settings": {**asdict(settings), "seed": seed},
        "held_out_iou": {part: round(score, 3) for part, score in scores.items()},
    }
    save_face_parser(out, network, card)
    if labelled is not None:
        label_faces(network, photos).save(labelled)
    written = [str(path) for path in (out, out.with_suffix(".json"), labelled) if path]
    lines = [f"Written: {', '.join(written)}."]
    if scores:
        lines.insert(
            0,
            "IoU on held-out faces: "
            + ", ".join(f"{part} {score:.2f}" for part, score in scores.items())
            + ".",
        )
    show({"steps": steps, "held_out_iou": scores, "written": written}, lines, as_json=as_json)


@app.command(cls=Command)
def generator(
    faces: FaceFile,
    out: PublishedFolder,
    config: training_run.Config = None,
    overrides: training_run.Set = None,
    checkpoint: training_run.Checkpoint = None,
    start: Start = None,
    identity: Annotated[
        Path | None,
        typer.Option(
            help="Identity encoder that shall see the same person in each reconstruction.",
            metavar="FILE.safetensors",
        ),
    ] = None,
    minutes: training_run.Minutes = None,
    sheet_minutes: training_run.SheetMinutes = training_run.SHEET_MINUTES,
    device: options.Device = "auto",
    seed: training_run.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Train a semantic generator together with its encoder.

    The faces must be labelled. When all steps are done the model folder is written. Several processes train
    together under torchrun: torchrun --nproc-per-node 2 -m semveil train generator ...

    Example: semveil train generator labelled.npz --out models/mine --minutes 120
    """
    state = training_run.state_file(out, checkpoint)
    options.check_device(device)

    from semveil.recognition.identity_encoder import identity_encoder_file, load_identity_encoder
    from semveil.training.generator import GeneratorTrainer, GeneratorTraining

    settings = training_run.read_settings(GeneratorTraining, config, overrides)
    photos = _faces_for(settings, faces)
    check_labels(photos)
    recogniser = None if identity is None else load_identity_encoder(identity_encoder_file(identity))
    if recogniser is not None:
        check_size(photos, recogniser.config.size)
    _train_jointly(
        partial(GeneratorTrainer, recogniser=recogniser), settings, photos, seed=seed, out=out, state=state,
        start=start, minutes=minutes, sheet_minutes=sheet_minutes, device=device, together=True,
        as_json=as_json,
    )  # fmt: skip


@app.command(cls=Command)
def stylegan2(
    faces: FaceFile,
    out: PublishedFolder,
    config: training_run.Config = None,
    overrides: training_run.Set = None,
    checkpoint: training_run.Checkpoint = None,
    start: Start = None,
    minutes: training_run.Minutes = None,
    sheet_minutes: training_run.SheetMinutes = training_run.SHEET_MINUTES,
    device: options.Device = "auto",
    seed: training_run.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Train a StyleGAN2 together with its encoder.

    For dp-image and latent-dp. When all steps are done the model folder is written. Faces have 64 px by
    default, as semveil data prepare --size 64 makes them.

    Example: semveil train stylegan2 faces.npz --out models/mine --minutes 90
    """
    state = training_run.state_file(out, checkpoint)
    training_run.only_process(device)

    from semveil.training.stylegan2 import StyleGAN2Trainer, StyleGAN2Training

    settings = training_run.read_settings(StyleGAN2Training, config, overrides)
    photos = _faces_for(settings, faces)
    _train_jointly(
        StyleGAN2Trainer, settings, photos, seed=seed, out=out, state=state, start=start, minutes=minutes,
        sheet_minutes=sheet_minutes, device=device, together=False, as_json=as_json,
    )  # fmt: skip


@app.command(cls=Command)
def encoder(
    faces: FaceFile,
    out: Annotated[
        Path,
        typer.Option(help="Model folder to write: the same generator with the new encoder.", metavar="DIR"),
    ],
    model: options.Model = None,
    config: training_run.Config = None,
    overrides: training_run.Set = None,
    checkpoint: training_run.Checkpoint = None,
    device: options.Device = "auto",
    seed: training_run.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Train an encoder for a fixed generator.

    The generator, such as the official one, is not changed.

    Example: semveil train encoder f.npz --model celebamask-hq-512 --out models/new
    """
    state = training_run.state_file(out, checkpoint)
    place = training_run.only_process(device)

    from semveil.core.device import CPU, moved
    from semveil.core.rng import streams
    from semveil.generators.face_generator import MappedGenerator
    from semveil.models.face import load_model
    from semveil.training.encoder import EncoderTraining, encoder_trainer
    from semveil.training.perceptual import perceptual_distance

    settings = training_run.read_settings(EncoderTraining, config, overrides)
    fixed, photos = load_model(model or default_model()).to(place), load_faces(faces)
    if not isinstance(fixed.generator, MappedGenerator):
        raise options.OptionError(
            f"{fixed.name} was trained with its encoder: there is no other for it; see `train generator`"
        )
    check_size(photos, fixed.size)
    perceptual = perceptual_distance(settings.perceptual, place)
    trainer = encoder_trainer(
        fixed.generator, photos, settings, rng=streams(seed)["train"], perceptual=perceptual
    )
    training_run.train_one(trainer, state, title="Training the encoder", quiet=as_json)
    network = trainer.finished()
    _publish(
        out, moved(fixed.generator, CPU), network, photos,
        inversion=fixed.inversion, quiet=as_json,
    )  # fmt: skip
    show({"settings": asdict(settings), "model": str(out)}, [f"Model in {out}."], as_json=as_json)


def _faces_for(settings: Any, faces: Path) -> "FaceSet":
    """Load the face set and check that it has the generator's size."""
    photos = load_faces(faces)
    check_size(photos, settings.generator.size)
    return photos


def _train_jointly(
    trainer_of: "Callable[..., JointTrainer]",
    settings: Any,
    photos: "FaceSet",
    *,
    seed: int,
    out: Path,
    state: Path,
    start: str | None,
    minutes: float | None,
    sheet_minutes: float,
    device: str,
    together: bool,
    as_json: bool,
) -> None:
    """Resume if there is a checkpoint, train, and publish the model when all steps are done."""
    from semveil.core.rng import streams
    from semveil.training.perceptual import perceptual_distance
    from semveil.training.processes import joined
    from semveil.training.sheet import SampleSheet

    with joined(device) as (processes, place):
        shared = {"processes": processes} if together else {}
        perceptual = perceptual_distance(settings.perceptual, place)
        trainer = trainer_of(
            photos, settings, perceptual=perceptual, rng=streams(seed)["train"], device=place, **shared
        )
        if state.is_file():
            training_run.resume(trainer, state)
        elif start is not None:
            _start(trainer, start)
        sheet = SampleSheet(photos)
        done = training_run.train(
            trainer, state, title="Training the generator", shown="mse", minutes=minutes, quiet=as_json,
            sheet=lambda: sheet.draw(trainer), sheet_minutes=sheet_minutes,
        )  # fmt: skip
        if done and processes.first:
            averages = trainer.averages
            _publish(
                out, averages["generator"], averages["encoder"], photos,
                discriminator=trainer.discriminator, quiet=as_json,
            )  # fmt: skip
        training_run.tell(trainer, out, state, done=done, as_json=as_json)


def _start(trainer: "JointTrainer", model: str) -> None:
    from semveil.core.network_files import read_network
    from semveil.models.face import load_model

    begun = load_model(model)
    if begun.folder is None:
        raise options.OptionError(f"model {model} has no folder to start from")
    names = [
        name
        for name in ("generator", "encoder", "discriminator")
        if (begun.folder / f"{name}.safetensors").is_file()
    ]
    trainer.start_from({name: read_network(begun.folder / f"{name}.safetensors") for name in names})


def _publish(
    out: Path, generator: Any, encoder: Any, photos: "FaceSet", *, quiet: bool, **parts: Any
) -> None:
    from semveil.training.publish import publish

    out.parent.mkdir(parents=True, exist_ok=True)
    with progress("Inverting training photos, steps", quiet=quiet) as advance:
        publish(out, generator, encoder, photos, progress=advance, **parts)
