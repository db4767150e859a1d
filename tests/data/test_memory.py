# SPDX-License-Identifier: Apache-2.0
"""What one photo takes: reading it stays below what its pixels are reckoned at, the largest within the stated
limit.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semveil.data.photos import _BYTES_PER_PIXEL, _USUAL_BYTES, LARGEST_MEMORY, LARGEST_PIXELS

resource = pytest.importorskip("resource")

SIZE = (3200, 2500)  # 8 megapixels
READ = """
import resource, sys
from PIL import Image
from semveil.data.photos import load_photo
load_photo(sys.argv[2])  # loads what decoders need
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
photo = load_photo(sys.argv[1])
height, width = photo.pixels.shape[:2]
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / (width * height))
"""
ALIGN = """
import resource, sys
import numpy as np
from semveil.faces.template import TEMPLATE
from semveil.data import align
align._WINDOW = 1 << 20
align_face = align.align_face
photo = np.zeros((3500, 3000, 3), np.uint8)
photo[:] = 7
align_face(photo[:100, :100], TEMPLATE * 64, 64)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
align_face(photo, TEMPLATE * 3000, 64)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / (3500 * 3000))
"""


def measured(program: str, *arguments: Path) -> float:
    """Bytes per pixel at the peak, beyond what the program takes anyway."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def noise(mode: str) -> Image.Image:
    grey = Image.effect_noise((64, 64), 50).resize(SIZE, Image.Resampling.NEAREST)
    return Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("PNG", "I;16", {}),
        ("PNG", "RGBA", {}),
        ("JPEG", "RGB", {"progressive": True, "subsampling": 0}),
        ("TIFF", "CMYK", {}),
        ("WEBP", "RGBA", {"quality": 1, "method": 0}),
    ],
)
def test_reading_takes_no_more_than_reckoned(tmp_path: Path, kind: str, mode: str, options: dict) -> None:
    noise(mode).save(tmp_path / "large", kind, **options)
    noise(mode).crop((0, 0, 64, 64)).save(tmp_path / "small", kind, **options)
    assert measured(READ, tmp_path / "large", tmp_path / "small") < _BYTES_PER_PIXEL.get(kind, _USUAL_BYTES)


def test_the_largest_photo_keeps_the_limit() -> None:
    assert LARGEST_PIXELS * _USUAL_BYTES <= LARGEST_MEMORY


def test_a_face_as_large_as_the_photo_is_aligned_in_a_fraction_of_it(tmp_path: Path) -> None:
    assert measured(ALIGN) < 10
