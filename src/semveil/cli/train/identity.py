# SPDX-License-Identifier: Apache-2.0
"""`semveil train identity-encoder`: a compact recogniser, distilled from dlib's.

It is differentiable, so other networks can be trained against it.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semveil.cli import options
from semveil.cli.console import progress, show
from semveil.cli.train import run as training_run

if TYPE_CHECKING:
    from semveil.data.face_set import FaceSet
    from semveil.training.teacher_descriptors import TeacherDescriptors


def identity_encoder(
    faces: Annotated[
        Path, typer.Argument(help="Face set that `semveil data prepare` wrote.", metavar="FACES.npz")
    ],
    photos: Annotated[
        Path,
        typer.Option(
            help="Folder that the set was prepared from; dlib describes its photos at full size.",
            metavar="DIR",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Weights to write.", metavar="FILE.safetensors")],
    config: training_run.Config = None,
    overrides: training_run.Set = None,
    checkpoint: training_run.Checkpoint = None,
    descriptors: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps dlib's descriptors; OUT.teacher.npz by default.", metavar="FILE.npz"
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes that describe photos.")] = 1,
    device: options.Device = "auto",
    seed: training_run.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Train an identity encoder from dlib's descriptors.

    Names are not needed. How well it tells held-out people apart is measured at the end.

    Example: semveil train identity-encoder f.npz --photos data/ --out i.safetensors
    """
    options.check_output_file(out, ".safetensors")
    state = checkpoint or out.with_name(f"{out.name}.checkpoint")
    options.check_output_file(state)
    kept = descriptors or out.with_name(f"{out.name}.teacher.npz")
    options.check_output_file(kept, ".npz")
    place = training_run.only_process(device)

    from semveil.cli.face_sets import check_size, load_faces
    from semveil.core.rng import streams
    from semveil.data.held_out_pairs import held_out_accuracy
    from semveil.recognition import BundledVerifier
    from semveil.recognition.identity_encoder import save_identity_encoder
    from semveil.training.identity_encoder import IdentityEncoderTraining, identity_encoder_trainer

    settings = training_run.read_settings(IdentityEncoderTraining, config, overrides)
    photo_set = load_faces(faces)
    check_size(photo_set, settings.encoder.size)
    teacher = _teacher(kept, photos, photo_set, workers=workers, quiet=as_json)
    trainer = identity_encoder_trainer(photo_set, teacher, settings, rng=streams(seed)["train"], device=place)
    training_run.train_one(trainer, state, title="Training the identity encoder", quiet=as_json)
    network = trainer.finished()
    try:
        accuracy, error = held_out_accuracy(BundledVerifier(network, threshold=0.0), photo_set)
        told = f"Pairs of held-out people told apart: {accuracy:.1%} +- {error:.1%}."
    except ValueError as reason:
        accuracy, told = None, f"Not measured on held-out people: {reason}."
    card = {
        "teacher": "dlib_face_recognition_resnet_model_v1",
        "photos": int((~photo_set.held_out).sum()),
        "settings": asdict(settings),
        "held_out_accuracy": accuracy,
    }
    save_identity_encoder(out, network, card)
    show({**card, "written": str(out)}, [told, f"Written: {out}."], as_json=as_json)


def _teacher(
    kept: Path, photos: Path, faces: "FaceSet", *, workers: int, quiet: bool
) -> "TeacherDescriptors":
    """dlib's descriptors of the training photos, loaded from a file or computed and stored in it."""
    from semveil.training.teacher_descriptors import TeacherDescriptors, describe_photos

    if kept.is_file():
        try:
            return TeacherDescriptors.load(kept)
        except (OSError, KeyError, ValueError, EOFError) as error:
            raise options.OptionError(
                f"{kept} holds no descriptors of photos; delete it to make it again"
            ) from error
    with progress("Describing photos", quiet=quiet) as advance:
        made = describe_photos(photos, faces, workers=workers, progress=advance)
    made.save(kept)
    return made
