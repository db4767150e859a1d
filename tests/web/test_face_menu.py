# SPDX-License-Identifier: Apache-2.0
"""The menu of a photo's faces: numbers as the library has them, and boxes where they lie."""

import re

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

import semveil
from semveil.core.errors import FaceChoiceError
from semveil.data.align import align_face
from semveil.faces.pixels import to_pixels
from semveil.web.face_menu import ONE_FACE, faces_of, menu
from semveil.web.html import preview


def two_faces() -> np.ndarray:
    portrait = Image.fromarray(astronaut()[:256, 100:356])
    photo = Image.new("RGB", (560, 300), (150, 160, 170))
    photo.paste(portrait.resize((180, 180)), (10, 60))
    photo.paste(portrait.resize((280, 280)), (270, 10))
    return np.asarray(photo)


def test_the_menu_numbers_faces_as_the_library_does() -> None:
    photo = two_faces()
    faces = faces_of(photo)
    (first, largest), (second, other) = menu(faces, photo.shape[1])
    assert "on the right" in first and "on the left" in second and (largest, other) == ("largest", "1")
    for choice, face in zip((largest, other), faces, strict=True):
        cut = to_pixels(
            semveil.load_faces(photo, size=64, face=choice if choice == "largest" else int(choice)).images
        )[0]
        assert np.abs(cut.astype(int) - align_face(photo, face.landmarks, 64).pixels).mean() < 2
    with pytest.raises(FaceChoiceError):  # nor does the library know more of them
        semveil.load_faces(photo, size=64, face=2)
    assert menu(faces[:1], 560) == menu([], 560) == ONE_FACE


def test_the_preview_has_a_numbered_box_on_each_face_and_none_without() -> None:
    photo = two_faces()
    boxes = [face.box for face in faces_of(photo)]
    shown = preview("data:,", (560, 300), boxes)
    assert 'viewBox="0 0 560 300"' in shown and re.findall(r">(\d)</text>", shown) == ["0", "1"]
    drawn = [
        tuple(map(int, found))
        for found in re.findall(r'<rect x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"', shown)
    ]
    assert drawn == [(left, top, right - left, bottom - top) for left, top, right, bottom in boxes]
    assert "<svg" not in preview("data:,", (560, 300))
