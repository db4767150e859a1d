# SPDX-License-Identifier: Apache-2.0
"""`semveil data`: preparation of photos for training."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.command import Command, Group
from semveil.cli.console import NOTHING_KEPT, note, progress, show, when_interrupted
from semveil.core.errors import PhotoError

app = typer.Typer(
    name="data",
    cls=Group,
    help=(
        "Prepare photos for training and experiments.\n\nExample: semveil data prepare data/ --out faces.npz"
    ),
)


@app.callback()
def _data() -> None:
    """Prepare photos for training and experiments."""


@app.command(cls=Command)
def prepare(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder that holds celebamask_hq/images, celebamask_hq/masks and lfw/NAME.", metavar="DIR"
        ),
    ],
    out: Annotated[Path, typer.Option(help="Face set to write.", metavar="FILE.npz")],
    size: Annotated[int, typer.Option(help="Side of the aligned faces in pixels.", min=16, max=512)] = 128,
    workers: Annotated[int, typer.Option(help="Number of processes.", min=1)] = 1,
    as_json: options.Json = False,
) -> None:
    """Align the photos of CelebAMask-HQ and LFW below a folder into one face set.

    data/celebamask_hq/images, data/celebamask_hq/masks and data/lfw/NAME hold them; one data set suffices.
    Each face is marked as of the training, development or test split: of LFW, 5 % of the people are for
    development and up to 160 for test, of CelebAMask-HQ 50 photos each.

    Photos that cannot be read are left out, each with a note, and make the command fail at its end; the face
    set is written.

    Example: semveil data prepare data/ --out faces.npz
    """
    options.check_output_file(out, ".npz")

    from semveil.data.face_set import prepare

    with when_interrupted(NOTHING_KEPT), progress("Aligning", quiet=as_json) as advance:
        prepared = prepare(folder, size=size, workers=workers, progress=advance)
    faces, unreadable = prepared.faces, prepared.unreadable
    faces.save(out)
    for path, reason in unreadable:
        note(f"left out: cannot read {str(path)!r}: {reason}")
    held_out = int(faces.held_out.sum())
    splits = {str(name): int((faces.split == name).sum()) for name in sorted(set(faces.split.tolist()))}
    result = {
        "faces": len(faces),
        "people": len(set(faces.person.tolist())),
        "held_out": held_out,
        "splits": splits,
        "unreadable": len(unreadable),
        "size": size,
        "written": str(out),
    }
    line = (
        f"{len(faces)} faces of {result['people']} people "
        f"({', '.join(f'{name} {count}' for name, count in splits.items())}), each {size} x {size} px, in "
        f"{out}."
    )
    line += f" {len(unreadable)} photos could not be read and were left out." if unreadable else ""
    show(result, [line], as_json=as_json)
    if unreadable:
        raise typer.Exit(PhotoError.exit_code)
