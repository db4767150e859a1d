# SPDX-License-Identifier: Apache-2.0
"""Choice of the frames of a clip that the review page shows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from semveil.bulk.account import Fate, Mark, Still
from semveil.bulk.clip_faces import ClipFaces
from semveil.video.tracks import Shown

MISSED_STILLS = 5


def choose_stills(faces: ClipFaces, missed: Sequence[int], times: NDArray[np.float64]) -> tuple[Still, ...]:
    """The first, middle and last frame, the one with most faces that are not replaced, and the first missed.

    Args:
        faces: the clip's faces.
        missed: frames in which a known face is missed, in order.
        times: times of all frames, in seconds from the first.

    Returns:
        At most four stills and `MISSED_STILLS` missed ones, in the order of the clip.
    """
    count = len(times)
    frames = {0, count // 2, count - 1, *missed[:MISSED_STILLS]}
    worst = max(range(count), key=lambda frame: _not_replaced(faces, frame))
    if _not_replaced(faces, worst):
        frames.add(worst)
    marks, lost = faces.marks(), set(missed)
    return tuple(
        Still(frame, round(float(times[frame]), 3), frame in lost, _marks(faces, marks, frame))
        for frame in sorted(frames)
    )


def _not_replaced(faces: ClipFaces, frame: int) -> int:
    """Number of faces in a frame that are covered, hidden or left although they were to be protected."""
    return sum(
        faces.fates[i] == Fate.COVERED
        or i in faces.doubts
        or (faces.fates[i] == Fate.PROTECTED and place.shown == Shown.HIDDEN)
        for i, place in faces.in_frame(frame).items()
    )


def _marks(faces: ClipFaces, marks: Sequence[Mark], frame: int) -> tuple[Mark, ...]:
    return tuple(replace(marks[i], box=place.box) for i, place in faces.in_frame(frame).items())
