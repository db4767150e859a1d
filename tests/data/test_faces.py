# SPDX-License-Identifier: Apache-2.0
"""From files to aligned crops: sizes, orientations, several faces, none, too small."""

import re
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from semveil.core.errors import FaceChoiceError, FaceError, FaceTooSmallError, NoFaceError, PhotoError
from semveil.data.faces import choose_faces, find_faces, load_aligned_faces, smallest_face
from semveil.data.photos import Photo
from semveil.faces.template import TEMPLATE
from semveil.recognition.dlib_faces import Face, detect_faces

ASTRONAUT = skimage.data.astronaut()
REFERENCE = detect_faces(ASTRONAUT, upsample=1)[0]  # the plain detector, for comparison


def photo_of(pixels: np.ndarray, name: str = "photo.png") -> Photo:
    return Photo(np.ascontiguousarray(pixels), name, "PNG")


def resized(pixels: np.ndarray, factor: float) -> np.ndarray:
    size = round(pixels.shape[1] * factor), round(pixels.shape[0] * factor)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


@pytest.fixture(scope="module")
def found_group() -> tuple[Photo, list[Face]]:
    """Three people, large in the middle, smaller on the left, too small on the right; searched once."""
    canvas = np.full((340, 780, 3), 128, np.uint8)
    canvas[:240, :240] = ASTRONAUT[20:260, 80:320][:, :240]
    canvas[:, 250:590] = resized(ASTRONAUT[20:260, 80:320], 340 / 240)
    canvas[:66, 650:716] = resized(ASTRONAUT[20:260, 80:320], 66 / 240)
    photo = photo_of(canvas, "group.png")
    return photo, find_faces(photo)


@pytest.fixture
def group(found_group, monkeypatch) -> Photo:
    monkeypatch.setattr("semveil.data.faces.find_faces", lambda _, **how: found_group[1])
    return found_group[0]


@pytest.mark.parametrize("factor", [0.25, 0.5, 1.0, 6.0])
def test_a_face_is_found_at_every_photo_size(factor):
    faces = find_faces(photo_of(resized(ASTRONAUT, factor)))
    assert len(faces) == 1
    landmarks = (faces[0].landmarks + 0.5) / factor - 0.5
    # Within a hundredth of the face's 90 px for the detector's rounding, and as much again for its placing of
    # the box.
    assert np.abs(landmarks - REFERENCE.landmarks).max() < 2
    left, top, right, bottom = np.array(faces[0].box) / factor
    inside = (landmarks > (left, top)).all() and (landmarks < (right, bottom)).all()
    assert inside and 70 < right - left < 115


def test_a_face_cut_as_tightly_as_it_goes_is_found():
    left, top, right, bottom = REFERENCE.box
    faces = find_faces(photo_of(ASTRONAUT[top:bottom, left:right]))
    assert len(faces) == 1
    assert np.abs(faces[0].landmarks + np.array([left, top]) - REFERENCE.landmarks).max() < 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 5000), (5000, 1), (3, 100_000), (40, 40)])
def test_photos_of_odd_shape_hold_no_face_and_cost_no_memory(shape):
    assert find_faces(photo_of(np.zeros((*shape, 3), np.uint8))) == []


def test_faces_are_listed_largest_first_and_equal_ones_from_the_left():
    small = resized(ASTRONAUT, 0.5)
    faces = find_faces(photo_of(np.concatenate([small, small], 1)))
    assert [round(face.landmarks[4, 0] / 256 - 0.44) for face in faces] == [0, 1]
    faces = find_faces(photo_of(np.concatenate([small, small], 0)))
    assert [round(face.landmarks[4, 1] / 256 - 0.26) for face in faces] == [0, 1]


def test_doubtful_detections_count_only_where_there_is_no_confident_one(monkeypatch):
    def found(*scores: float) -> list[float]:
        def detect(pixels: np.ndarray) -> list[Face]:  # the same faces, however large the photo is made
            scale = pixels.shape[1] / ASTRONAUT.shape[1]
            corners = np.rint(
                scale * np.array([[100 * i, 10, 100 * i + 80, 90] for i in range(len(scores))])
            ).astype(int)
            return [
                Face(tuple(box), score, np.zeros((5, 2)))
                for box, score in zip(corners.tolist(), scores, strict=True)
            ]

        monkeypatch.setattr("semveil.data.frontal.detect_faces", detect)
        return sorted(f.score for f in find_faces(photo_of(ASTRONAUT)))

    assert found(0.1, 2.0, 0.29, 0.31) == [0.31, 2.0]
    assert found(0.1, 0.25, 0.2, 0.05) == [0.25]
    assert len(find_faces(photo_of(ASTRONAUT), thorough=True)) == 2


def test_a_thorough_search_finds_smaller_faces_and_such_that_the_edge_cuts(monkeypatch):
    monkeypatch.setattr("semveil.data.frontal._COARSE_PIXELS", 200_000)
    monkeypatch.setattr("semveil.data.frontal._DETECTION_PIXELS", 300_000)
    monkeypatch.setattr("semveil.data.frontal._THOROUGH_PIXELS", 1_200_000)
    canvas = np.full((400, 700, 3), 128, np.uint8)
    canvas[:256, :256] = ASTRONAUT[:256, 90:346]
    small = resized(ASTRONAUT[:256, 90:346], 0.5)
    canvas[200:328, 350:478] = small
    left, _, right, _ = REFERENCE.box
    cut = ASTRONAUT[:256, 90 : round(right - 0.3 * (right - left))]
    canvas[100:356, 700 - cut.shape[1] :] = cut
    photo = photo_of(canvas)
    assert len(find_faces(photo)) == 1
    assert len(find_faces(photo, thorough=True)) == 3


def test_without_a_choice_the_only_large_face_is_taken_and_several_are_listed(group):
    with pytest.raises(
        FaceChoiceError, match=r"'group.png' shows 2 faces; choose with --face N, --face largest"
    ) as caught:
        choose_faces(group)  # the third is too small to count
    listed = re.findall(r"(\d): (\d+) px at \((\d+), (\d+)\)", str(caught.value))
    assert [row[0] for row in listed] == ["0", "1"] and int(listed[0][1]) > int(listed[1][1]) > 32
    assert 340 < int(listed[0][2]) < 420 and 70 < int(listed[1][2]) < 120
    assert [i for i, _ in choose_faces(group, smallest=110)] == [0]


def test_a_choice_gives_the_face_that_was_listed(group, found_group):
    faces = found_group[1]
    assert len(faces) == 3
    for selection, expected in (("largest", [0]), (0, [0]), (1, [1]), ("1", [1])):
        chosen = choose_faces(group, selection)
        assert [i for i, _ in chosen] == expected
        assert all(face.box == faces[i].box for i, face in chosen)
    assert [i for i, _ in choose_faces(group, "all", smallest=0)] == [0, 1, 2]


@pytest.mark.parametrize("selection", ["all", 2])
def test_a_face_too_small_is_refused_by_its_size(group, selection):
    with pytest.raises(FaceTooSmallError, match=r"face 2 in 'group.png' has 2\d px, fewer than the 32 px"):
        choose_faces(group, selection)


def test_where_all_faces_are_too_small_the_largest_is_named(group):
    with pytest.raises(FaceTooSmallError, match=r"face 0 .* fewer than the 256 px"):
        choose_faces(group, smallest=256)


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (3, "no face 3; it shows 0: "),
        ("3", "no face 3; it shows 0: "),
        (-1, "no face -1; allowed: a number from 0, largest or all"),
        ("largst", r"no face 'largst' \(did you mean 'largest'\?\)"),
        ("", "no face ''"),
        (True, "no face True"),
        (1.0, "no face 1.0"),
        ("²", "no face '²'"),
    ],
)
def test_a_choice_that_does_not_exist_names_what_does(group, selection, words):
    with pytest.raises(FaceChoiceError, match=words):
        choose_faces(group, selection)


@pytest.mark.parametrize("selection", [None, "largest", "all", 0])
@pytest.mark.parametrize("pixels", [resized(ASTRONAUT, 0.5)[::-1], np.zeros((64, 64, 3), np.uint8)])
def test_no_face_is_said_with_hints(pixels, selection):
    with pytest.raises(
        NoFaceError, match=r"no face found in 'photo.png' \(\d+ x \d+\).*rotate the photo.*larger than about"
    ):
        choose_faces(photo_of(pixels), selection)


def test_the_eight_orientations_of_a_photo_give_one_crop(tmp_path):
    upright = Image.fromarray(resized(ASTRONAUT, 0.5))
    # stored = upright turned by the inverse of the tag's
    turns = [None, *(Image.Transpose(i) for i in (0, 3, 1, 5, 2, 6, 4))]
    crops = []
    for orientation, turn in enumerate(turns, 1):
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = upright if turn is None else upright.transpose(turn)
        stored.save(tmp_path / f"{orientation}.png", exif=exif)
        (face,) = load_aligned_faces(tmp_path / f"{orientation}.png", size=64)
        crops.append(face.aligned.pixels)
    assert crops[0].shape == (64, 64, 3)
    for crop in crops[1:]:
        assert (crop == crops[0]).all()


def test_the_chain_ends_in_aligned_faces_that_know_their_photo(tmp_path, group):
    Image.fromarray(group.pixels).save(tmp_path / "group.png")
    faces = load_aligned_faces(tmp_path / "group.png", size=128, selection="all", smallest=0)
    assert [face.index for face in faces] == [0, 1, 2]
    for face in faces:
        assert face.photo.name == "group.png" and (face.photo.pixels == group.pixels).all()
        back = np.column_stack([TEMPLATE * 128, np.ones(5)]) @ face.aligned.to_photo.T
        side = face.face.box[2] - face.face.box[0]
        assert np.abs(back[:, :2] - 0.5 - face.face.landmarks).max() < 0.06 * side
    # The same person thrice: the crops agree as far as their resolutions allow.
    first, second, third = (face.aligned.pixels.astype(float) for face in faces)
    assert (
        np.abs(first - second).mean() < 6
        and np.abs(first - third).mean() < 16 < np.abs(first - first[:, ::-1]).mean()
    )


def test_the_smallest_face_follows_the_models_size(tmp_path):
    Image.fromarray(resized(ASTRONAUT, 0.5)).save(tmp_path / "photo.png")  # its face has about 45 px
    assert len(load_aligned_faces(tmp_path / "photo.png", size=128)) == 1
    with pytest.raises(FaceTooSmallError, match="fewer than the 64 px"):
        load_aligned_faces(tmp_path / "photo.png", size=256)
    assert len(load_aligned_faces(tmp_path / "photo.png", size=256, smallest=40)) == 1
    assert [smallest_face(size) for size in (32, 64, 128, 256, 512)] == [32, 32, 32, 64, 128]


def test_limits_and_errors_of_reading_pass_through(tmp_path):
    Image.fromarray(ASTRONAUT).save(tmp_path / "photo.png")
    with pytest.raises(PhotoError, match="limit of 1,000"):
        load_aligned_faces(tmp_path / "photo.png", size=64, largest_pixels=1000)
    with pytest.raises(PhotoError, match="is a folder"):
        load_aligned_faces(Path(tmp_path), size=64)
    assert (PhotoError.exit_code, FaceError.exit_code, NoFaceError.exit_code) == (3, 4, 4)
