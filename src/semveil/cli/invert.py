"""`semveil invert`: latents of photos, computed once and stored."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semveil.cli import options
from semveil.cli.console import note, progress, show, stages, when_interrupted
from semveil.cli.parties import default_model
from semveil.core.errors import FaceError, PhotoError, SemveilError

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
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Compute the latent codes of photos and store them.

    Run it again to go on after a break. A photo's id is the start of the SHA-256 of its file, so it survives
    renaming and reveals no path. Photos that cannot be used are left out with a note, and make the command
    fail at its end, except photos without a usable face in folders. Latents show the photos, so only you can
    read what is written.

    Example: semveil invert portraits/ --out latents.safetensors
    """
    options.check_output_file(out, ".safetensors")
    if image_dir is not None:
        options.check_output_folder(image_dir)
    options.check_device(device)

    import torch

    from semveil.bulk.sources import find_sources, sha256_of
    from semveil.core.pixels import to_tensor
    from semveil.data.latents import LatentSet
    from semveil.methods.face_model import load_model

    found = [(given, find_sources([given])) for given in photos]
    paths = [(source.path, source.path == given) for given, sources in found for source in sources.photos]
    for text in (text for _, sources in found for text in sources.notes):
        note(text)
    loaded = load_model(model or default_model()).to(device)
    term = loaded.describe_inversion(perceptual)["perceptual_term"]
    empty = LatentSet(torch.zeros(0, *loaded.latent_shape), (), loaded.digest, term)
    latents = LatentSet.load(out, model_digest=loaded.digest) if out.exists() else empty
    if latents.perceptual != term:
        raise options.OptionError(
            f"{out.name} holds latents inverted with perceptual term {latents.perceptual or 'unknown'}, not {term}; "
            "name another file with --out, or the same --perceptual"
        )
    known = len(latents)
    refused: list[SemveilError] = []
    failures: list[SemveilError] = []
    crops: dict[str, NDArray] = {}
    done_files = {name.partition("-")[0] for name in latents.ids}
    with progress("Finding faces", quiet=as_json) as advance:
        for number, (path, named) in enumerate(paths, 1):
            try:
                digest = sha256_of(path).hex()[:16]
                if digest not in done_files:
                    crops |= _faces(path, digest, loaded, face)
            except (PhotoError, FaceError) as error:
                refused.append(error)
                failures += [error] if named or isinstance(error, PhotoError) else []
            advance(number, len(paths))
    if failures and len(refused) == len(paths):
        raise failures[0]
    for one in refused:
        note(f"left out: {one}")
    names, batch = list(crops), loaded.inversion.batch

    def kept() -> str:
        return f"{len(latents) - known} new latents are kept in {out}; run the same command again to go on"

    with when_interrupted(kept), stages(quiet=as_json) as tell:
        for first in range(0, len(names), batch):
            chosen = names[first : first + batch]
            codes = loaded.invert(to_tensor([crops[name] for name in chosen]), perceptual=perceptual).codes
            latents = latents.extended(codes, chosen)
            latents.save(out)  # a run that is killed loses one batch at most
            tell("Inverting", first + len(chosen), len(names))
    if image_dir is not None:
        _draw(latents, image_dir, loaded)
    counts = {"latents": len(latents), "new": len(latents) - known, "known": known, "refused": len(refused)}
    line = f"{len(latents)} latents in {out}: {len(names)} new, {known} known before; {len(refused)} files left out."
    show({**counts, "written": str(out)}, [line], as_json=as_json)
    if failures:
        raise typer.Exit(failures[0].exit_code)


def _faces(path: Path, digest: str, model: "FaceModel", face: str | None) -> "dict[str, NDArray]":
    from semveil.data.faces import load_aligned_faces

    found = load_aligned_faces(path, size=model.size, selection=face)
    for text in found[0].photo.lost:
        note(f"{str(path)!r}: {text}")
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
                picture = to_pixels(model.generator.synthesize(model.placed(model.box.clip(codes[None]))))[0]
            save_png(path, picture, private=True)
