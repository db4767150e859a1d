# SPDX-License-Identifier: Apache-2.0
"""Every kind of photo gives upright 8-bit sRGB pixels; everything else gives one clear line."""

import os
import random
import stat
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageFile
from PIL import __version__ as pillow_version
from PIL.PngImagePlugin import PngInfo

from semveil.core.errors import PhotoError
from semveil.data.photos import LARGEST_PIXELS, LARGEST_SIDE, load_photo


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut()).resize((96, 80), Image.Resampling.LANCZOS)


def refused(path, **options) -> str:
    """The error's text, which must be one printable line that names the file."""
    with pytest.raises(PhotoError) as caught:
        load_photo(path, **options)
    text = str(caught.value)
    assert text.isprintable()
    return text


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_the_very_pixels(tmp_path, portrait, kind):
    portrait.save(tmp_path / "photo", kind)
    photo = load_photo(tmp_path / "photo")
    assert photo.pixels.tolist() == np.asarray(portrait).tolist()
    assert (photo.format, photo.name, photo.notes) == (kind, "photo", ())
    assert photo.pixels.dtype == np.uint8 and photo.pixels.flags.writeable and photo.pixels.flags.c_contiguous


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "JPEG2000", "AVIF", "GIF"])
def test_lossy_formats_give_nearly_the_pixels(tmp_path, portrait, kind):
    portrait.save(tmp_path / "photo", kind)
    difference = load_photo(tmp_path / "photo").pixels.astype(int) - np.asarray(portrait)
    assert np.abs(difference).mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_the_exif_orientation_is_applied_once(tmp_path, portrait, orientation, kind):
    # The stored picture is the upright one, turned by the inverse of what the tag asks for (EXIF 2.32, 4.6.4,
    # table 6).
    pixels = np.asarray(portrait)
    stored = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: np.rot90(pixels, 1),
        7: pixels[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(pixels, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "photo", kind, exif=exif)
    assert (load_photo(tmp_path / "photo").pixels == pixels).all()


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\xff", b"nonsense" * 40])
def test_damaged_exif_costs_nothing_but_the_orientation(tmp_path, portrait, exif):
    portrait.save(tmp_path / "photo.jpg", exif=exif)
    portrait.save(tmp_path / "plain.jpg")
    plain = Image.open(tmp_path / "plain.jpg")
    assert (load_photo(tmp_path / "photo.jpg").pixels == np.asarray(plain)).all()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_taken_with_a_note(tmp_path, kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("white", "black", "red")]
    frames[0].save(tmp_path / "film", kind, save_all=True, append_images=frames[1:])
    photo = load_photo(tmp_path / "film")
    assert photo.pixels.min() >= 250
    assert "first was taken" in photo.notes[0]


def test_a_phones_jpeg_with_a_second_picture_behind_it_is_an_ordinary_photo(tmp_path, portrait):
    portrait.save(tmp_path / "photo.jpg", "MPO", save_all=True, append_images=[portrait.resize((8, 8))])
    photo = load_photo(tmp_path / "photo.jpg")
    assert photo.pixels.shape == (80, 96, 3) and photo.notes == ()


def test_paths_that_hold_no_photo_are_named(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "link.jpg").symlink_to("gone.jpg")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "text.png").write_text("no photo at all")
    os.mkfifo(tmp_path / "pipe")
    assert "is a folder" in refused(tmp_path)
    assert "is empty" in refused(tmp_path / "empty.jpg")
    assert "link to 'gone.jpg'" in refused(tmp_path / "link.jpg")
    assert "cannot read" in refused(tmp_path / "loop")
    assert "not a regular file" in refused(tmp_path / "pipe")
    assert "not a photo that can be read; it must be JPEG, PNG" in refused(tmp_path / "text.png")
    assert "did you mean 'empty.jpg'?" in refused(tmp_path / "emty.jpg")
    assert "no folder" in refused(tmp_path / "no" / "photo.jpg")
    assert "cannot read" in refused("null\0.jpg")
    assert "cannot read" in refused("n" * 300)
    assert r"\n\x1b[31m" in refused(tmp_path / "two\nlines\n\x1b[31m.jpg")
    assert r"\udcff" in refused(os.fsencode(tmp_path) + b"/\xff.jpg")
    for address in (
        "https://example.org/me.jpg",
        "file:///me.jpg",
        "data:image/png;base64,AA",
        "s3://bucket/me.jpg",
    ):
        assert "is an address" in refused(address)


@pytest.mark.parametrize("locked", ["photo.png", "."])
def test_a_photo_without_permission_is_named(tmp_path, portrait, locked):
    portrait.save(tmp_path / "photo.png")
    mode = stat.S_IMODE((tmp_path / locked).stat().st_mode)
    superuser = os.geteuid() == 0
    if superuser:  # who reads everything: give that up for a moment
        os.seteuid(65534)
    try:
        if not superuser:
            (tmp_path / locked).chmod(0)
        assert "no permission" in refused(tmp_path / "photo.png")
    finally:
        if superuser:
            os.seteuid(0)
        (tmp_path / locked).chmod(mode)


def test_colours_that_cannot_be_decoded_are_not_called_damage(tmp_path):
    floats = np.linspace(0, 1, 64 * 64 * 3, dtype="<f4").reshape(64, 64, 3)
    tags = [
        (256, 3, 1, 64),
        (257, 3, 1, 64),
        (258, 3, 1, 32),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (277, 3, 1, 3),
        (339, 3, 1, 3),
    ]
    tags = sorted([*tags, (273, 4, 1, 8), (278, 3, 1, 64), (279, 4, 1, floats.nbytes)])
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    path = tmp_path / "float.tiff"
    path.write_bytes(
        struct.pack("<2sHI", b"II", 42, 8 + floats.nbytes)
        + floats.tobytes()
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )
    with pytest.raises(
        PhotoError, match=r"TIFF file of a kind that cannot be read .*save it as JPEG or 8-bit PNG"
    ):
        load_photo(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(PhotoError, match="damaged or cut short"):
        load_photo(path)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "video"),
        (b"II*\0\x10\0\0\0CR\2\0", "raw photo"),
        (b"\xff\x0a\xfa\x1f\x01", "JPEG XL"),
        (b"%PDF-1.7\n", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (b"8BPS\0\1", "Photoshop"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"PK\x03\x04", "ZIP"),
    ],
)
def test_formats_that_are_not_read_are_named(tmp_path, head, name):
    (tmp_path / "photo.jpg").write_bytes(head + bytes(200))
    text = refused(tmp_path / "photo.jpg")
    assert name in text and "convert it to JPEG or PNG" in text


@pytest.mark.parametrize("size", [(50_000, 50_000), (2**31 - 1, 1), (1, 2**31 - 1), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_by_its_header(tmp_path, size):
    (tmp_path / "bomb.png").write_bytes(png_of_size(*size))
    text = refused(tmp_path / "bomb.png")
    assert f"{size[0]} x {size[1]}" in text and f"{LARGEST_PIXELS:,}" in text and "largest_pixels" in text


@pytest.mark.parametrize(
    "size", [(1, 40_000_000), (40_000_000, 1), (LARGEST_SIDE + 1, 1), (1, LARGEST_SIDE + 1)]
)
def test_a_picture_with_a_side_beyond_the_limit_is_refused_however_narrow(tmp_path, size):
    (tmp_path / "thread.png").write_bytes(png_of_size(*size))
    text = refused(tmp_path / "thread.png")
    assert f"{size[0]} x {size[1]}" in text and "no side may have more than 65,535" in text


def test_a_side_of_just_the_limit_is_read(tmp_path):
    Image.new("L", (LARGEST_SIDE, 1)).save(tmp_path / "photo.png")
    assert load_photo(tmp_path / "photo.png").pixels.shape == (1, LARGEST_SIDE, 3)


@pytest.mark.parametrize("tile", [(65_536, 16), (40_000, 40_000)])
def test_a_tile_that_would_be_decoded_far_beyond_the_picture_is_refused(tmp_path, tile):
    entries = [(256, 3, 9), (257, 3, 9), (258, 3, 8), (259, 3, 5), (262, 3, 1), (277, 3, 1),
        (322, 4, tile[0]),
               (323, 4, tile[1]), (324, 4, 200), (325, 4, 20)]  # fmt: skip
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    ifd = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    (tmp_path / "tiles.tiff").write_bytes((head + ifd + bytes(4)).ljust(200, b"\0") + bytes(20))
    assert "has 9 x 9" in refused(tmp_path / "tiles.tiff")


@pytest.mark.parametrize(("size", "kind"), [((11_000, 10_900), "WEBP"), ((10_500, 10_500), "JPEG2000")])
def test_a_legal_size_that_takes_too_much_memory_in_its_format_is_refused(
    monkeypatch, tmp_path, portrait, size, kind
):
    portrait.save(tmp_path / "photo", kind)
    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "size", size)  # as its header would say
        assert "GB that one photo may take" in refused(tmp_path / "photo")
    assert load_photo(tmp_path / "photo").pixels.shape == (80, 96, 3)


def test_the_limit_on_pixels_is_the_callers_and_exact(tmp_path, portrait):
    portrait.save(tmp_path / "photo.png")
    assert "7,680 pixels, more than the limit of 7,679" in refused(
        tmp_path / "photo.png", largest_pixels=7679
    )
    assert load_photo(tmp_path / "photo.png", largest_pixels=7680).pixels.shape == (80, 96, 3)


@pytest.mark.skipif(
    int(pillow_version.split(".")[0]) < 13, reason="Pillow before 13 refuses such files itself"
)
def test_a_limit_above_pillows_own_counts(tmp_path, monkeypatch, portrait):
    portrait.save(tmp_path / "photo.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert load_photo(tmp_path / "photo.png").pixels.shape == (80, 96, 3)


def test_a_bomb_inside_a_chunk_of_text_is_refused(tmp_path, portrait):
    text = PngInfo()
    text.add_text("comment", "x" * 50_000_000, zip=True)
    portrait.save(tmp_path / "photo.png", pnginfo=text)
    assert "damaged" in refused(tmp_path / "photo.png")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("AVIF", {}),
        ("JPEG2000", {}),
        ("PPM", {}),
    ],
)
def test_a_photo_cut_short_is_whole_or_refused_and_a_damaged_one_never_crashes(
    tmp_path, portrait, kind, options
):
    rng = random.Random(f"{kind} {options}")
    path = tmp_path / "photo"
    portrait.save(path, kind, **options)
    data, whole = path.read_bytes(), load_photo(path).pixels
    cuts = [
        *range(1, 12),
        *(rng.randrange(12, len(data)) for _ in range(30)),
        *(len(data) - i for i in range(1, 12)),
    ]
    refusals = 0
    for cut in cuts:
        path.write_bytes(data[:cut])
        try:
            pixels = load_photo(path).pixels
        except PhotoError as error:
            assert str(error).isprintable()
            refusals += 1
        else:
            assert pixels.shape == whole.shape and (pixels == whole).all(), (
                f"a part of a photo after {cut} bytes"
            )
    assert refusals >= 30
    for i in range(80):
        damaged = bytearray(data)
        for _ in range(rng.randrange(1, 6)):
            damaged[rng.randrange(len(data) if i % 2 else min(len(data), 400))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            assert load_photo(path, largest_pixels=1_000_000).pixels.shape[2] == 3
        except PhotoError as error:
            assert str(error).isprintable()


def test_the_settings_of_the_process_stay_as_they_are(tmp_path, portrait, capfd):
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters), sys.stderr)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\xff"
    portrait.convert("P").save(tmp_path / "photo.gif", transparency=b"\0\1")
    portrait.save(tmp_path / "photo.jpg", exif=exif)
    (tmp_path / "bomb.png").write_bytes(png_of_size(30_000, 30_000))
    load_photo(tmp_path / "photo.gif")
    load_photo(tmp_path / "photo.jpg")
    refused(tmp_path / "bomb.png")
    assert before == (
        Image.MAX_IMAGE_PIXELS,
        ImageFile.LOAD_TRUNCATED_IMAGES,
        list(warnings.filters),
        sys.stderr,
    )
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_lies_under_full_transparency_does_not_come_back(tmp_path, mode):
    hidden = Image.fromarray(np.random.default_rng(0).integers(0, 200, (40, 40, 3), dtype=np.uint8))
    if mode == "P":
        picture = Image.new("P", (40, 40), 7)
        picture.putpalette([30, 60, 90] * 256)
        picture.save(tmp_path / "a.png", transparency=7)
    else:
        picture = hidden.convert(mode)
        picture.putalpha(Image.new("L", (40, 40), 0))
        picture.save(tmp_path / "a.png")
    assert (load_photo(tmp_path / "a.png").pixels == 255).all()
    hidden.save(tmp_path / "b.png")  # the control: in sight it stays
    assert (load_photo(tmp_path / "b.png").pixels < 200).all()
