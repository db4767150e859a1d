# SPDX-License-Identifier: Apache-2.0
"""Alignment against closed forms on drawn pictures, and on a real face."""

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from semveil.data import align
from semveil.data.align import align_face
from semveil.faces.template import TEMPLATE
from semveil.recognition.dlib_faces import detect_faces


def landmarks_at(
    size: int, *, scale: float, angle: float, centre: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks (pixel indices) of a crop of `size` that lies in the photo scaled, turned and centred so; and
    its matrix.
    """
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    shift = np.array(centre) - turn @ (size / 2, size / 2)
    return TEMPLATE * size @ turn.T + shift - 0.5, np.block(
        [[turn, shift[:, None]], [np.zeros((1, 2)), np.ones((1, 1))]]
    )


def crop_centres_in_photo(size: int, matrix: np.ndarray) -> np.ndarray:
    """(S, S, 2) x, y of each crop pixel's centre in the photo, counted from its corner."""
    y, x = np.mgrid[:size, :size] + 0.5
    return np.stack([x, y], -1) @ matrix[:2, :2].T + matrix[:2, 2]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(8, 48),
    st.floats(0.3, 4),
    st.floats(-np.pi, np.pi),
    st.floats(0.02, 0.6),
    st.floats(-0.6, 0.6),
    st.integers(0, 9),
)
def test_a_linear_ramp_stays_the_ramp_that_the_matrix_says(size, scale, angle, along_x, along_y, seed):
    centre = np.random.default_rng(seed).uniform(148, 152, 2)
    landmarks, matrix = landmarks_at(size, scale=scale, angle=angle, centre=(centre[0], centre[1]))
    y, x = np.mgrid[:300, :300] + 0.5

    def ramp(x, y):
        return 127.5 + along_x * (x - 150) + along_y * (y - 150)

    photo = np.rint(ramp(x, y)).clip(0, 255).astype(np.uint8)[..., None].repeat(3, -1)
    face = align_face(photo, landmarks, size)
    assert np.allclose(face.to_photo, matrix, atol=1e-6)
    where = crop_centres_in_photo(size, matrix)
    expected = ramp(where[..., 0], where[..., 1])
    reach = 2 * scale + 2  # samples of one crop pixel lie this near to each other
    sure = (
        (expected > 1 + reach)
        & (expected < 254 - reach)
        & (where > reach).all(-1)
        & (where < 300 - reach).all(-1)
    )
    # Two roundings to whole levels: the photo's, which cubic interpolation may amplify by 1.25 per axis, and
    # the crop's.
    assert np.abs(face.pixels - expected[..., None])[sure].max(initial=0) <= 0.5 * 1.25**2 + 0.5


def test_a_crop_on_the_pixel_grid_is_cut_out_exactly():
    photo = np.random.default_rng(0).integers(0, 256, (60, 70, 3), np.uint8)
    landmarks, _ = landmarks_at(32, scale=1.0, angle=0.0, centre=(30, 28))
    face = align_face(photo, landmarks, 32)
    assert (face.pixels == photo[12:44, 14:46]).all()
    assert (face.inside == 1).all()


@pytest.mark.parametrize("factor", [2, 4, 7])
def test_shrinking_by_a_whole_factor_averages_the_cells(factor):
    photo = np.random.default_rng(0).integers(0, 256, (16 * factor, 16 * factor, 3), np.uint8)
    landmarks, _ = landmarks_at(16, scale=factor, angle=0.0, centre=(8 * factor, 8 * factor))
    means = photo.reshape(16, factor, 16, factor, 3).mean((1, 3))
    assert np.abs(align_face(photo, landmarks, 16).pixels - means).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(("scale", "angle"), [(3.3, 0.0), (3.3, 0.4), (8.0, 0.4), (2.6, 1.1)])
def test_a_fine_checkerboard_turns_grey_and_does_not_alias(scale, angle):
    board = (255 * (np.indices((600, 600)).sum(0) % 2)).astype(np.uint8)[..., None].repeat(3, -1)
    landmarks, matrix = landmarks_at(48, scale=scale, angle=angle, centre=(300.3, 299.6))
    pixels = align_face(board, landmarks, 48).pixels.astype(float)
    picked = crop_centres_in_photo(48, matrix).astype(int)
    naive = board[picked[..., 1], picked[..., 0], 0].astype(float)
    assert np.abs(pixels - 127.5).max() < 40
    assert pixels.std() < 12 < naive.std()  # picking the nearest pixel aliases


@settings(max_examples=30, deadline=None)
@given(
    st.floats(0.5, 3),
    st.floats(-np.pi, np.pi),
    st.floats(-20, 70),
    st.floats(-20, 60),
    st.integers(1, 50),
    st.integers(1, 40),
)
def test_beyond_the_edge_the_photo_is_mirrored(scale, angle, x, y, width, height):
    photo = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    landmarks, _ = landmarks_at(24, scale=scale, angle=angle, centre=(x, y))
    margin = 200
    mirrored = np.pad(photo, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    face, reference = align_face(photo, landmarks, 24), align_face(mirrored, landmarks + margin, 24)
    # a tie in rounding may fall either way
    assert np.abs(face.pixels.astype(int) - reference.pixels).max() <= 1


def test_inside_is_the_share_of_a_pixel_that_shows_the_photo():
    photo = np.full((40, 40, 3), 9, np.uint8)
    landmarks, _ = landmarks_at(20, scale=2.0, angle=0.0, centre=(30, 20))  # x from 10 to 50
    face = align_face(photo, landmarks, 20)
    assert (face.inside[:, :14] == 1).all() and (face.inside[:, 16:] == 0).all()
    assert abs(face.inside.sum(1) - 15).max() < 0.01  # 30 of 40 photo columns, 2 to a crop column
    assert (face.pixels == 9).all()


def test_what_is_not_valid_is_not_inside():
    photo = np.full((40, 40, 3), 9, np.uint8)
    valid = np.ones((40, 40), bool)
    valid[:, :20] = False
    landmarks, _ = landmarks_at(20, scale=2.0, angle=0.0, centre=(20, 20))
    inside = align_face(photo, landmarks, 20, valid=valid).inside
    assert (inside[:, :9] == 0).all() and (inside[:, 11:] == 1).all()


@pytest.mark.parametrize("size", [96, 128, 256])
@pytest.mark.parametrize("turns", [0.0, 0.35, -0.3])
def test_the_landmarks_of_an_aligned_face_lie_on_the_template(size, turns):
    photo = skimage.data.astronaut()
    face = detect_faces(photo)[0]
    if turns:  # turn the photo through the same warp, twice its size, and detect again
        centre = face.landmarks.mean(0)
        landmarks, _ = landmarks_at(400, scale=1.0, angle=turns, centre=(centre[0], centre[1]))
        photo = align_face(photo, landmarks, 400).pixels
        face = detect_faces(photo)[0]
    crop = align_face(photo, face.landmarks, size).pixels
    double = detect_faces(crop, upsample=1)
    assert len(double) == 1
    # dlib places landmarks to a few per cent of a face; a template of another convention would be off by ten.
    assert np.abs((double[0].landmarks + 0.5) / size - TEMPLATE).max() < 0.04


@pytest.mark.parametrize("angle", [0.0, 0.3, -1.2, np.pi])
def test_a_face_of_many_pixels_is_cut_out_in_bands_to_the_same(monkeypatch, angle):
    photo = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((300, 300)))
    landmarks, _ = landmarks_at(32, scale=9.0, angle=angle, centre=(140.0, 160.0))
    whole = align_face(photo, landmarks, 32)
    monkeypatch.setattr(align, "_WINDOW", 4000)
    bands = align_face(photo, landmarks, 32)
    assert np.abs(whole.pixels.astype(int) - bands.pixels).max() <= 1
    assert (whole.pixels == bands.pixels).mean() > 0.999
    np.testing.assert_allclose(bands.inside, whole.inside, atol=1e-6)
