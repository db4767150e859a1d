# SPDX-License-Identifier: Apache-2.0
"""Covering of doubtful faces in a whole photo, with the altered pixels of each face."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semveil.bulk.pictures import AROUND, Picture
from semveil.bulk.sealing import Sealing
from semveil.data.align import AlignedFace
from semveil.data.cover import cover_faces
from semveil.data.paste import pasted_region
from semveil.data.photos import Photo
from semveil.data.regions import Region
from semveil.data.sealed_faces import seal_faces
from semveil.privacy.caveats import Caveat
from semveil.privacy.certificate import Certificate, ReleaseKind
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.guarantee import Guarantee, post_process
from semveil.privacy.sealed_claim import with_sealed_part
from semveil.recognition.dlib_faces import Face

BEHIND_MOSAIC = Part(Kind.COVERED_FACES)


@dataclass(frozen=True, eq=False)
class Altered:
    """A picture and the altered region of each changed face, by face number; regions do not overlap."""

    picture: Picture
    regions: tuple[tuple[int, Region], ...]


def cover_doubtful(
    picture: Picture,
    faces: Sequence[Face],
    aligned: Sequence[AlignedFace],
    *,
    chosen: Sequence[int],
    covered: Sequence[int],
) -> Altered:
    """Cover further faces of a picture by a mosaic.

    Args:
        picture: the photo with chosen faces replaced.
        faces: all faces of the photo.
        aligned: the same faces, aligned.
        chosen: numbers of the replaced faces.
        covered: numbers of the faces to cover.
    """
    shape = picture.pixels.shape
    regions = [
        (i, region) for i in chosen if (region := pasted_region(aligned, i, shape, picture.fits.get(i)))
    ]
    pixels, over = cover_faces(
        picture.pixels, [faces[i] for i in covered], taken=[region for _, region in regions]
    )
    regions += [(i, region) for i, region in zip(covered, over, strict=True) if region is not None]
    certificate = picture.certificate
    if covered:
        claim = post_process(certificate.guarantee, "covering doubtful faces", also_reads=(BEHIND_MOSAIC,))
        certificate = replace(certificate, guarantee=claim)
    return Altered(replace(picture, pixels=pixels, certificate=certificate), tuple(regions))


def only_covered(name: str, method: str, photo: Photo, exposed: Sequence[str]) -> Picture:
    """Picture of a photo in which no face could be protected, before its faces are covered.

    It claims nothing.

    Args:
        name: name of the picture.
        method: name of the requested method.
        photo: upright, before any face is covered.
        exposed: known people whom it shows.
    """
    claim = Guarantee.none("nothing", reason="no face could be protected; faces are covered by a mosaic")
    claim = claim.about(Coverage.of(Part(Kind.NOTHING), *AROUND))
    certificate = Certificate(
        release=ReleaseKind.IMAGE,
        method=method,
        protection="mosaic",
        guarantee=claim,
        caveats=(Caveat.PASTE_BACK,),
    )
    return Picture(name, photo.pixels, certificate, exposed=tuple(exposed))


def with_way_back(altered: Altered, original: NDArray[np.uint8], sealing: Sealing) -> Picture:
    """Seal the originals of the altered faces, and state the sealed part in the certificate.

    Args:
        altered: the protected picture and its altered regions.
        original: (H, W, 3) RGB uint8, the photo.
        sealing: the key to seal with.

    Returns:
        The picture with its sealed part.

    Raises:
        KeyProblem: the key or passphrase cannot be used.
        ValueError: the picture differs from the photo outside the regions, or regions overlap.
    """
    key, picture = sealing.load(), altered.picture
    sealed = seal_faces(
        original,
        picture.pixels,
        altered.regions,
        key.secret,
        source=key.source,
        release_id=picture.certificate.release_id,
    )
    joint = with_sealed_part(picture.certificate.guarantee, passphrase=key.source["kind"] == "passphrase")
    return replace(picture, sealed=sealed, certificate=replace(picture.certificate, sealed=joint))
