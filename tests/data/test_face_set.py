# SPDX-License-Identifier: Apache-2.0
"""Face sets are prepared at any size, with the parts where the mask has them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semveil.data.face_set import prepare
from semveil.faces.parts import CELEBAMASK_TO_PART

SKIN, HAIR = 1, 13


@pytest.mark.parametrize("size", [16, 32, 48, 100])  # 48 and 100 do not divide the side of the mask
def test_masks_are_reduced_to_any_size(tmp_path: Path, size: int) -> None:
    for folder in ("images", "masks"):
        (tmp_path / "celebamask_hq" / folder).mkdir(parents=True)
    Image.new("RGB", (128, 128), "grey").save(tmp_path / "celebamask_hq" / "images" / "a.jpg")
    mask = np.full((128, 128), SKIN, np.uint8)
    mask[:, 64:] = HAIR
    Image.fromarray(mask).save(tmp_path / "celebamask_hq" / "masks" / "a.png")
    prepared = prepare(tmp_path, size=size)
    assert not prepared.unreadable
    (labels,) = prepared.faces.labels
    half = size // 2
    assert (labels[:, :half] == CELEBAMASK_TO_PART[SKIN]).all()
    assert (labels[:, half:] == CELEBAMASK_TO_PART[HAIR]).all()
