# SPDX-License-Identifier: Apache-2.0
"""Output files of one photo: pictures with certificates and sealed parts, and kept crops."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from numpy.typing import NDArray

from semveil.bulk.pictures import Picture
from semveil.bulk.settings import Settings
from semveil.bulk.sources import KEPT_FOLDER
from semveil.core.files import write_whole
from semveil.data.certified import save_certified_png, write_certificate
from semveil.data.save import save_png
from semveil.data.sealed_faces import CHUNK, sealed_path
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.methods.release import ImageMethod, Reconstructing


def write_picture(staged: Path, made: Picture, *, in_png: bool, inside: bool) -> list[str]:
    """Write a picture with its certificate and sealed part into the staging folder.

    Args:
        staged: the folder.
        made: the picture; `made.name` is its path relative to the output folder, without suffix.
        in_png: also embed the certificate in the PNG.
        inside: embed the sealed part in the PNG instead of writing a separate file.

    Returns:
        Paths relative to the output folder, the picture last.

    Raises:
        OutputError: a file cannot be written.
    """
    name = PurePosixPath(made.name)
    picture = staged / f"{name.name}.png"
    chunks = {CHUNK: made.sealed} if made.sealed is not None and inside else {}
    if in_png:
        save_certified_png(picture, made.pixels, made.certificate, chunks=chunks)
    else:
        save_png(picture, made.pixels, chunks=chunks)
    written = [write_certificate(picture, made.certificate), picture]
    if made.sealed is not None and not inside:
        write_whole(sealed_path(picture), made.sealed)
        written.insert(0, sealed_path(picture))
    return [str(name.parent / file.name) for file in written]


def keep_crops(
    staged: Path, names: Sequence[str], cut: Sequence[NDArray[Any]], settings: Settings, method: ImageMethod
) -> list[str]:
    """Write the unprotected pictures requested by `settings.keep`, readable by their owner only.

    Args:
        staged: folder to write into.
        names: paths of the pictures relative to the output folder, without suffix.
        cut: (S, S, 3) RGB uint8, one for each name.
        settings: settings of the run.
        method: must reconstruct if `inverted` pictures are kept.

    Returns:
        Paths relative to the output folder, below `KEPT_FOLDER`.

    Raises:
        OutputError: a file cannot be written.
    """
    files = []
    for kind in settings.keep if cut else ():
        pictures: Any = cut
        if kind == "inverted":
            assert isinstance(method, Reconstructing)
            pictures = to_pixels(method.reconstruct(to_tensor(cut)))
        for name, pixels in zip(names, pictures, strict=True):
            file = f"{PurePosixPath(name).name}.{kind}.png"
            save_png(staged / file, pixels, private=True)
            files.append(str(PurePosixPath(KEPT_FOLDER) / PurePosixPath(name).parent / file))
    return files
