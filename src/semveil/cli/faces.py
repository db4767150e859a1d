"""`semveil faces`: which faces are found in photos, under which numbers, and how surely."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.console import make_table, note, progress, show

if TYPE_CHECKING:
    from semveil.recognition.dlib_faces import Face

Detector = Annotated[
    str,
    typer.Option(
        help="Face detector: `dlib` finds frontal, upright faces; `yunet` also turned, masked and small ones; `union` takes "
        "both; `auto` takes both where semveil[detect] is installed.",
        metavar="NAME",
        autocompletion=options.one_of("auto", "union", "yunet", "dlib"),
        rich_help_panel=options.PHOTOS,
    ),
]


def faces(
    paths: Annotated[list[Path], typer.Argument(help="Photos, clips, or folders of them.", metavar="PATH...")],
    detector: Detector = "auto",
    draw: Annotated[
        Path | None,
        typer.Option(help="Folder for UNPROTECTED copies of the photos (not of clips) with the boxes drawn.", metavar="DIR"),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show which faces are found in photos, and how surely.

    The numbers are those that `protect --face` takes: 0 is the largest face, in clips the one with most
    pixels in all its frames. dlib's score goes from about 0 to 3, YuNet's from 0 to 1. `protect` can only
    cover a doubtful face.

    Example: semveil faces group.jpg

    Example: semveil faces holiday/ --draw boxes/
    """
    if draw is not None:
        options.check_output_folder(draw)

    from semveil.bulk.sources import assign_names, find_sources
    from semveil.core.errors import SemveilError
    from semveil.data.detection import MISSED_WITHOUT, resolve_detector
    from semveil.data.faces import find_faces
    from semveil.data.photos import load_photo

    settled = resolve_detector(detector)
    photos = find_sources(paths, draw).photos
    names = assign_names((photo.place for photo in photos), {})
    told: list[dict[str, Any]] = []
    code = 0
    with progress("Finding faces", quiet=as_json) as advance:
        for done, source in enumerate(photos, 1):
            try:
                if source.is_clip:
                    told.append({"photo": source.place, "faces": _in_clip(source.path, settled, advance)})
                    continue
                photo = load_photo(source.path)
            except SemveilError as error:
                note(str(error))
                code = error.exit_code
                continue
            found = find_faces(photo, thorough=True, detector=settled)
            told.append({"photo": source.place, "faces": [_face(i, face) for i, face in enumerate(found)]})
            if draw is not None:
                _draw(draw / f"{names[source.place]}.faces.png", photo.pixels, found)
            advance(done, len(photos))
    if detector == "auto" and settled == "dlib":
        note(f"only dlib looked for faces; {MISSED_WITHOUT}")
    rows = [
        [photo["photo"], face["number"], _where(face), _sure(face), face["doubt"]] for photo in told for face in photo["faces"]
    ]
    without = [photo["photo"] for photo in told if not photo["faces"]]
    lines = [f"{photo}: no face found" for photo in without]
    if draw is not None and told:
        lines.append(f"Drawn into {draw}: UNPROTECTED photos with boxes; delete them when you have looked.")
    table = None if as_json else make_table(["photo", "face", "where", "sure", "doubtful, since"], rows)
    result = {"detector": settled, "photos": told, "drawn": None if draw is None else str(draw)}
    show(result, lines, as_json=as_json, table=table)
    if code:
        raise typer.Exit(code)


def _face(number: int, face: "Face") -> dict[str, Any]:
    return {
        "number": number,
        "box": list(face.box),
        "px": face.shorter_side,
        "detector": face.detector,
        "score": round(face.score, 3),
        "doubt": face.doubtful,
    }


def _in_clip(path: Path, detector: str, advance: Any) -> list[dict[str, Any]]:
    """The faces that are followed through a clip, each as its sharpest frame shows it."""
    from semveil.bulk.clip_faces import tracks_of
    from semveil.data.faces import SMALLEST_FACE
    from semveil.video.clip import read_clip

    clip = read_clip(path)
    found = []
    for number, track in enumerate(tracks_of(clip, detector, advance)):
        best, (first, last) = track.best(SMALLEST_FACE), track.frames
        seconds = [round(float(clip.times[i]), 2) for i in (first, last, best)]
        found.append(
            {**_face(number, track.seen[best].face), "from_s": seconds[0], "to_s": seconds[1], "sharpest_s": seconds[2]}
        )
    return found


def _where(face: dict[str, Any]) -> str:
    place = f"{face['px']} px at {tuple(face['box'][:2])}"
    return place if "from_s" not in face else f"{place} at {face['sharpest_s']} s, seen {face['from_s']} to {face['to_s']} s"


def _sure(face: dict[str, Any]) -> str:
    return f"{face['detector']} {face['score']:.2f}"


def _draw(path: Path, pixels: Any, found: "list[Face]") -> None:
    from semveil.data.outlines import outline_faces
    from semveil.data.save import save_png

    path.parent.mkdir(parents=True, exist_ok=True)
    colours = ["orange" if face.doubtful else "lime" for face in found]
    save_png(
        path, outline_faces(pixels, [face.box for face in found], [str(i) for i in range(len(found))], colours), private=True
    )
