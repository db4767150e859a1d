# SPDX-License-Identifier: Apache-2.0
"""What is kept of a face: by points, by dlib's five, by the labels of its parts."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from skimage import data

from semveil.data.align import align_face
from semveil.data.faces import choose_faces
from semveil.data.photos import Photo
from semveil.faces.parts import PARTS
from semveil.faces.pixels import to_tensor
from semveil.metrics.five_points import five_point_error, five_points
from semveil.metrics.part_shapes import opening, opening_error, overlap
from semveil.metrics.points import (
    EYES,
    IRISES,
    MOUTH,
    eye_distance,
    eye_opening,
    gaze_error,
    landmark_error,
    mouth_opening,
    pose_error,
)

RNG = np.random.default_rng(2)


def mesh() -> np.ndarray:
    """A made-up face in 100 px: eyes 30 px apart and 12 wide, irises in their middle, lips 20 px wide."""
    points = np.random.default_rng(0).uniform(20, 80, (478, 3))
    for iris, (outer, inner, upper, lower), x in zip(IRISES, EYES, (35.0, 65.0), strict=True):
        points[iris], points[outer], points[inner] = (x, 40, 0), (x - 6, 40, 0), (x + 6, 40, 0)
        points[upper], points[lower] = (x, 38, 0), (x, 41, 0)
    for place, at in zip(MOUTH, ((40, 70), (60, 70), (50, 69), (50, 74)), strict=True):
        points[place] = (*at, 0)
    return points


def test_points_of_a_made_up_face() -> None:
    face = mesh()
    assert eye_distance(face) == 30.0
    assert eye_opening(face) == pytest.approx(3 / 12) and mouth_opening(face) == pytest.approx(5 / 20)
    aside = face.copy()
    aside[list(IRISES), 0] += 3.0
    assert gaze_error(face, aside) == pytest.approx(3 / 12) and gaze_error(face, face) == 0


def test_gaze_and_openings_do_not_depend_on_size_place_and_tilt() -> None:
    face, moved = mesh(), mesh()
    turn = Rotation.from_euler("z", 30, degrees=True).as_matrix()
    moved[:] = 2.5 * moved @ turn.T + 7
    assert gaze_error(face, moved) == pytest.approx(0, abs=1e-9)
    assert eye_opening(moved) == pytest.approx(eye_opening(face)) and mouth_opening(moved) == pytest.approx(
        mouth_opening(face)
    )


def test_landmark_error_is_relative_to_the_eyes() -> None:
    face = mesh()[:, :2]
    assert landmark_error(face, face + np.array([3.0, 4.0]), 30.0) == pytest.approx(5 / 30)
    with pytest.raises(ValueError, match="above 0"):
        landmark_error(face, face, 0.0)
    with pytest.raises(ValueError, match="both pictures"):
        landmark_error(face, face[1:], 1.0)


@pytest.mark.parametrize("degrees", [0.0, 5.0, 40.0, 170.0])
def test_the_turn_of_a_head_is_found_whatever_its_size(degrees: float) -> None:
    face = mesh()
    turned = (
        1.7 * face @ Rotation.from_rotvec(np.radians(degrees) * np.array([0.6, 0.0, 0.8])).as_matrix().T + 11
    )
    assert pose_error(face, turned) == pytest.approx(degrees, abs=1e-4)
    assert pose_error(face, turned + RNG.normal(scale=0.5, size=face.shape)) == pytest.approx(
        degrees, abs=1.5
    )


def test_a_mirrored_face_is_not_taken_for_a_turned_one() -> None:
    face = mesh()
    assert pose_error(face, face * [-1.0, 1.0, 1.0]) > 30


def test_five_points_move_with_the_face() -> None:
    photo = Photo(data.astronaut(), "astronaut", "PNG")
    (_, found), *_ = choose_faces(photo, "largest")
    image = to_tensor([align_face(photo.pixels, found.landmarks, 128).pixels])
    points = five_points(image)
    assert points[0] is not None and points[0].shape == (5, 2)
    eyes = float(np.linalg.norm(points[0][:2].mean(0) - points[0][2:4].mean(0)))
    shifted = torch.roll(image, 6, 3)  # 6 of 128 px to the right; the edge comes in at the left
    (error,) = five_point_error(points, shifted)
    assert error == pytest.approx(6 / 128 / eyes, abs=2 / 256 / eyes)
    assert five_point_error(points, image) == [0.0]
    assert five_point_error(points, torch.zeros(1, 3, 128, 128)) == [None]
    assert five_point_error([None], image) == [None]


def labels(part: str, *places: tuple[slice, slice]) -> torch.Tensor:
    drawn = torch.zeros(1, 32, 32, dtype=torch.uint8)
    for rows, columns in places:
        drawn[0, rows, columns] = PARTS.index(part)
    return drawn


def test_openings_follow_from_height_over_width() -> None:
    closed = labels("mouth", (slice(20, 22), slice(8, 24)))
    opened = labels("mouth", (slice(18, 26), slice(8, 24)))
    assert opening(closed, "mouth") == [2 / 16] and opening(opened, "mouth") == [8 / 16]
    assert opening_error(closed, opened, "mouth") == [6 / 16]
    eyes = labels("eyes", (slice(10, 12), slice(4, 12)), (slice(10, 14), slice(20, 28)))
    assert opening(eyes, "eyes") == [(2 / 8 + 4 / 8) / 2]
    assert opening(closed, "eyes") == [None] and opening_error(closed, eyes, "mouth") == [None]


def test_overlap_counts_shared_pixels() -> None:
    hair, lower = labels("hair", (slice(0, 8), slice(0, 32))), labels("hair", (slice(4, 12), slice(0, 32)))
    assert overlap(hair, hair, "hair") == [1.0] and overlap(hair, lower, "hair") == [pytest.approx(4 / 12)]
    assert overlap(torch.zeros_like(hair), hair, "hair") == [None] and overlap(
        hair, torch.zeros_like(hair), "hair"
    ) == [0.0]
