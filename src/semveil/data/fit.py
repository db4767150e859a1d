"""Fit new faces closely into their photo: the face alone is covered, in the colours and with the grain of what is around it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semveil.data.face_cover import face_cover, parsed, skin_beside
from semveil.data.paste import Fit, align_apart, clear_of_others, surrounding_grain
from semveil.data.tone import toned
from semveil.recognition.face_parser import SIZE


def fit_faces(
    photo: NDArray[np.uint8],
    landmarks: Sequence[NDArray[np.float64]],
    chosen: Sequence[int],
    crops: Sequence[NDArray[np.uint8]],
) -> tuple[list[NDArray[np.uint8]], dict[int, Fit]]:
    """Crops in the colours of their surroundings, and how each is fitted in, for `paste_faces`.

    The cover is where the parser sees the face in the photo or in the crop, so the result shows the outline of the old face.
    Colours and grain are compared where the photo stays as it is.

    Args:
        photo: (H, W, 3) RGB.
        landmarks: of all its faces, as for `align_face`.
        chosen: numbers of the faces that are replaced.
        crops: for each of these the (S, S, 3) RGB picture that takes its place.
    """
    faces = align_apart(photo, landmarks, SIZE)
    before, after = parsed(np.stack([faces[i].pixels for i in chosen])), parsed(np.stack(crops))
    fitted, fits = [], {}
    for i, crop, old, new in zip(chosen, crops, before, after, strict=True):
        cover = face_cover(old, new)
        fitted.append(toned(crop, faces[i].pixels, cover, clear_of_others(faces, i, SIZE)))
        fits[i] = Fit(cover, surrounding_grain(photo, faces, i, cover, skin_beside(old)))
    return fitted, fits
