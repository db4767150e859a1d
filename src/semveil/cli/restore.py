# SPDX-License-Identifier: Apache-2.0
"""`semveil restore`: original faces of a photo, the original clip, or the key of one face."""

from pathlib import Path
from typing import Annotated

import typer

from semveil.cli import options
from semveil.cli.console import Line, note, show


def restore(
    picture: Annotated[
        Path,
        typer.Argument(help="Picture or clip that `semveil protect --reversible` wrote.", metavar="FILE"),
    ],
    key: Annotated[
        list[Path] | None,
        typer.Option(help="Key that it was sealed with, or keys of single faces.", metavar="FILE"),
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File that holds the passphrase.", metavar="FILE")
    ] = None,
    sealed: Annotated[
        Path | None,
        typer.Option(
            help="File of the sealed originals; beside or in the picture by default.", metavar="FILE.sealed"
        ),
    ] = None,
    face: Annotated[
        str,
        typer.Option(help="Which faces: `all`, or the numbers that protect gave them.", metavar="all|N,..."),
    ] = "all",
    out: Annotated[
        Path | None,
        typer.Option(
            help=(
                "File to write; NAME.restored.png in the current folder by default, of a clip NAME.restored "
                "with the original's suffix."
            ),
            metavar="FILE",
        ),
    ] = None,
    hand_over: Annotated[
        Path | None,
        typer.Option(
            help="Write a key for the one face that --face names, to hand over, and restore nothing.",
            metavar="KEY",
        ),
    ] = None,
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway",
            help="Put faces back into a picture that was edited since; the result is not the original.",
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Bring original faces back into a protected photo or clip.

    With all faces back the picture equals the protected photo in every pixel: decoded, upright and without
    metadata. A picture that was re-encoded or edited since is refused. A clip comes back byte for byte.
    The result is UNPROTECTED. By default it goes to the current folder, not among the protected files, and
    replaces nothing there.

    Example: semveil restore group.png --key my.key

    Example: semveil restore group.png --key my.key --face 1 --hand-over face-1.key
    """
    if (key is None) == (passphrase_file is None):
        raise options.OptionError("give the key with --key FILE, or --passphrase-file FILE")

    from semveil.bulk.restore import Opening, is_sealed_clip, restore_clip, restore_faces
    from semveil.bulk.restore import hand_over as write_key

    is_clip = is_sealed_clip(picture, sealed)
    if is_clip and (face != "all" or hand_over is not None or anyway):
        raise options.OptionError(
            "the original of a clip is sealed whole; leave out --face, --hand-over and --anyway"
        )
    target = out if out is not None or is_clip else Path(f"{picture.stem}.restored.png")
    if hand_over is not None and (out is not None or anyway):
        raise options.OptionError("--hand-over restores nothing; leave out --out and --anyway")
    if hand_over is not None:
        options.check_output_file(hand_over, None)
    elif target is not None and (out is not None or picture.exists()):  # else the picture is what is missing
        options.check_output_file(target, None if is_clip else ".png")

    opening = Opening(keys=tuple(key or ()), passphrase_file=passphrase_file, sealed=sealed)
    if is_clip:
        made_of = restore_clip(picture, target, opening)
        written, size = made_of.path, made_of.size
        for doubt in made_of.doubts:
            note(doubt)
        _note_place(written, picture)
        lines: list[Line] = [
            f"The file that was protected is back byte for byte ({size:,} bytes).",
            ("Written", f"{written}; it shows its faces UNPROTECTED."),
        ]
        result: dict[str, object] = {"written": str(written), "bytes": size, "exact": True}
        show({**result, "notes": list(made_of.doubts)}, lines, as_json=as_json)
        return
    if hand_over is not None:
        number = write_key(picture, hand_over, opening, face=face)
        lines = [
            ("Written", f"{hand_over}, the key of face {number} of this picture, which only you may read."),
            "With it this face can be seen as it was, and no other: semveil restore FILE --key KEY.",
        ]
        show({"written": str(hand_over), "face": number}, lines, as_json=as_json)
        return
    made = restore_faces(picture, out, opening, face=face, anyway=anyway)
    _note_place(made.path, picture)
    faces = len(made.restored) + len(made.left)
    numbers = ", ".join(f"face {number}" for number in made.restored)
    lines = [f"{len(made.restored)} of {faces} altered faces are back: {numbers}."]
    if anyway:
        lines.append("Whether the rest is as it was is not checked (--anyway).")
    elif not made.left:
        lines.append("The picture equals the photo that was protected in every pixel.")
    lines.append(("Written", f"{made.path}; it shows these faces UNPROTECTED."))
    result = {
        "written": str(made.path),
        "restored": list(made.restored),
        "left": list(made.left),
        "exact": made.exact,
    }
    show(result, lines, as_json=as_json)


def _note_place(written: Path, protected: Path) -> None:
    """Warn if an unprotected file lies in the folder of the protected one, which may be published."""
    if written.resolve().parent == protected.resolve().parent:
        note(
            f"{str(written)!r} is UNPROTECTED and lies in the same folder as the protected file: do not "
            "publish that folder"
        )
