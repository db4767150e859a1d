# SPDX-License-Identifier: Apache-2.0
"""A face, folders of photos of it, and a SEMVEIL_HOME of the test's own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def face() -> Image.Image:
    """The astronaut's face, out of scikit-image's portrait."""
    from skimage import data

    return Image.fromarray(data.astronaut()[0:220, 120:330])


@pytest.fixture
def album(tmp_path: Path, face: Image.Image) -> Callable[..., Path]:
    """A folder with a photo at each of the places given, no two alike, with GPS in their EXIF."""

    def make(*places: str) -> Path:
        folder = tmp_path / "album"
        exif = Image.Exif()
        exif[0x010E] = "secret description"
        for i, place in enumerate(places):
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(np.asarray(face).astype(int) + i, 0, 255).astype(np.uint8)).save(
                path, exif=exif
            )
        return folder

    return make


@pytest.fixture
def twice(face: Image.Image) -> Image.Image:
    """Two faces, the right one half as large."""
    picture = Image.new("RGB", (2 * face.width, face.height))
    picture.paste(face, (0, 0))
    picture.paste(face.resize((face.width // 2, face.height // 2)), (face.width + 40, 40))
    return picture
