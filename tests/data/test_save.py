# SPDX-License-Identifier: Apache-2.0
"""A saved picture holds its pixels and nothing else, or does not appear."""

import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from semveil.core.errors import OutputError
from semveil.data import save
from semveil.data.photos import load_photo
from semveil.data.save import save_png

PICTURE = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def chunks(data: bytes) -> list[bytes]:
    names, position = [], 8
    while position < len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        names.append(data[position + 4 : position + 8])
        body = data[position + 4 : position + 8 + length]
        assert struct.unpack(">I", data[position + 8 + length : position + 12 + length]) == (
            zlib.crc32(body),
        )
        position += 12 + length
    return names


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 40), st.integers(1, 40))
def test_what_is_saved_is_what_is_loaded(tmp_path, height, width):
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    save_png(tmp_path / "a.png", pixels)
    assert (load_photo(tmp_path / "a.png").pixels == pixels).all()


def test_the_file_holds_nothing_but_size_and_pixels(tmp_path):
    save_png(tmp_path / "a.PNG", np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8))
    names = chunks((tmp_path / "a.PNG").read_bytes())
    assert set(names) == {b"IHDR", b"IDAT", b"IEND"}


def test_text_that_is_asked_for_is_the_only_addition(tmp_path):
    save_png(tmp_path / "a.png", PICTURE, text={"one": "first", "two": "second"})
    data = (tmp_path / "a.png").read_bytes()
    assert [name for name in chunks(data) if name not in (b"IHDR", b"IDAT", b"IEND")] == [b"tEXt", b"tEXt"]
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert image.text == {"one": "first", "two": "second"}
    assert (load_photo(tmp_path / "a.png").pixels == PICTURE).all()


def test_nothing_of_the_photo_but_pixels_goes_through(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "secret"
    exif.get_ifd(0x8825)[1] = "N"
    Image.fromarray(PICTURE).save(tmp_path / "in.png", exif=exif, icc_profile=b"secret", dpi=(300, 300))
    save_png(tmp_path / "out.png", load_photo(tmp_path / "in.png").pixels)
    with Image.open(tmp_path / "out.png") as out:
        assert out.info == {} and len(out.getexif()) == 0
    assert b"secret" not in (tmp_path / "out.png").read_bytes()


def test_the_same_pixels_give_the_same_bytes(tmp_path):
    save_png(tmp_path / "a.png", PICTURE)
    save_png(tmp_path / "b.png", np.asfortranarray(PICTURE))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_what_cannot_be_written_is_said_in_one_line(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for path, words in (
        (tmp_path / "folder.png", "is a folder"),
        (tmp_path / "absent" / "a.png", "create it first"),
        (tmp_path / "a.jpg", "must end in .png"),
        (tmp_path / "nul\0.png", "null"),
        (tmp_path / ("n" * 300 + ".png"), "too long"),
    ):
        with pytest.raises(OutputError, match=words) as caught:
            save_png(path, PICTURE)
        assert str(caught.value).isprintable() and str(caught.value).startswith("cannot write")
    assert sorted(os.listdir(tmp_path)) == ["folder.png"]


def test_a_failure_midway_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch):
    save_png(tmp_path / "a.png", PICTURE)
    before = (tmp_path / "a.png").read_bytes()

    class Failing:
        def save(self, handle, **_):
            handle.write(b"half")
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(save.Image, "fromarray", lambda _: Failing())
    with pytest.raises(OutputError, match="No space left"):
        save_png(tmp_path / "a.png", 255 - PICTURE)
    assert (tmp_path / "a.png").read_bytes() == before
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("pixels", [PICTURE.astype(float), PICTURE[..., 0], PICTURE[..., :2], PICTURE[:0]])
def test_other_arrays_are_refused(tmp_path, pixels):
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
        save_png(tmp_path / "a.png", pixels)
