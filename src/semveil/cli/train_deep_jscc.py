"""`semveil train deep-jscc`: a DeepJSCC of the bandwidth that a face model's codes have, to compare with."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options, training_run


def deep_jscc(
    faces: Annotated[Path, typer.Argument(help="Face set that `semveil data prepare` wrote.", metavar="FACES.npz")],
    out: Annotated[Path, typer.Option(help="Weights to write when training is done.", metavar="FILE.safetensors")],
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.", metavar="FILE.toml")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Override a setting; may be repeated.", metavar="a.b=c")
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="In training, as in transmit; AWGN by default.", metavar=options.CHANNEL_METAVAR)
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="State of the run; FILE.checkpoint by default.", metavar="FILE")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after so long; run it again to go on.", metavar="M")] = None,
    sheet_minutes: training_run.SheetMinutes = training_run.SHEET_MINUTES,
    device: options.Device = "auto",
    seed: Annotated[int, typer.Option(help="Of initialisation, order and channel.", metavar="N")] = 0,
    as_json: options.Json = False,
) -> None:
    """Train encoder and decoder of a DeepJSCC end to end through a channel, on the photos that are not held out.

    Example: semveil train deep-jscc faces.npz --out deep-jscc.safetensors --minutes 60
    """
    options.check_output_file(out, ".safetensors")
    state = checkpoint or out.with_name(f"{out.name}.checkpoint")
    options.check_output_file(state)
    link = options.channel("--channel", channel)
    place = training_run.only_process(device)

    from semveil.cli.face_sets import check_size, load_faces
    from semveil.cli.perceptual_training import perceptual_distance
    from semveil.core.config import read_config
    from semveil.core.rng import streams
    from semveil.methods.deep_jscc import save_deep_jscc
    from semveil.training.deep_jscc import DeepJSCCTrainer, DeepJSCCTraining

    settings = read_config(DeepJSCCTraining, config, overrides or [])
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
        card = {"trained_on": f"{len(trainer.photos)} aligned photos", "channel": channel or "awgn", **asdict(settings)}
        save_deep_jscc(out, *trainer.finished(), card)
    training_run.tell(trainer, out, state, done=done, as_json=as_json)
