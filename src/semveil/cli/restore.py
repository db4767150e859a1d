"""`semveil restore`: the original faces back into a protected photo, the original clip, or the key of one face."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semveil.cli import options
from semveil.cli.console import show
from semveil.core.errors import KeyProblem

if TYPE_CHECKING:
    from semveil.data.sealed_faces import SealedFaces
    from semveil.keys.sealed_parts import PartKey


CLIP = ".mp4"  # what protected clips are named


def restore(
    picture: Annotated[Path, typer.Argument(help="Picture that `semveil protect --reversible` wrote.", metavar="FILE")],
    key: Annotated[
        list[Path] | None, typer.Option(help="Key that it was sealed with, or keys of single faces.", metavar="FILE")
    ] = None,
    passphrase_file: Annotated[Path | None, typer.Option(help="File that holds the passphrase.", metavar="FILE")] = None,
    sealed: Annotated[
        Path | None,
        typer.Option(help="File of the sealed originals; beside or in the picture by default.", metavar="FILE.sealed"),
    ] = None,
    face: Annotated[
        str, typer.Option(help="Which faces: `all`, or the numbers that protect gave them.", metavar="all|N,...")
    ] = "all",
    out: Annotated[Path | None, typer.Option(help="File to write; FILE.restored.png by default.", metavar="FILE.png")] = None,
    hand_over: Annotated[
        Path | None,
        typer.Option(help="Write a key for the one face that --face names, to hand over, and restore nothing.", metavar="KEY"),
    ] = None,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="Put faces back into a picture that was edited since; the result is not the original."),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Bring original faces back into a protected photo or clip.

    With all faces back the picture equals the protected photo in every pixel: decoded, upright and without metadata. A picture
    that was re-encoded or edited since is refused. A clip comes back byte for byte.

    Example: semveil restore group.png --key my.key

    Example: semveil restore group.png --key my.key --face 1 --hand-over face-1.key
    """
    if (key is None) == (passphrase_file is None):
        raise options.OptionError("give the key with --key FILE, or --passphrase-file FILE")
    if picture.suffix.lower() == CLIP:
        if face != "all" or hand_over is not None or anyway:
            raise options.OptionError("the original of a clip is sealed whole; leave out --face, --hand-over and --anyway")
        _restore_clip(picture, key, passphrase_file, sealed, out, as_json=as_json)
        return
    target = out if out is not None else picture.with_name(f"{picture.stem}.restored.png")
    options.check_output_file(*((hand_over,) if hand_over is not None else (target, ".png")))

    from semveil.data.photos import load_photo
    from semveil.data.save import save_png
    from semveil.data.sealed_faces import read_sealed
    from semveil.keys.sealed_parts import write_part_key

    photo = load_photo(picture)
    found = read_sealed(picture, sealed)
    keys = _keys(found, key, passphrase_file, _numbers(found, face), wanted_all=face == "all")
    if hand_over is not None:
        if len(keys) != 1 or face == "all":
            raise options.OptionError("--hand-over writes the key of one face; name it with --face N")
        write_part_key(hand_over, keys[0])
        lines = [
            f"Written: {hand_over}, the key of face {keys[0].number} of this picture, which only you may read.",
            "Whoever gets it sees this face as it was, and no other: semveil restore FILE --key KEY.",
        ]
        show({"written": str(hand_over), "face": keys[0].number}, lines, as_json=as_json)
        return
    pixels = found.restore(photo.pixels, keys, anyway=anyway)
    save_png(target, pixels, private=True)
    restored, left = [one.number for one in keys], sorted(set(found.numbers) - {one.number for one in keys})
    lines = [f"{len(restored)} of {len(found.numbers)} altered faces are back: {', '.join(map(str, restored))}."]
    if anyway:
        lines.append("Whether the rest is as it was is not checked (--anyway).")
    elif not left:
        lines.append("The picture equals the photo that was protected in every pixel.")
    lines.append(f"Written to {target}: it shows these faces UNPROTECTED.")
    result = {"written": str(target), "restored": restored, "left": left, "exact": not left and not anyway}
    show(result, lines, as_json=as_json)


def _restore_clip(
    clip: Path, files: list[Path] | None, passphrase_file: Path | None, sealed: Path | None, out: Path | None, *, as_json: bool
) -> None:
    """Write the file that was protected, byte for byte."""
    from semveil.core.files import write_whole
    from semveil.data.sealed_clip import SealedClip
    from semveil.keys.passphrase import read_passphrase
    from semveil.keys.secret import read_secret
    from semveil.methods.shared_key import SharedKey

    found = SealedClip.read(clip, sealed)
    target = out if out is not None else clip.with_name(f"{clip.stem}.restored{found.suffix}")
    options.check_output_file(target)
    if passphrase_file is not None:
        secret = SharedKey.of_message(found.source, passphrase=read_passphrase(passphrase_file)).secret
    elif found.source["kind"] != "file":
        raise KeyProblem("this clip was sealed with a passphrase; give the file that holds it with --passphrase-file")
    else:
        secret = read_secret((files or [])[0])
    original = found.open(secret)
    write_whole(target, original, private=True)
    lines = [
        f"The file that was protected is back byte for byte ({len(original):,} bytes).",
        f"Written to {target}: it shows its faces UNPROTECTED.",
    ]
    show({"written": str(target), "bytes": len(original), "exact": True}, lines, as_json=as_json)


def _numbers(found: "SealedFaces", face: str) -> list[int]:
    if face == "all":
        return list(found.numbers)
    try:
        return sorted({int(number) for number in face.split(",")})
    except ValueError:
        raise options.OptionError(f"no face {face!r}; allowed: all, or numbers such as 0,2") from None


def _keys(
    found: "SealedFaces", files: list[Path] | None, passphrase_file: Path | None, numbers: list[int], *, wanted_all: bool
) -> "list[PartKey]":
    """Keys of the faces that are asked for; with keys of single faces, all means all that they open."""
    from semveil.keys.passphrase import read_passphrase
    from semveil.keys.sealed_parts import PartKey, read_any_key
    from semveil.methods.shared_key import SharedKey

    if passphrase_file is not None:
        shared = SharedKey.of_message(found.source, passphrase=read_passphrase(passphrase_file))
        return [found.key(shared.secret, number) for number in numbers]
    read = [read_any_key(path) for path in files or ()]
    single = [key for key in read if isinstance(key, PartKey)]
    if len(single) < len(read):
        secrets = [key for key in read if not isinstance(key, PartKey)]
        if found.source["kind"] != "file":
            raise KeyProblem("this picture was sealed with a passphrase; give the file that holds it with --passphrase-file")
        return [found.key(secrets[0], number) for number in numbers]
    if wanted_all:
        return single
    missing = [number for number in numbers if number not in {key.number for key in single}]
    if missing:
        raise KeyProblem(f"no key of face {missing[0]} was given; these open {', '.join(str(key.number) for key in single)}")
    return [key for key in single if key.number in numbers]
