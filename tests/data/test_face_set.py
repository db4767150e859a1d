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


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (None, "it has no mask masks/b.png"),
        (Image.new("L", (128, 128), 19), "classes below 19"),
        (Image.new("RGB", (128, 128)), "one channel"),
    ],
)
def test_a_photo_without_its_mask_is_left_out_and_says_so(
    tmp_path: Path, mask: Image.Image | None, reason: str
) -> None:
    folder = tmp_path / "celebamask_hq"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for name in "ab":
        Image.new("RGB", (128, 128), "grey").save(folder / "images" / f"{name}.jpg")
    Image.new("L", (128, 128), 1).save(folder / "masks" / "a.png")
    if mask is not None:
        mask.save(folder / "masks" / "b.png")
    prepared = prepare(tmp_path, size=32)
    assert prepared.faces.source.tolist() == ["celebamask_hq/a.jpg"]
    [(path, said)] = prepared.unreadable
    assert path.name == "b.jpg" and reason in said
