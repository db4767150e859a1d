# SPDX-License-Identifier: Apache-2.0
"""A hidden face leaves nothing of itself in the picture."""

import numpy as np
from skimage.data import astronaut

from semveil.data.cover import cover_faces, hide_faces
from semveil.data.regions import Region
from semveil.recognition.dlib_faces import Face

FACE = Face((180, 70, 260, 150), 1.0, np.zeros((5, 2)))


def two_photos() -> tuple[np.ndarray, np.ndarray]:
    """The same but for the face."""
    one = astronaut()[:300]
    other = one.copy()
    other[70:151, 180:261] = np.random.default_rng(1).integers(0, 255, (81, 81, 3))
    return one, other


def test_photos_that_differ_in_the_face_alone_come_out_alike() -> None:
    one, other = two_photos()
    (hidden, (region,)), (again, _) = (hide_faces(photo, [FACE]) for photo in (one, other))
    assert (hidden == again).all()
    assert region is not None and region.mask.all()
    assert (hidden != one).any(-1).sum() <= region.mask.size  # nothing else changed
    covered, same = (cover_faces(photo, [FACE])[0] for photo in (one, other))
    assert (covered != same).any()  # a mosaic does tell


def test_what_is_taken_stays_and_tells_nothing() -> None:
    one, other = two_photos()
    taken = Region(150, 40, np.ones((60, 60), bool))
    for photo in (one, other):
        hidden, (region,) = hide_faces(photo, [FACE], taken=[taken])
        assert (hidden[40:100, 150:210] == photo[40:100, 150:210]).all()
        assert region is not None and not region.mask.all()
    faces = [FACE, Face((240, 70, 320, 150), 1.0, np.zeros((5, 2)))]
    both = [hide_faces(photo, faces)[0] for photo in (one, other)]
    assert (both[0] == both[1]).all()  # one hidden face is not in the other's colour


def test_a_face_that_fills_the_picture_is_grey() -> None:
    hidden, _ = hide_faces(astronaut()[70:150, 180:260], [Face((0, 0, 79, 79), 1.0, np.zeros((5, 2)))])
    assert np.unique(hidden).tolist() == [128]
    same, regions = hide_faces(astronaut()[:50], [Face((900, 900, 950, 950), 1.0, np.zeros((5, 2)))])
    assert (same == astronaut()[:50]).all() and regions == [None]
