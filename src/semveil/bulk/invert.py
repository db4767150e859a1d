# SPDX-License-Identifier: Apache-2.0
"""Inversion of photos and folders: latent codes, computed once and stored in a file."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from semveil.bulk.sources import find_sources, sha256_of
from semveil.core.errors import FaceError, PhotoError, SemveilError
from semveil.core.progress import Note, Progress, quiet, unheard
from semveil.data.faces import load_aligned_faces
from semveil.data.latents import LatentSet
from semveil.data.save import save_png
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.models.face import FaceModel


@dataclass(frozen=True)
class Inverted:
    """Counts of an inversion.

    Attributes:
        latents: number of latents in the file.
        new: number computed now.
        known: number in the file before.
        refused: number of files that could not be used.
        failures: errors of those files that were given by name or cannot be read; the first determines the
            exit code.
    """

    latents: int
    new: int
    known: int
    refused: int
    failures: tuple[SemveilError, ...]


def invert_photos(
    photos: Sequence[str | os.PathLike[str]],
    out: Path,
    model: FaceModel,
    *,
    images: Path | None = None,
    face: str | None = None,
    perceptual: str | None = None,
    progress: Progress = quiet,
    note: Note = unheard,
) -> Inverted:
    """Compute the latents of all requested faces and add them to a file; a later call resumes.

    The id of a face is the first 16 hexadecimal digits of the SHA-256 of its photo's file, and the face's
    number.

    Args:
        photos: photos and folders of photos.
        out: file of latents; those already in it are not computed again.
        model: model whose latents are computed.
        images: folder for a picture synthesized from each latent.
        face: which face of a photo with several.
        perceptual: perceptual term of the inversion; the model's default if None.
        progress: called with the stage, "Finding faces" or "Inverting", the number done and the total; the
            file is saved after each batch of the second.
        note: called with a message for each file left out.

    Returns:
        Counts, and errors.

    Raises:
        ValueError: the file holds latents of another perceptual term.
        SemveilError: no photo can be used, or the file is not valid.
    """
    found = [(Path(given), find_sources([given])) for given in photos]
    paths = [(source.path, source.path == given) for given, sources in found for source in sources.photos]
    for text in (text for _, sources in found for text in sources.notes):
        note(text)
    latents = _open(out, model, perceptual)
    known, refused, failures = len(latents), [], []
    crops: dict[str, NDArray[Any]] = {}
    done = set(latents.ids)
    progress("Finding faces", 0, len(paths))
    for number, (path, named) in enumerate(paths, 1):
        try:
            digest = sha256_of(path).hex()[:16]
            if not _is_done(digest, face, done):
                found_faces = _faces(path, digest, model, face, note)
                crops |= {name: crop for name, crop in found_faces.items() if name not in done}
        except (PhotoError, FaceError) as error:
            refused.append(error)
            failures += [error] if named or isinstance(error, PhotoError) else []
        progress("Finding faces", number, len(paths))
    if failures and len(refused) == len(paths):
        raise failures[0]
    for one in refused:
        note(f"left out: {one}")
    names, batch = list(crops), model.inversion.batch
    for first in range(0, len(names), batch):
        chosen = names[first : first + batch]
        codes = model.invert(to_tensor([crops[name] for name in chosen]), perceptual=perceptual).codes
        latents = latents.extended(codes, chosen)
        latents.save(out)  # a killed run loses at most one batch
        progress("Inverting", first + len(chosen), len(names))
    if images is not None:
        _draw(latents, images, model)
    return Inverted(len(latents), len(latents) - known, known, len(refused), tuple(failures))


def _open(out: Path, model: FaceModel, perceptual: str | None) -> LatentSet:
    term = model.describe_inversion(perceptual)["perceptual_term"]
    if not out.exists():
        return LatentSet(torch.zeros(0, *model.latent_shape), (), model.digest, term)
    latents = LatentSet.load(out, model_digest=model.digest)
    if latents.perceptual != term:
        raise ValueError(
            f"{out.name} holds latents inverted with perceptual term {latents.perceptual or 'unknown'}, not "
            f"{term}; name another file with --out, or the same --perceptual"
        )
    return latents


def _is_done(digest: str, face: str | None, done: Collection[str]) -> bool:
    """Whether a photo's requested face is in the file; how many `all` are is known from the photo alone."""
    number = "0" if face in (None, "largest") else face
    return f"{digest}-{number}" in done


def _faces(
    path: Path, digest: str, model: FaceModel, face: str | None, note: Note
) -> dict[str, NDArray[Any]]:
    found = load_aligned_faces(path, size=model.size, selection=face)
    for text in found[0].photo.lost:
        note(f"{str(path)!r}: {text}")
    return {f"{digest}-{one.index}": one.aligned.pixels for one in found}


def _draw(latents: LatentSet, folder: Path, model: FaceModel) -> None:
    """Write a picture of each latent; one of that name may show another model's, so it is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, codes in zip(latents.ids, latents.codes, strict=True):
        with torch.inference_mode():
            picture = to_pixels(model.generator.synthesize(model.placed(model.box.clip(codes[None]))))[0]
        save_png(folder / f"{name}.png", picture, private=True)
