"""What becomes of a photo: a picture of each face, the photo with other faces in it, or one picture made from the whole."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semveil.core.caveats import Caveat
from semveil.core.certificate import Certificate
from semveil.core.pixels import to_pixels
from semveil.core.privacy import post_process
from semveil.data.align import AlignedFace
from semveil.data.paste import paste_faces
from semveil.data.photos import Photo
from semveil.methods.release import ImageMethod, Release

IN_CLEAR = (
    "the photo around the faces, and where each face lies, how large and how tilted it is",
    "faces that were not found or not chosen",
)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture to be written.

    Attributes:
        name: of its file below the output folder, without `.png`.
        pixels: (H, W, 3) RGB.
        certificate: of it, not bound to a file yet.
        subjects: known people whom it is made from, by name, once for each face.
        sealed: the original pixels of its altered faces, sealed; None where there is no way back.
    """

    name: str
    pixels: NDArray[np.uint8]
    certificate: Certificate
    subjects: tuple[str, ...] = ()
    sealed: bytes | None = None


def crops(method: ImageMethod, release: Release, names: Sequence[str], subjects: Sequence[str | None]) -> list[Picture]:
    """A picture of each protected face."""
    return [
        Picture(name, pixels, method.certificate(single), () if subject is None else (subject,))
        for name, pixels, single, subject in zip(names, to_pixels(release.images), release.singles(), subjects, strict=True)
    ]


def whole_photo(
    method: ImageMethod,
    release: Release,
    name: str,
    subjects: Sequence[str | None],
    *,
    photo: Photo,
    faces: Sequence[AlignedFace],
    chosen: Sequence[int],
) -> Picture:
    """The photo with its chosen faces replaced.

    What surrounds the faces passes as it is, so no finite epsilon holds for the photo, whatever holds for each face.

    Args:
        faces: all faces of the photo.
        chosen: which of them the release shows, in its order.
    """
    replaced: list[NDArray[np.uint8] | None] = [None] * len(faces)
    for i, pixels in zip(chosen, to_pixels(release.images), strict=True):
        replaced[i] = pixels
    certificate = method.certificate(release)
    certificate = replace(
        certificate,
        guarantee=post_process(certificate.guarantee, "pasting faces back", also_reads=IN_CLEAR),
        caveats=(*certificate.caveats, Caveat.PASTE_BACK),
    )
    pixels = paste_faces(photo.pixels, faces, replaced)
    return Picture(name, pixels, certificate, tuple(subject for subject in subjects if subject is not None))


def middle_square(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The largest square in the middle of a picture, resized, (size, size, 3).

    Example:
        >>> middle_square(np.zeros((4, 9, 3), np.uint8), 2).shape
        (2, 2, 3)
    """
    height, width = pixels.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    square = Image.fromarray(pixels[top : top + side, left : left + side])
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))
