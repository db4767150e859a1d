"""`semveil invert`: latents of photos, computed once and stored."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semveil.bulk.sources import PHOTO_SUFFIXES
from semveil.cli import options
from semveil.cli.console import note, progress, show, stages
from semveil.cli.parties import default_model
from semveil.core.errors import FaceError, PhotoError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semveil.data.latents import LatentSet
    from semveil.methods.face_model import FaceModel


def invert(
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.", metavar="PHOTO|DIR...")],
    out: Annotated[
        Path, typer.Option(help="File of latents; photos that are in it already are skipped.", metavar="FILE.safetensors")
    ],
    image_dir: Annotated[Path | None, typer.Option(help="Also write each inverted image here.", metavar="DIR")] = None,
    model: options.Model = None,
    face: options.Face = None,
    perceptual: options.Perceptual = None,
    as_json: options.Json = False,
) -> None:
    """Find the latents of photos and keep them; run it again to go on after a break.

    A photo's id is the start of the SHA-256 of its file, so it survives renaming and tells no path. In folders, files that
    show no usable face are left out with a note. Latents show the photos: keep the file as private as those.

    Example: semveil invert portraits/ --out latents.safetensors
    """
    options.check_output_file(out, ".safetensors")
    if image_dir is not None:
        options.check_output_folder(image_dir)
    paths = [(path, named) for given in photos for path, named in _photos(given)]

    import torch

    from semveil.core.pixels import to_tensor
    from semveil.data.latents import LatentSet
    from semveil.methods.face_model import load_model

    loaded = load_model(model or default_model())
    term = loaded.describe_inversion(perceptual)["perceptual_term"]
    empty = LatentSet(torch.zeros(0, *loaded.latent_shape), (), loaded.digest, term)
    latents = LatentSet.load(out, model_digest=loaded.digest) if out.exists() else empty
    if latents.perceptual != term:
        raise options.OptionError(
            f"{out.name} holds latents inverted with perceptual term {latents.perceptual or 'unknown'}, not {term}; "
            "name another file with --out, or the same --perceptual"
        )
    known, refused = len(latents), 0
    crops: dict[str, NDArray] = {}
    done_files = {name.partition("-")[0] for name in latents.ids}
    with progress("Finding faces", quiet=as_json) as advance:
        for number, (path, named) in enumerate(paths, 1):
            try:
                digest = _digest(path)
                if digest not in done_files:
                    crops |= _faces(path, digest, loaded, face)
            except (PhotoError, FaceError) as error:
                if named:
                    raise
                note(f"left out: {error}")
                refused += 1
            advance(number, len(paths))
    names, batch = list(crops), loaded.inversion.batch
    with stages(quiet=as_json) as tell:
        for first in range(0, len(names), batch):
            chosen = names[first : first + batch]
            codes = loaded.invert(to_tensor([crops[name] for name in chosen]), perceptual=perceptual).codes
            latents = latents.extended(codes, chosen)
            latents.save(out)  # a run that is killed loses one batch at most
            tell("Inverting", first + len(chosen), len(names))
    if image_dir is not None:
        _draw(latents, image_dir, loaded)
    result = {"latents": len(latents), "new": len(latents) - known, "known": known, "refused": refused, "written": str(out)}
    line = f"{len(latents)} latents in {out}: {len(names)} new, {known} known before; {refused} files without a usable face."
    show(result, [line], as_json=as_json)


def _photos(given: Path) -> list[tuple[Path, bool]]:
    """A photo as it is named, or what a folder holds; the flag tells that the user named it."""
    if not given.is_dir():
        return [(given, True)]
    found = sorted(path for path in given.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES and path.is_file())
    if not found:
        raise PhotoError(f"the folder {str(given)!r} holds no photos ({', '.join(sorted(PHOTO_SUFFIXES))})")
    return [(path, False) for path in found]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise PhotoError(f"cannot read {str(path)!r}: {error.strerror}") from error


def _faces(path: Path, digest: str, model: "FaceModel", face: str | None) -> "dict[str, NDArray]":
    from semveil.data.faces import load_aligned_faces

    found = load_aligned_faces(path, size=model.size, selection=face)
    return {f"{digest}-{one.index}": one.aligned.pixels for one in found}


def _draw(latents: "LatentSet", folder: Path, model: "FaceModel") -> None:
    import torch

    from semveil.core.pixels import to_pixels
    from semveil.data.save import save_png

    folder.mkdir(parents=True, exist_ok=True)
    for name, codes in zip(latents.ids, latents.codes, strict=True):
        path = folder / f"{name}.png"
        if not path.exists():
            with torch.inference_mode():
                save_png(path, to_pixels(model.generator.synthesize(model.box.clip(codes[None])))[0])
