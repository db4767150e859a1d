# SPDX-License-Identifier: Apache-2.0
"""Photos protected in memory: what is booked, and how results are written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage.data import astronaut

import semveil
from semveil.core.errors import NoFaceError
from semveil.data.certified import save_certified_png
from semveil.data.load_faces import Faces
from semveil.faces.pixels import to_pixels
from semveil.privacy.ledger import Ledger

IMAGES = torch.zeros(2, 3, 64, 64)


def test_a_photo_without_a_face_begins_no_ledger(tmp_path: Path) -> None:
    book, blank = tmp_path / "ledger.jsonl", np.full((200, 200, 3), 128, np.uint8)
    ask: dict[str, Any] = {
        "method": "dp-pix", "epsilon": 0.5, "size": 64, "subject": "Ada", "ledger": book, "limit": 1000.0,
    }  # fmt: skip
    with pytest.raises(NoFaceError):
        semveil.protect(blank, **ask)
    assert not list(tmp_path.iterdir())
    semveil.protect(astronaut(), **ask)
    assert len(Ledger(book).releases("Ada")) == 1


@pytest.mark.parametrize(
    ("photos", "kind"),
    [
        (astronaut(), "ndarray"),
        ([astronaut()], "ndarray"),
        (IMAGES, "Tensor"),
        (Faces(IMAGES, ("a", "b")), "Faces"),
    ],
)
def test_a_folder_takes_paths_and_the_refusal_says_how_to_write_others(
    tmp_path: Path, photos: Any, kind: str
) -> None:
    with pytest.raises(TypeError, match=f"photos are paths, got {kind}; .*save_certified_png") as refused:
        semveil.protect(photos, tmp_path / "out", method="mosaic")
    assert "\n" not in str(refused.value) and not list(tmp_path.iterdir())


def test_results_in_memory_are_written_in_the_way_that_the_refusal_names(tmp_path: Path) -> None:
    made = semveil.protect(IMAGES, method="dp-pix", epsilon=0.5, size=64)
    for name, pixels, certificate in zip("ab", to_pixels(made.images), made.certificates, strict=True):
        save_certified_png(tmp_path / f"{name}.png", pixels, certificate)
        found = semveil.certify(tmp_path / f"{name}.png").certificate
        assert found.guarantee == certificate.guarantee
