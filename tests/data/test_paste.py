# SPDX-License-Identifier: Apache-2.0
"""Faces put back into their photo: what is covered, what stays bit for bit, and what no crop can show."""

import math

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from semveil.data import paste
from semveil.data.align import AlignedFace, align_face
from semveil.data.paste import (
    CENTRE,
    CORE,
    EDGE,
    Circle,
    Fit,
    align_apart,
    clear_of_others,
    passing,
    paste_faces,
    surrounding_grain,
)
from semveil.faces.template import TEMPLATE

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[:300, :400])


def lying(x: float, y: float, side: float, degrees: float = 0.0, size: int = 32) -> AlignedFace:
    """A face whose crop has its upper left corner at (x, y), that side and that tilt in the photo."""
    turn = math.radians(degrees)
    cos, sin = math.cos(turn) * side / size, math.sin(turn) * side / size
    to_photo = np.array([[cos, -sin, x], [sin, cos, y], [0, 0, 1]])
    return AlignedFace(np.zeros((size, size, 3), np.uint8), to_photo, np.ones((size, size), np.float32))


def plain(level: tuple[int, int, int], size: int = 32) -> NDArray[np.uint8]:
    return np.full((size, size, 3), level, np.uint8)


def radii(face: AlignedFace, photo: NDArray, side: float) -> NDArray[np.float64]:
    """Of all pixels from the face's centre in units of its crop, worked out without the module."""
    size = len(face.pixels)
    centre = face.to_photo @ (CENTRE[0] * size, CENTRE[1] * size, 1)
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]] + 0.5
    return np.hypot(columns - centre[0], rows - centre[1]) / side


@pytest.mark.parametrize(
    ("x", "y", "side", "degrees", "size"),
    [
        (100, 60, 120, 0, 32),
        (150.3, 40.7, 97.5, 20, 32),
        (120, 100, 25, -35, 256),  # tiny: the crop is shrunk
        (20, -40, 330, 5, 16),  # large: it is enlarged
        (-60, 90, 120, 0, 32),  # over the edges
        (340, 230, 150, 45, 32),
        (-200, -200, 100, 0, 32),  # not in the photo at all
    ],
)
def test_the_core_is_the_crops_the_edge_blends_and_the_rest_stays(x, y, side, degrees, size):
    face = lying(x, y, side, degrees)
    pasted = paste_faces(PHOTO, [face], [plain((255, 0, 200), size)])
    radius = radii(face, PHOTO, side)
    assert (pasted[radius <= CORE - 1e-6] == (255, 0, 200)).all()
    assert (pasted[radius >= EDGE + 1e-6] == PHOTO[radius >= EDGE + 1e-6]).all()
    between = (radius > CORE) & (radius < EDGE)
    share = (EDGE - radius[between]) / (EDGE - CORE)
    share = share**2 * (3 - 2 * share)
    expected = PHOTO[between] + share[:, None] * (np.array((255, 0, 200.0)) - PHOTO[between])
    assert np.abs(pasted[between] - expected).max(initial=0) < 0.51
    assert (pasted.dtype, pasted.shape) == (np.uint8, PHOTO.shape)


def test_a_crop_comes_back_to_where_it_was_cut_out():
    # as large in the photo as in the crop, so that nothing is lost
    landmarks = TEMPLATE * 150 + (150, 30) - 0.5
    face = align_face(PHOTO, landmarks, 150)
    exact = paste_faces(PHOTO, [face], [face.pixels])
    assert np.abs(exact.astype(int) - PHOTO).max() <= 1
    turned = paste_faces(PHOTO, [face], [face.pixels[:, ::-1]])
    assert np.abs(turned.astype(int) - PHOTO).max() > 50  # it would show if it came back wrongly


def test_a_shrunk_crop_does_not_alias():
    checks = np.indices((256, 256)).sum(0) % 2 * 255
    crop = np.repeat(checks[..., None], 3, -1).astype(np.uint8)
    face = lying(100, 60, 60)
    inside = paste_faces(PHOTO, [face], [crop])[radii(face, PHOTO, 60) < CORE]
    assert np.abs(inside.astype(int) - 127.5).max() <= 2


def test_faces_that_overlap_share_the_photo_and_none_covers_another():
    left, right = lying(80, 60, 120), lying(140, 60, 120)
    pasted = paste_faces(PHOTO, [left, right], [plain((255, 0, 0)), plain((0, 0, 255))])
    of_left, of_right = radii(left, PHOTO, 120), radii(right, PHOTO, 120)
    assert (pasted[(of_left < CORE) & (of_left < of_right)] == (255, 0, 0)).all()
    assert (pasted[(of_right < CORE) & (of_right < of_left)] == (0, 0, 255)).all()
    kept = paste_faces(PHOTO, [left, right], [plain((255, 0, 0)), None])
    # a face that stays is not covered either
    assert (kept[of_right < of_left] == PHOTO[of_right < of_left]).all()
    assert (kept[(of_left < CORE) & (of_left < of_right)] == (255, 0, 0)).all()
    # found twice: the first
    twice = paste_faces(PHOTO, [left, left], [plain((255, 0, 0)), plain((0, 0, 255))])
    assert (twice[of_left < CORE] == (255, 0, 0)).all()


def test_a_photo_without_colours_gets_none():
    grey = np.repeat(PHOTO[..., :1], 3, -1)
    pasted = paste_faces(grey, [lying(100, 60, 120)], [plain((255, 0, 0))])
    assert (pasted == pasted[..., :1]).all()
    assert pasted[126, 160].tolist() == [76, 76, 76]  # 0.299 * 255


def test_a_grey_photo_that_went_through_jpeg_gets_none_either():
    tinted = np.repeat(PHOTO[..., :1], 3, -1).astype(int)
    tinted[..., 0] += np.random.default_rng(0).integers(-4, 5, tinted.shape[:2])
    pasted = paste_faces(tinted.clip(0, 255).astype(np.uint8), [lying(100, 60, 120)], [plain((255, 0, 0))])
    assert pasted[126, 160].tolist() == [76, 76, 76]
    tinted[:150, :, 0] += 30  # a photo that is half sepia is in colours
    pasted = paste_faces(tinted.clip(0, 255).astype(np.uint8), [lying(100, 60, 120)], [plain((255, 0, 0))])
    assert pasted[126, 160].tolist() == [255, 0, 0]


@pytest.mark.parametrize("hue", [(200, 10, 10), (90, 90, 90)])
def test_whether_it_has_colours_is_not_asked_of_the_face_that_is_replaced(hue):
    face = lying(100, 60, 120)
    for ground in (PHOTO, np.repeat(PHOTO[..., :1], 3, -1)):
        photo = ground.copy()
        photo[radii(face, photo, 120) < EDGE] = hue
        pasted = paste_faces(photo, [face], [plain((255, 0, 0))])
        assert (pasted[126, 160].tolist() == [255, 0, 0]) == (ground is PHOTO)


def test_work_in_bands_gives_the_same(monkeypatch):
    faces, crops = [lying(80, 60, 120, 10), lying(150, 80, 100)], [plain((255, 0, 0)), plain((0, 9, 255))]
    at_once = paste_faces(PHOTO, faces, crops)
    monkeypatch.setattr(paste, "_BAND", 1000)
    assert (paste_faces(PHOTO, faces, crops) == at_once).all()


def test_no_crop_shows_what_belongs_to_another_face():
    landmarks = [TEMPLATE * 120 + (80, 60), TEMPLATE * 110 + (160, 70), TEMPLATE * 100 + (300, 150)]
    mine, other, far = align_apart(PHOTO, landmarks, 64)
    neighbour = radii(align_face(PHOTO, landmarks[1], 64), PHOTO, 110)
    own = radii(align_face(PHOTO, landmarks[0], 64), PHOTO, 120)
    changed = PHOTO.copy()
    changed[(neighbour < EDGE) & (neighbour < own)] = np.random.default_rng(0).integers(0, 256, 3)
    assert not (
        align_face(changed, landmarks[0], 64).pixels == align_face(PHOTO, landmarks[0], 64).pixels
    ).all()
    again = align_apart(changed, landmarks, 64)
    assert (again[0].pixels == mine.pixels).all()
    assert not (again[1].pixels == other.pixels).all()  # its own crop does
    assert (far.pixels == align_face(PHOTO, landmarks[2], 64).pixels).all()  # nobody is near


def test_nothing_is_mirrored_into_a_crop_from_another_face():
    # the lower half of both lies beyond the photo
    landmarks = [TEMPLATE * 120 + (-10, 190), TEMPLATE * 60 + (90, 250)]
    own, neighbour = (
        radii(align_face(PHOTO, p, 64), PHOTO, s) for p, s in zip(landmarks, (120, 60), strict=True)
    )
    changed = PHOTO.copy()
    changed[(neighbour < EDGE) & (neighbour < own)] = 255
    assert not (
        align_face(changed, landmarks[0], 64).pixels == align_face(PHOTO, landmarks[0], 64).pixels
    ).all()
    assert (
        align_apart(changed, landmarks, 64)[0].pixels == align_apart(PHOTO, landmarks, 64)[0].pixels
    ).all()


def test_crops_that_do_not_fit_are_refused():
    face = lying(10, 10, 50)
    with pytest.raises(ValueError, match="1 faces need as many crops"):
        paste_faces(PHOTO, [face], [])
    for wrong in (plain((1, 2, 3)).astype(float), plain((1, 2, 3))[:20], plain((1, 2, 3))[..., 0]):
        with pytest.raises(ValueError, match=r"must be \(S, S, 3\) uint8"):
            paste_faces(PHOTO, [face], [wrong])


@pytest.mark.parametrize("seed", range(12))
def test_who_is_not_said_to_pass_through_a_crop_changes_nothing_in_it(seed):
    """Of all crops in which nothing changes with a neighbour's pixels, and of most in which something does,
    it is said so.
    """
    rng = np.random.default_rng(seed)
    landmarks = []
    for side in rng.uniform(40, 120, 4):
        turn = math.radians(rng.uniform(-40, 40))
        rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
        landmarks.append((TEMPLATE - 0.5) @ rotation * side + rng.uniform((60, 60), (340, 240)))
    faces = align_apart(PHOTO, landmarks, 64)
    said = passing(faces)
    assert all(i in through for i, through in enumerate(said))
    for j, face in enumerate(faces):
        size = len(face.pixels)
        rows, columns = np.mgrid[: PHOTO.shape[0], : PHOTO.shape[1]] + 0.5
        in_crop = np.linalg.inv(face.to_photo) @ np.stack([columns, rows, np.ones_like(rows)]).reshape(3, -1)
        own = ((in_crop[:2] >= 0) & (in_crop[:2] <= size)).all(0).reshape(rows.shape)
        changed = PHOTO.copy()
        changed[own] = 255 - changed[own]
        after = align_apart(changed, landmarks, 64)
        for i in set(range(len(faces))) - {j}:
            assert j in said[i] or (after[i].pixels == faces[i].pixels).all()


def test_neighbours_pass_and_strangers_do_not():
    faces = [lying(0, 0, 100), lying(99, 0, 60), lying(120, 120, 60, 45), lying(250, 0, 100)]
    assert passing(faces) == [(0, 1), (0, 1), (2,), (3,)]


def closely(level: float = 1.0, grain: float = 0.0) -> Fit:
    """The middle of the crop alone is covered."""
    cover = np.zeros((64, 64), np.float32)
    cover[20:44, 24:40] = level
    return Fit(cover, grain)


@pytest.mark.parametrize("degrees", [0, 25])
def test_what_is_fitted_in_covers_no_more_than_its_cover(degrees):
    face, crop = lying(100, 60, 128, degrees), plain((255, 0, 200))
    pasted = paste_faces(PHOTO, [face], [crop], fits={0: closely()})
    region = paste.pasted_region([face], 0, PHOTO.shape, closely())
    touched = np.zeros(PHOTO.shape[:2], bool)
    region.mark(touched)
    assert not (pasted != PHOTO).any(-1)[~touched].any()
    assert 24 * 16 * 4 <= touched.sum() < 1.4 * 24 * 16 * 4
    disc = np.zeros_like(touched)
    paste.pasted_region([face], 0, PHOTO.shape).mark(disc)
    assert not (touched & ~disc).any() and disc.sum() > 5 * touched.sum()
    middle = (face.to_photo @ (16, 16, 1))[:2].astype(int)
    assert pasted[middle[1], middle[0]].tolist() == [255, 0, 200]


def test_a_cover_in_part_blends():
    face = lying(100, 60, 128)
    pasted = paste_faces(PHOTO, [face], [plain((0, 0, 0))], fits={0: closely(0.5)})
    assert abs(pasted[124, 164].astype(float) - PHOTO[124, 164] / 2).max() <= 0.5


def test_grain_is_added_where_the_crop_covers_and_nowhere_else():
    face, crop, rng = lying(100, 60, 128), plain((120, 120, 120)), np.random.default_rng(0)
    smooth = paste_faces(PHOTO, [face], [crop], fits={0: closely()}, rng=rng)
    grainy = paste_faces(PHOTO, [face], [crop], fits={0: closely(grain=4.0)}, rng=rng)
    noise = grainy.astype(int) - smooth
    inside = noise[104:144, 150:178]
    assert inside[..., 0].std() == pytest.approx(4, rel=0.1)  # 1,120 values: 2 %, and rounding
    assert (inside == inside[..., :1]).all()  # grey
    assert not noise[:90].any() and not noise[:, :140].any()


def test_the_grain_that_is_seen_is_that_of_what_stays():
    rng = np.random.default_rng(0)
    photo = np.full((300, 400, 3), 120.0) + rng.normal(0, 3, (300, 400, 1))
    photo[104:144, 150:178] = 120  # under the cover nothing is looked at
    skin = np.zeros((64, 64), np.float32)
    photo, face, cover = np.rint(photo).astype(np.uint8), lying(100, 60, 128), closely().cover
    assert surrounding_grain(photo, [face], 0, cover, skin) == pytest.approx(0.87 * 3, rel=0.1)
    beside = lying(-40, -90, 400)  # what belongs to a neighbour is not looked at either
    assert surrounding_grain(photo, [face, beside], 0, cover, skin) == 0


def test_skin_that_stays_counts_alone_where_there_is_enough():
    rng = np.random.default_rng(0)
    photo = np.full((300, 400, 3), 120.0) + rng.normal(0, 1, (300, 400, 1))
    photo[148:] += rng.normal(0, 4, (152, 400, 1))  # below the cover
    photo, face, cover = np.rint(photo).astype(np.uint8), lying(100, 60, 128), closely().cover
    skin = np.zeros((64, 64), np.float32)
    skin[40:60, 16:48] = 1
    assert surrounding_grain(photo, [face], 0, cover, skin) == pytest.approx(0.87 * 17**0.5, rel=0.15)
    skin[42:] = 0  # too little of it: the flattest of all counts
    assert surrounding_grain(photo, [face], 0, cover, skin) < 1.2


def test_what_is_clear_of_others_and_on_the_photo():
    alone, beside = lying(100, 60, 128), lying(200, 60, 128)
    assert clear_of_others([alone], 0, 64).all()
    clear = clear_of_others([alone, beside], 0, 64)
    x = 100 + (np.arange(64) + 0.5) * 2
    near = Circle.of(beside).x - x < 1.4 * EDGE * 128
    assert not clear[35][near].any() and clear[35][~near].all()
    outside = AlignedFace(
        alone.pixels, alone.to_photo, np.repeat(np.arange(32)[None] > 8, 32, 0).astype(np.float32)
    )
    assert not clear_of_others([outside], 0, 64)[:, :18].any()
