# SPDX-License-Identifier: Apache-2.0
"""New faces follow the outline of the old ones; in a clip covers, colours and grain follow slowly and never
cover less.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from semveil.data import fit
from semveil.data.align import align_face
from semveil.data.faces import find_faces
from semveil.data.fit import Fitted, fit_faces
from semveil.data.photos import Photo

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[:256, 96:352])


@pytest.fixture(scope="module")
def landmarks() -> NDArray[np.float64]:
    (face,) = find_faces(Photo(PHOTO, "a", "a"))
    return face.landmarks


@pytest.fixture(scope="module")
def crop(landmarks: NDArray[np.float64]) -> NDArray[np.uint8]:
    return align_face(PHOTO, landmarks, 64).pixels


def box(left: int, right: int) -> NDArray[np.float32]:
    cover = np.zeros((fit.SIZE, fit.SIZE), np.float32)
    cover[20:50, left:right] = 1
    return cover


def followed(
    covers: Sequence[NDArray[np.float32]],
    landmarks: NDArray[np.float64],
    crop: NDArray[np.uint8],
    patch: pytest.MonkeyPatch,
) -> list[Fitted]:
    """Frames of one photo whose covers are as given."""
    found: list[Fitted] = []
    for cover in covers:
        patch.setattr(fit, "face_cover", lambda old, new, cover=cover: cover)
        found += fit_faces(PHOTO, [landmarks], [0], [crop], found[-1:] or None)
    return found


def test_no_frame_covers_less_than_its_own_face(
    landmarks: NDArray[np.float64], crop: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    covers = [box(16, 40), box(20, 48), box(24, 52)]
    for own, one in zip(covers, followed(covers, landmarks, crop, monkeypatch), strict=True):
        assert (one.fit.cover >= own).all()


def test_what_flickers_in_one_frame_fades(
    landmarks: NDArray[np.float64], crop: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser takes a patch for the face in one frame: its cover goes over several frames and not from one
    to the next.
    """
    covers = [box(20, 40), box(20, 48), *[box(20, 40)] * 6]
    fitted = followed(covers, landmarks, crop, monkeypatch)
    beside = [float(one.fit.cover[30, 44]) for one in fitted]
    assert beside[:2] == [0, 1] and all(0.6 * a < b < a for a, b in pairwise(beside[1:]))
    changes = [np.abs(a.shift - b.shift).max() for a, b in pairwise(fitted[1:])]
    alone = [fit_faces(PHOTO, [landmarks], [0], [crop])[0]]
    monkeypatch.setattr(fit, "face_cover", lambda old, new: box(20, 48))
    alone += fit_faces(PHOTO, [landmarks], [0], [crop])
    # each frame by itself would jump
    assert max(changes) < 0.5 * np.abs(alone[0].shift - alone[1].shift).max()


def test_the_same_frame_again_changes_nothing(
    landmarks: NDArray[np.float64], crop: NDArray[np.uint8]
) -> None:
    (first,) = fit_faces(PHOTO, [landmarks], [0], [crop])
    (again,) = fit_faces(PHOTO, [landmarks], [0], [crop], [first])
    np.testing.assert_allclose(again.fit.cover, first.fit.cover, atol=1e-6)
    assert (again.crop == first.crop).all() and again.fit.grain == pytest.approx(first.fit.grain)
