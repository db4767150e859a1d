# SPDX-License-Identifier: Apache-2.0
"""Fit new faces closely into their photo: the face alone is covered, in the colours and with the grain of what is around it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semveil.data.face_cover import face_cover, parsed, skin_beside
from semveil.data.paste import Fit, align_apart, clear_of_others, surrounding_grain
from semveil.data.tone import shifted, tone_shift
from semveil.recognition.face_parser import SIZE

# share of a frame's own measurement in what it is fitted by; the rest is that of the frames before it
_NEW = 0.25


@dataclass(frozen=True, eq=False)
class Fitted:
    """A new face, fitted in.

    Attributes:
        crop: (S, S, 3) RGB in the colours of its surroundings.
        fit: for `paste_faces`.
        shift: (P, P, 3), by how many levels its colours were shifted.
    """

    crop: NDArray[np.uint8]
    fit: Fit
    shift: NDArray[np.float32]


def fit_faces(
    photo: NDArray[np.uint8],
    landmarks: Sequence[NDArray[np.float64]],
    chosen: Sequence[int],
    crops: Sequence[NDArray[np.uint8]],
    before: Sequence[Fitted | None] | None = None,
) -> list[Fitted]:
    """Crops in the colours of their surroundings, and how each is fitted in, for `paste_faces`.

    The cover is where the parser sees the face in the photo or in the crop, so the result shows the outline
    of the old face. Colours and grain are compared where the photo stays as it is.

    Args:
        photo: (H, W, 3) RGB.
        landmarks: of all its faces, as for `align_face`.
        chosen: numbers of the faces that are replaced.
        crops: for each of these the (S, S, 3) RGB picture that takes its place.
        before: in a clip how each was fitted into the frame before, None where it was not: covers, colours
            and grain follow slowly, so that the parser's errors do not flicker. No cover is ever less than
            the frame's own.
    """
    faces = align_apart(photo, landmarks, SIZE)
    labels = parsed(np.stack([faces[i].pixels for i in chosen])), parsed(np.stack(crops))
    fitted = []
    for i, crop, old, new, last in zip(chosen, crops, *labels, before or [None] * len(chosen), strict=True):
        cover = face_cover(old, new)
        if last is not None:
            cover = np.maximum(cover, _followed(last.fit.cover, cover))
        shift = tone_shift(crop, faces[i].pixels, cover, clear_of_others(faces, i, SIZE))
        grain = surrounding_grain(photo, faces, i, cover, skin_beside(old))
        if last is not None:
            shift, grain = _followed(last.shift, shift), last.fit.grain + _NEW * (grain - last.fit.grain)
        fitted.append(Fitted(shifted(crop, shift), Fit(cover, grain), shift))
    return fitted


def _followed(last: NDArray[np.float32], own: NDArray[np.float32]) -> NDArray[np.float32]:
    return last + np.float32(_NEW) * (own - last)
