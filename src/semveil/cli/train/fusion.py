# SPDX-License-Identifier: Apache-2.0
"""`semveil train fusion`: identity-dp's attribute encoder and fusion generator.

The identity encoder is fixed.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.train import run as training_run

DLIB = "dlib"


def fusion(
    faces: Annotated[
        Path,
        typer.Argument(help="Labelled face set, as `semveil train parser` writes it.", metavar="FACES.npz"),
    ],
    out: Annotated[Path, typer.Option(help="Model folder to write when training is done.", metavar="DIR")],
    identity: Annotated[
        Path | None,
        typer.Option(help="Identity encoder; the bundled one by default.", metavar="FILE.safetensors"),
    ] = None,
    second: Annotated[
        str | None,
        typer.Option(
            help="Second identity encoder, which judges too who is shown: `dlib`, or a file.",
            metavar="FILE.safetensors",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="Identity model to start from, in place of random weights.", metavar="DIR"),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="Settings to start from: `ours`, or `paper` for the paper's losses alone.", metavar="NAME"
        ),
    ] = "ours",
    config: training_run.Config = None,
    overrides: training_run.Set = None,
    checkpoint: training_run.Checkpoint = None,
    minutes: training_run.Minutes = None,
    sheet_minutes: training_run.SheetMinutes = training_run.SHEET_MINUTES,
    device: options.Device = "auto",
    seed: training_run.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Train identity-dp's attribute encoder and fusion generator.

    They take a face apart into identity and attributes and put it together again. Several processes train
    together under torchrun: torchrun --nproc-per-node 2 -m semveil train fusion ...

    Example: semveil train fusion labelled.npz --out models/mine

    Example: semveil train fusion labelled.npz --second dlib --out models/mine

    Example: semveil train fusion labelled.npz --preset paper --out models/paper
    """
    state = training_run.state_file(out, checkpoint)
    options.check_device(device)

    from semveil.cli.face_sets import check_labels, check_size, load_faces
    from semveil.core.registry import suggest
    from semveil.core.rng import streams
    from semveil.models.identity import read_fusion, save_identity_model
    from semveil.recognition.dlib_network import load_dlib_network
    from semveil.recognition.identity_encoder import (
        BUNDLED,
        IdentityEncoder,
        identity_encoder_digest,
        identity_encoder_file,
        load_identity_encoder,
    )
    from semveil.training.fusion import FusionTrainer
    from semveil.training.fusion_settings import FUSION_PRESETS, FusionTraining
    from semveil.training.processes import joined
    from semveil.training.sheet import FusionSheet

    if preset not in FUSION_PRESETS:
        raise options.OptionError(
            f"no preset {preset!r}{suggest(preset, FUSION_PRESETS)}; allowed: {', '.join(FUSION_PRESETS)}"
        )
    settings = training_run.read_settings(FusionTraining, config, overrides, defaults=FUSION_PRESETS[preset])
    identity_file = identity_encoder_file(identity or BUNDLED)
    recogniser, photos = load_identity_encoder(identity_file), load_faces(faces)
    check_size(photos, recogniser.config.size)
    check_labels(photos)
    other = (
        None
        if second is None
        else load_dlib_network()
        if second == DLIB
        else load_identity_encoder(Path(second))
    )
    if isinstance(other, IdentityEncoder):
        check_size(photos, other.config.size)
    with joined(device) as (processes, place):
        trainer = FusionTrainer(
            photos,
            settings,
            identity=recogniser,
            second=other,
            rng=streams(seed)["train"],
            device=place,
            processes=processes,
        )
        if start is not None:
            trainer.start_from(*read_fusion(start))
        if state.is_file():
            training_run.resume(trainer, state)
        sheet = FusionSheet(photos)
        done = training_run.train(
            trainer, state, title="Training the fusion", shown="identity", minutes=minutes, quiet=as_json,
            sheet=lambda: sheet.draw(trainer), sheet_minutes=sheet_minutes,
        )  # fmt: skip
        if done and processes.first:
            card = {
                "trained_on": f"{len(trainer.photos)} aligned photos, "
                f"{len(photos) - len(trainer.photos)} held out",
                "preset": preset,
                "second_encoder": second if second in (None, DLIB) else identity_encoder_digest(Path(second)),
                "settings": asdict(settings),
            }
            save_identity_model(out, identity_file, *trainer.finished(), card)
        training_run.tell(trainer, out, state, done=done, as_json=as_json)
