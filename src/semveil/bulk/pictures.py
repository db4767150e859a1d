# SPDX-License-Identifier: Apache-2.0
"""Pictures made from a photo: one of each face, the photo with new faces, or one made from the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from semveil.data.align import AlignedFace
from semveil.data.fit import fit_faces
from semveil.data.paste import Fit, paste_faces
from semveil.data.photos import Photo
from semveil.faces.pixels import to_pixels
from semveil.methods.release import ImageMethod, Release
from semveil.privacy.caveats import Caveat
from semveil.privacy.certificate import Certificate
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.guarantee import Guarantee, post_process

AROUND = (Part(Kind.SURROUNDINGS), Part(Kind.OTHER_FACES))
# standard deviation of the blur of oversize faces, as a fraction of the crop's side
SOFTENED = 0.06


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture to be written.

    Attributes:
        name: path of its file relative to the output folder, without `.png`.
        pixels: (H, W, 3) RGB.
        certificate: its certificate, not bound to a file yet.
        subjects: names of known people whose pixels entered it, once for each face of the release they
            entered.
        exposed: known people whose faces it shows unchanged or under a mosaic.
        sealed: sealed original pixels of its altered faces; None if not reversible.
        fits: fits of the faces pasted more closely than by a disc, by face number.
    """

    name: str
    pixels: NDArray[np.uint8]
    certificate: Certificate
    subjects: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    sealed: bytes | None = None
    fits: Mapping[int, Fit] = field(default_factory=dict)


def crops(
    method: ImageMethod, release: Release, names: Sequence[str], through: Sequence[Sequence[str]]
) -> list[Picture]:
    """Pictures of the protected faces, one each.

    Args:
        method: method that made the release.
        release: release of the chosen faces, one image each.
        names: names of the pictures, one per face.
        through: known people whose pixels entered each.
    """
    return [
        Picture(name, pixels, method.certificate(single), tuple(known))
        for name, pixels, single, known in zip(
            names, to_pixels(release.images), release.singles(), through, strict=True
        )
    ]


def whole_photo(
    method: ImageMethod,
    release: Release,
    name: str,
    through: Sequence[Sequence[str]],
    *,
    photo: Photo,
    faces: Sequence[AlignedFace],
    landmarks: Sequence[NDArray[np.float64]],
    chosen: Sequence[int],
    softened: Sequence[int] = (),
    exposed: Sequence[str] = (),
) -> Picture:
    """The photo with its chosen faces replaced.

    The surroundings of the faces are left unchanged, so no finite epsilon holds for the photo, whatever holds
    for each face. If the attributes of a face are left in clear anyway, its outline may be too, and only the
    face is replaced; otherwise a disc around it, which depends only on where the face is.

    Args:
        method: method that made the release.
        release: release of the chosen faces, one image each.
        name: name of the picture.
        through: known people whose pixels entered each chosen face's release.
        photo: upright, with its original faces.
        faces: all faces of the photo.
        landmarks: landmarks of all faces, as for `align_face`.
        chosen: numbers of the faces in the release, in its order.
        softened: those of them whose new faces are blurred.
        exposed: known people whose faces are left unchanged.
    """
    new = [soften(p) if i in softened else p for i, p in zip(chosen, to_pixels(release.images), strict=True)]
    certificate = method.certificate(release)
    claim = only_the_face(certificate.guarantee)
    reads: tuple[Part, ...] = AROUND
    fits: dict[int, Fit] = {}
    if outline_passes(claim):
        fitted = fit_faces(photo.pixels, landmarks, chosen, new)
        new, fits = [one.crop for one in fitted], {i: one.fit for i, one in zip(chosen, fitted, strict=True)}
        reads += (Part(Kind.OUTLINE),)
    replaced: list[NDArray[np.uint8] | None] = [None] * len(faces)
    for i, pixels in zip(chosen, new, strict=True):
        replaced[i] = pixels
    certificate = replace(
        certificate,
        guarantee=post_process(claim, "pasting faces back", also_reads=reads),
        caveats=(*certificate.caveats, Caveat.PASTE_BACK),
    )
    pixels = paste_faces(photo.pixels, faces, replaced, fits=fits)
    people = tuple(name for known in through for name in known)
    return Picture(name, pixels, certificate, people, tuple(exposed), fits=fits)


def soften(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blur a crop until features vanish: an eye is about a tenth of its width.

    Args:
        crop: (S, S, 3) RGB uint8.
    """
    return np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(SOFTENED * len(crop))))


def outline_passes(claim: Guarantee) -> bool:
    """Whether the outline of a face may be visible, because the claim leaves the face's attributes in clear.

    Args:
        claim: guarantee of the method.
    """
    return any(part.kind == Kind.ATTRIBUTES for part in claim.coverage.clear)


def only_the_face(claim: Guarantee) -> Guarantee:
    """Restrict the claim for a crop to the pasted face.

    The photo keeps its own pixels at the crop's corners.

    Args:
        claim: guarantee for the whole crop.
    """
    covered = (
        Part(Kind.FACE, note=part.note) if part.kind == Kind.CROP else part for part in claim.coverage.covered
    )
    return claim.about(Coverage(tuple(covered), claim.coverage.clear))


def middle_square(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The largest centred square of a picture, resized.

    Args:
        pixels: (H, W, 3) RGB uint8.
        size: side of the result in pixels.

    Returns:
        (size, size, 3) uint8.

    Example:
        >>> middle_square(np.zeros((4, 9, 3), np.uint8), 2).shape
        (2, 2, 3)
    """
    height, width = pixels.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    square = Image.fromarray(pixels[top : top + side, left : left + side])
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))
