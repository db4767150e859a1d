# SPDX-License-Identifier: Apache-2.0
"""What of a crop counts as the face: old and new face, one piece, the features whatever the parser sees, and
no hair.
"""

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from semveil.data.align import align_face
from semveil.data.face_cover import MARGIN, SOFT, face_cover, face_region, parsed, skin_beside, soft_cover
from semveil.data.faces import find_faces
from semveil.data.photos import Photo
from semveil.faces.parts import PARTS
from semveil.faces.template import FEATURES

SIDE = 64


def labelled(**boxes: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Labels of 64 x 64 px with boxes (left, top, right, bottom) of some parts on hair, later ones above."""
    labels = np.full((SIDE, SIDE), PARTS.index("hair"), np.uint8)
    for part, (left, top, right, bottom) in boxes.items():
        labels[top:bottom, left:right] = PARTS.index(part)
    return labels


def test_the_face_is_its_parts_and_nothing_beside_them():
    region = face_region(
        labelled(neck=(20, 55, 44, 64), ears=(6, 28, 12, 40), skin=(12, 12, 52, 58), eyes=(20, 28, 44, 34))
    )
    assert region[12:58, 12:52].all()
    region[12:58, 12:52] = False
    assert not region.any()  # hair, ears, and the neck below


def test_skin_elsewhere_and_holes_do_not_count():
    # a hat inside the forehead is an error of the parser
    labels = labelled(skin=(12, 12, 52, 58), hat=(20, 16, 24, 20))
    labels[0:8, 0:8] = PARTS.index("skin")  # a hand, or somebody else
    region = face_region(labels)
    assert region[18, 22] and not region[:8, :8].any()


def test_frames_over_hair_stay_and_lenses_do_not():
    region = face_region(labelled(skin=(12, 12, 52, 58), glasses=(2, 28, 62, 36)))
    assert region[32, 12:52].all() and not region[32, :11].any() and not region[32, 53:].any()


@pytest.mark.parametrize("part", ["hair", "background", "glasses"])
def test_eyes_nose_and_mouth_are_covered_even_if_the_parser_sees_no_face(part):
    region = face_region(np.full((SIDE, SIDE), PARTS.index(part), np.uint8))
    (cx, cy), (rx, ry) = FEATURES
    for dx, dy in ((0, 0), (0.95, 0), (-0.95, 0), (0, 0.95), (0, -0.95)):
        assert region[int(SIDE * (cy + dy * ry)), int(SIDE * (cx + dx * rx))]
    assert region.mean() == pytest.approx(np.pi * rx * ry, rel=0.05)


def test_the_cover_falls_from_the_face_to_nothing():
    region = np.zeros((128, 128), bool)
    region[:, :64] = True
    cover = soft_cover(region)[64]
    assert (cover[: 64 + int(128 * MARGIN)] > 0.99).all() and (np.diff(cover) <= 0).all()
    assert (cover[64 + int(np.ceil(128 * (MARGIN + SOFT))) + 3 :] == 0).all()
    assert 0 < cover[64 + round(128 * (MARGIN + SOFT / 2))] < 1


def test_on_a_photo_the_old_and_the_new_face_are_covered_and_the_background_is_not():
    photo = np.ascontiguousarray(skimage.data.astronaut())
    (face,) = find_faces(Photo(photo, "astronaut", "PNG"))
    old = align_face(photo, face.landmarks, 128).pixels
    aside = np.roll(old, 12, 1)  # the new face is wider at the right
    seen, moved = parsed(np.stack([old, aside]))
    alone, both = face_cover(seen, seen), face_cover(seen, moved)
    assert alone[60:100, 50:78].min() == 1  # between the eyes' outer corners
    # background and hair; a disc of 0.45 would reach to row 13
    assert alone[:8].max() == 0 and alone[:, :8].max() == 0
    assert (both >= alone - 0.01).all() and (both > 0.5).sum() > 1.05 * (alone > 0.5).sum()


def test_skin_beside_the_face_is_neck_and_ears():
    labels = labelled(neck=(20, 55, 44, 64), ears=(6, 28, 12, 40), skin=(12, 12, 52, 58))
    assert skin_beside(labels).sum() == 24 * 6 + 6 * 12 and not skin_beside(labels)[12:58, 12:52].any()
