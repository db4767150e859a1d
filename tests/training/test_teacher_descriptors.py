# SPDX-License-Identifier: Apache-2.0
"""dlib sees the photos that a face set was made of, not the set's small crops."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semveil.data.face_set import FaceSet, open_aligned
from semveil.recognition.dlib_faces import detect_faces
from semveil.training.teacher_descriptors import describe_photos

PHOTOS = (
    "George_W_Bush/George_W_Bush_0001",
    "George_W_Bush/George_W_Bush_0002",
    "Colin_Powell/Colin_Powell_0001",
)


def test_descriptors_are_dlibs_of_the_photo_itself(shared: Path) -> None:
    import dlib

    from semveil.recognition.dlib_faces import _landmarks, _recogniser

    source = np.array([f"lfw/{photo}.jpg" for photo in PHOTOS])
    plane = np.zeros((3, 4, 4), np.uint8)
    faces = FaceSet(
        np.zeros((3, 4, 4, 3), np.uint8),
        plane,
        plane,
        source,
        source,
        np.where(np.zeros(3, bool), "development", "training"),
    )
    vectors = describe_photos(shared / "data", faces).of(source)
    assert vectors.shape == (3, 128) and vectors.dtype == np.float32
    distance = np.linalg.norm(vectors[:, None] - vectors, axis=2)
    assert distance[0, 1] < 0.6 < min(distance[0, 2], distance[1, 2])  # the threshold of dlib's author
    photo = np.asarray(Image.open(shared / "data" / source[2]).convert("RGB"))
    box = dlib.rectangle(*detect_faces(photo)[0].box)
    direct = np.array(_recogniser().compute_face_descriptor(photo, _landmarks()(photo, box)))
    assert np.linalg.norm(vectors[2] - direct) < 0.2  # two ways of cutting out the same chip


def test_photos_are_found_again(shared: Path, tmp_path: Path) -> None:
    crop = open_aligned(shared / "data", f"lfw/{PHOTOS[0]}.jpg", 96)
    assert crop.shape == (96, 96, 3) and crop.dtype == np.uint8
    (tmp_path / "celebamask_hq" / "images").mkdir(parents=True)
    Image.fromarray(np.full((64, 64, 3), 7, np.uint8)).save(tmp_path / "celebamask_hq" / "images" / "1.png")
    assert (open_aligned(tmp_path, "celebamask_hq/1.png", 32) == 7).all()
    (tmp_path / "lfw" / "nobody").mkdir(parents=True)
    Image.fromarray(np.full((64, 64, 3), 7, np.uint8)).save(tmp_path / "lfw" / "nobody" / "nobody_0001.png")
    with pytest.raises(ValueError, match="no face found in lfw/nobody"):
        open_aligned(tmp_path, "lfw/nobody/nobody_0001.png", 32)
