# SPDX-License-Identifier: Apache-2.0
"""The bundled parser sees the parts of a face, and a file that holds another network is refused."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from semveil.core.checkpoints import BadCheckpoint
from semveil.data.align import align_face
from semveil.data.faces import find_faces
from semveil.data.photos import Photo
from semveil.faces.parts import PARTS
from semveil.faces.pixels import to_tensor
from semveil.faces.template import TEMPLATE
from semveil.recognition.face_parser import SIZE, FaceParser, load_face_parser, save_face_parser


def test_the_bundled_parser_sees_the_parts_of_a_photo_that_it_never_saw() -> None:
    photo = np.ascontiguousarray(skimage.data.astronaut())
    (face,) = find_faces(Photo(photo, "astronaut", "PNG"))
    (labels,) = load_face_parser().label(to_tensor([align_face(photo, face.landmarks, SIZE).pixels])).numpy()

    def seen(x: float, y: float) -> set[str]:
        """Parts around a place of the aligned face."""
        row, column = int(y * SIZE), int(x * SIZE)
        return {PARTS[i] for i in np.unique(labels[row - 3 : row + 4, column - 3 : column + 4])}

    for left, right in ((3, 2), (1, 0)):  # between the corners of each eye
        assert "eyes" in seen(*(TEMPLATE[left] + TEMPLATE[right]) / 2)
    assert "nose" in seen(*TEMPLATE[4]) and "mouth" in seen(0.5, 0.76) and seen(0.3, 0.65) == {"skin"}
    assert "skin" not in seen(0.05, 0.05)


def test_what_is_saved_is_loaded_and_anything_else_refused(tmp_path: Path) -> None:
    parser = FaceParser().eval()
    save_face_parser(tmp_path / "mine.safetensors", parser, {"trained_on": "nothing"})
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    loaded = load_face_parser(tmp_path / "mine.safetensors")
    torch.testing.assert_close(loaded(images), parser(images), atol=0.02, rtol=0.02)  # half precision
    assert not any(weight.requires_grad for weight in loaded.parameters())
    save_face_parser(tmp_path / "wide.safetensors", FaceParser((8, 8, 8, 8)), {})
    with pytest.raises(BadCheckpoint, match=r"wide\.safetensors"):
        load_face_parser(tmp_path / "wide.safetensors")
    with pytest.raises(BadCheckpoint):
        load_face_parser(tmp_path / "none.safetensors")
