# SPDX-License-Identifier: Apache-2.0
"""`semveil faces`: detected faces of photos and clips, with numbers and confidences."""

from pathlib import Path
from typing import Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.console import NOTHING_KEPT, Line, make_table, note, show, stages, when_interrupted

Detector = Annotated[
    str,
    typer.Option(
        help=(
            "Face detector: `dlib` finds frontal, upright faces; `yunet` also turned, masked and small "
            "ones; `union` takes both; `auto` takes both where semveil[detect] is installed."
        ),
        metavar="NAME",
        autocompletion=options.one_of("auto", "union", "yunet", "dlib"),
        rich_help_panel=options.PHOTOS,
    ),
]


def faces(
    paths: Annotated[
        list[Path], typer.Argument(help="Photos, clips, or folders of them.", metavar="PATH...")
    ],
    detector: Detector = "auto",
    draw: Annotated[
        Path | None,
        typer.Option(
            help="Folder for UNPROTECTED copies of the photos (not of clips) with the boxes drawn.",
            metavar="DIR",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show which faces are found in photos, and with what confidence.

    The numbers are those that `protect --face` takes: 0 is the largest face, in clips the one with most
    pixels in all its frames. dlib's score goes from about 0 to 3, YuNet's from 0 to 1. `protect` can only
    cover a doubtful face.

    Example: semveil faces group.jpg

    Example: semveil faces holiday/ --draw boxes/
    """
    if draw is not None:
        options.check_output_folder(draw)

    from semveil.bulk.found_faces import faces_in
    from semveil.data.detection import MISSED_WITHOUT, resolve_detector

    settled = resolve_detector(detector)
    with when_interrupted(NOTHING_KEPT), stages(quiet=as_json) as advance:
        found = faces_in(paths, settled, draw=draw, progress=advance)
    for error in found.refused:
        note(str(error))
    if detector == "auto" and settled == "dlib":
        note(f"only dlib looked for faces; {MISSED_WITHOUT}")
    rows = [
        [photo["photo"], face["number"], _position(face), _confidence(face), face["doubt"]]
        for photo in found.photos
        for face in photo["faces"]
    ]
    lines: list[Line] = [f"{photo['photo']}: no face found" for photo in found.photos if not photo["faces"]]
    if found.drawn:
        lines.append(f"Drawn into {draw}: UNPROTECTED photos with boxes; delete them when you have looked.")
    if rows:
        lines.append(("Next", "semveil protect PHOTO --face N,N protects some of them"))
    table = (
        None
        if as_json or not rows
        else make_table(["photo", "face", "position", "confidence", "doubtful because"], rows)
    )
    result = {"detector": settled, "photos": list(found.photos), "drawn": str(draw) if found.drawn else None}
    show(result, lines, as_json=as_json, table=table)
    if found.refused:
        raise typer.Exit(found.refused[-1].exit_code)


def _position(face: dict[str, Any]) -> str:
    place = f"{face['px']} px at {tuple(face['box'][:2])}"
    return (
        place
        if "from_s" not in face
        else f"{place} at {face['sharpest_s']} s, seen {face['from_s']} to {face['to_s']} s"
    )


def _confidence(face: dict[str, Any]) -> str:
    return f"{face['detector']} {face['score']:.2f}"
