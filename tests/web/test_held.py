# SPDX-License-Identifier: Apache-2.0
"""The photo on its way from an upload to the browser and back."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semveil.core.errors import PhotoError
from semveil.web.held import Held, astronaut, from_text, read_upload, to_text
from semveil.web.limits import LARGEST_PIXELS, LARGEST_SIDE


def upload(folder: Path, name: str, picture: Image.Image | bytes) -> str:
    path = folder / "a1b2" / name
    path.parent.mkdir(exist_ok=True)
    if isinstance(picture, bytes):
        path.write_bytes(picture)
    else:
        picture.save(path)
    return str(path)


def png(picture: Image.Image) -> str:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def test_a_photo_comes_back_bit_for_bit(tmp_path: Path) -> None:
    held = read_upload(upload(tmp_path, "anna.png", Image.fromarray(astronaut().pixels)), tmp_path)
    np.testing.assert_array_equal(held.pixels, astronaut().pixels)
    assert held.notes == () and not list(tmp_path.rglob("*.png"))
    np.testing.assert_array_equal(from_text(to_text(held)), held.pixels)


def test_a_large_photo_is_shrunk_and_the_page_says_so(tmp_path: Path) -> None:
    held = read_upload(upload(tmp_path, "wide.jpg", Image.new("RGB", (3 * LARGEST_SIDE, 30))), tmp_path)
    assert held.pixels.shape == (10, LARGEST_SIDE, 3)
    assert held.notes == ("shrunk from 3840 x 30 to 1280 x 10 pixels",)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.txt", b"hello", "'notes.txt' is not a photo that can be read"),
        ("cut.jpg", b"\xff\xd8\xff\xe0" + bytes(99), "'cut.jpg' is a JPEG file that is damaged"),
        ("film.mp4", b"\0\0\0\x18ftypisom" + bytes(99), "'film.mp4' is a video"),
        ("empty.png", b"", "'empty.png' is empty"),
    ],
)
def test_what_is_no_photo_is_refused_by_the_users_name_for_it(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = upload(tmp_path, name, content)
    with pytest.raises(PhotoError) as refused:
        read_upload(path, tmp_path)
    assert str(refused.value).startswith(words)
    assert str(tmp_path) not in str(refused.value) and not Path(path).exists()


def test_too_many_pixels_are_refused_without_decoding(tmp_path: Path) -> None:
    path = upload(tmp_path, "huge.png", Image.new("L", (LARGEST_PIXELS // 4000 + 1, 4000)))
    with pytest.raises(PhotoError) as refused:
        read_upload(path, tmp_path)
    assert "more than the limit of 40,000,000; shrink it" in str(refused.value)
    assert "largest_pixels" not in str(refused.value), "no advice that only a programmer can take"


def test_what_a_browser_sends_is_not_trusted() -> None:
    good = png(Image.new("RGB", (8, 8)))
    assert from_text(good).shape == (8, 8, 3)
    bad = [
        good[:-40],
        good.replace("A", "?"),
        good.replace("data:", "file:"),
        png(Image.new("RGB", (LARGEST_SIDE + 1, 1))),
        png(Image.new("RGBA", (8, 8))),
        "data:image/png;base64," + base64.b64encode(b"GIF89a" + bytes(40)).decode(),
    ]
    for text in bad:
        with pytest.raises(PhotoError, match="damaged; drop it again"):
            from_text(text)


@pytest.mark.parametrize("text", [None, ""])
def test_no_photo_is_said(text: str | None) -> None:
    with pytest.raises(PhotoError, match="there is no photo yet"):
        from_text(text)


def test_a_held_photo_has_no_names_in_it() -> None:
    text = to_text(Held(np.zeros((2, 2, 3), np.uint8)))
    with Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2]))) as picture:
        assert not picture.info
