# SPDX-License-Identifier: Apache-2.0
"""Fitting of new faces into their photo: only the face is covered, and colours and grain are matched."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semveil.data.face_cover import face_cover, parsed, skin_beside
from semveil.data.paste import Fit, align_apart, clear_of_others, surrounding_grain
from semveil.data.tone import shifted, tone_shift
from semveil.recognition.face_parser import SIZE

# Weight of a frame's own measurement in the temporal smoothing; the rest is that of the previous frames.
_NEW = 0.25


@dataclass(frozen=True, eq=False)
class Fitted:
    """New face, fitted into its photo.

    Attributes:
        crop: (S, S, 3) RGB, colours matched to the surroundings.
        fit: cover and grain for `paste_faces`.
        shift: (P, P, 3), colour shift in levels.
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
    """Match crops to the colours of their surroundings and determine their cover and grain for `paste_faces`.

    The cover is the union of the face regions that the parser finds in the photo and in the crop, so the
    result reveals the outline of the old face. Colours and grain are compared on unchanged pixels of the
    photo.

    Args:
        photo: (H, W, 3) RGB.
        landmarks: landmarks of all faces of the photo, as for `align_face`.
        chosen: numbers of the faces to replace.
        crops: for each of these, the replacement (S, S, 3) RGB.
        before: for a clip, the results for the previous frame, None for a face without one. Covers, colours
            and grain are smoothed over time, so that the parser's errors do not flicker; a cover is never
            smaller than the frame's own.
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
