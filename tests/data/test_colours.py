# SPDX-License-Identifier: Apache-2.0
"""Pictures of any mode become 8-bit sRGB as a screen would show them."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL import __version__ as pillow_version
from PIL.PngImagePlugin import PngInfo

from semveil.core.errors import PhotoError
from semveil.data import colours
from semveil.data.photos import Photo, load_photo

MODES = {  # mode -> a lossless format that stores it
    "1": "PNG",
    "L": "PNG",
    "LA": "PNG",
    "P": "PNG",
    "RGB": "PNG",
    "RGBA": "PNG",
    "I;16": "PNG",
    "CMYK": "TIFF",
    "YCbCr": "TIFF",
    "F": "TIFF",
}


def kept(folder, picture: Image.Image, kind: str = "PNG", **options):
    picture.save(folder / "photo", kind, **options)
    return load_photo(folder / "photo")


@pytest.mark.skipif(
    int(pillow_version.split(".")[0]) < 13, reason="Pillow before 13 refuses such files itself"
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(MODES)),
    st.one_of(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(st.just(1), st.integers(1, 3000))),
    st.booleans(),
)
def test_every_mode_and_size_gives_three_bytes_per_pixel(tmp_path, mode, size, turned):
    size = size[::-1] if turned else size
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    picture = Image.fromarray(values)
    if mode == "I;16":
        picture = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    elif mode == "F":
        picture = Image.fromarray(values[..., 0].astype(np.float32) / 255)
    else:
        picture = picture.convert(mode)
    photo = kept(tmp_path, picture, MODES[mode])
    assert photo.pixels.shape == (*size[::-1], 3) and photo.pixels.dtype == np.uint8
    if mode in ("I;16", "F"):
        assert (photo.pixels == values[..., :1]).all()
    elif mode in ("1", "L", "P", "RGB"):
        assert (photo.pixels == np.asarray(picture.convert("RGB"))).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_greys_are_scaled_and_rounded(tmp_path, kind):
    values = np.array([[0, 128, 129, 257, 32767, 32768, 65278, 65535]], np.uint16)
    photo = kept(tmp_path, Image.fromarray(values), kind)
    assert photo.pixels[0, :, 0].tolist() == [0, 0, 1, 1, 127, 128, 254, 255]
    assert (photo.pixels == photo.pixels[..., :1]).all()
    assert "scaled to 8 bits" in photo.notes[0]


def test_sixteen_bit_colours_are_scaled(tmp_path):
    values = np.array([[[0, 0x8080, 0xFFFF]]], ">u2")
    (tmp_path / "photo").write_bytes(b"P6 1 1 65535\n" + values.tobytes())
    assert load_photo(tmp_path / "photo").pixels.tolist() == [[[0, 128, 255]]]


def test_a_tiff_where_white_is_zero_is_not_shown_as_its_negative(tmp_path):
    values = np.array([[0, 65535]], np.uint16)
    assert kept(tmp_path, Image.fromarray(values), "TIFF", tiffinfo={262: 0}).pixels[0, :, 0].tolist() == [
        255,
        0,
    ]


def test_32_bit_integers_of_eight_bits_keep_their_values(tmp_path):
    values = np.arange(256, dtype=np.int32).reshape(16, 16)
    photo = kept(tmp_path, Image.fromarray(values), "TIFF")
    assert (photo.pixels == values[..., None]).all()
    assert photo.notes == ("32-bit greys of 0 to 255 were taken as 8 bits",)


@pytest.mark.parametrize("brightest", [256, 65535])
def test_32_bit_integers_beyond_eight_bits_are_sixteen_bits(tmp_path, brightest):
    photo = kept(tmp_path, Image.fromarray(np.array([[0, 255, brightest]], np.int32)), "TIFF")
    assert photo.pixels[0, :, 0].tolist() == [0, 1, round(brightest / 257)]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_a_dark_picture_of_sixteen_bits_stays_dark(tmp_path, kind):
    photo = kept(tmp_path, Image.fromarray(np.array([[0, 128, 255]], np.uint16)), kind)
    assert photo.pixels[0, :, 0].tolist() == [0, 0, 1]


def test_a_dark_tiff_of_signed_sixteen_bits_stays_dark(tmp_path):
    entries = [
        (256, 3),
        (257, 1),
        (258, 16),
        (259, 1),
        (262, 1),
        (273, 160),
        (277, 1),
        (278, 1),
        (279, 6),
        (339, 2),
    ]
    table = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries
    )
    head = b"II*\0" + struct.pack("<I", 8) + table + bytes(4)
    (tmp_path / "photo").write_bytes(head.ljust(160, b"\0") + np.array([0, 128, 255], "<i2").tobytes())
    with Image.open(tmp_path / "photo") as opened:
        assert opened.mode == "I"  # as 32-bit integers are
    assert load_photo(tmp_path / "photo").pixels[0, :, 0].tolist() == [0, 0, 1]


@pytest.mark.parametrize("values", [[-1, 0], [0, 65536]])
def test_integers_beyond_sixteen_bits_are_refused(tmp_path, values):
    with pytest.raises(PhotoError, match=r"values from .* not 0 to 65535"):
        kept(tmp_path, Image.fromarray(np.array([values], np.int32)), "TIFF")


@pytest.mark.parametrize("values", [[0, 1.5], [np.nan, 0], [0, np.inf], [-0.1, 0]])
def test_floats_beyond_0_to_1_are_refused(tmp_path, values):
    with pytest.raises(PhotoError, match="floating-point"):
        kept(tmp_path, Image.fromarray(np.array([values], np.float32)), "TIFF")


def test_lab_colours_are_refused(tmp_path):
    with pytest.raises(PhotoError, match="LAB"):
        kept(tmp_path, Image.new("LAB", (2, 2)), "TIFF")


def test_transparency_is_laid_on_white(tmp_path):
    values = np.zeros((1, 3, 4), np.uint8)
    values[0, :, 3] = 0, 51, 255
    photo = kept(tmp_path, Image.fromarray(values))
    assert photo.pixels[0, :, 0].tolist() == [255, 204, 0]  # 255 (1 - alpha)
    assert photo.notes == ("transparent areas lie on white",)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "I;16"])
def test_a_colour_declared_transparent_shows_white(tmp_path, mode):
    picture = Image.new("L" if mode == "I;16" else mode, (2, 1))
    if mode == "P":
        picture.putpalette([10, 10, 10, 0, 0, 0])
    key: object = {"L": 10, "RGB": (10, 10, 10), "P": 0, "I;16": 10}[mode]
    picture.putpixel((0, 0), 0 if mode == "P" else (10, 10, 10) if mode == "RGB" else 10)
    picture.putpixel((1, 0), 1 if mode == "P" else 0)
    if mode == "I;16":
        picture = Image.fromarray(np.array([[10, 0]], np.uint16))
    assert kept(tmp_path, picture, transparency=key).pixels[0, :, 0].tolist() == [255, 0]


def test_an_opaque_alpha_channel_is_not_worth_a_note(tmp_path):
    assert kept(tmp_path, Image.new("RGBA", (2, 2), (1, 2, 3, 255))).notes == ()


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])  # Adobe stores inks in JPEG inverted, and so does Pillow
@pytest.mark.parametrize(
    ("inks", "colour"), [((0, 255, 255, 0), "red"), ((0, 0, 0, 255), "black"), ((0, 0, 0, 0), "white")]
)
def test_inks_become_colours(tmp_path, kind, inks, colour):
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    pixels = kept(tmp_path, Image.new("CMYK", (16, 16), inks), kind, **options).pixels
    assert np.abs(pixels.astype(int) - np.asarray(Image.new("RGB", (1, 1), colour))).max() <= 2


def s15(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def icc(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC version 2 input profile (ICC.1:2001-04, 6.1 and 6.2)."""
    pcs = b"Lab " if b"A2B0" in tags else b"XYZ "
    tags = {b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(79), b"wptt": b"", **tags}
    tags.pop(b"wptt")
    body, table, offset = b"", struct.pack(">I", len(tags)), 132 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    size = offset + len(body)
    header = struct.pack(
        ">I4sI4s4s4s12s4s", size, b"lcms", 0x02100000, b"scnr", space, pcs, bytes(12), b"acsp"
    )
    header = header.ljust(68, b"\0") + s15(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\0") + table + body


def matrix_profile(columns: dict[bytes, tuple[float, float, float]], gamma: float) -> bytes:
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    tags = {name + b"XYZ": b"XYZ " + bytes(4) + s15(*xyz) for name, xyz in columns.items()}
    return icc(
        b"RGB ",
        {
            b"wtpt": b"XYZ " + bytes(4) + s15(0.9642, 1, 0.8249),
            **tags,
            **{c + b"TRC": curve for c in columns},
        },
    )


# Colorants adapted to D50 (Lindbloom, "RGB/XYZ matrices", Bradford-adapted).
ADOBE_RGB = {
    b"r": (0.60974, 0.31111, 0.01947),
    b"g": (0.20528, 0.62567, 0.06087),
    b"b": (0.14919, 0.06322, 0.74457),
}
SRGB = {
    b"r": (0.43607, 0.22249, 0.01392),
    b"g": (0.38515, 0.71687, 0.09708),
    b"b": (0.14307, 0.06061, 0.71410),
}


def to_srgb(values, columns, gamma):
    """Closed form: decode, go through XYZ, encode by IEC 61966-2-1."""
    linear = (np.array(values) / 255.0) ** gamma
    xyz = linear @ np.array([columns[c] for c in (b"r", b"g", b"b")])
    rgb = np.clip(xyz @ np.linalg.inv(np.array([SRGB[c] for c in (b"r", b"g", b"b")])), 0, 1)
    return 255 * np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("alpha", [False, True])
def test_an_embedded_profile_is_converted_to_srgb(tmp_path, alpha):
    gamma = 563 / 256  # Adobe RGB (1998), 4.3.1.2
    colours = np.array(
        [[[200, 100, 50], [128, 128, 128], [10, 20, 30], [60, 200, 90], [255, 255, 255], [0, 0, 0]]], np.uint8
    )
    picture = Image.fromarray(colours)
    if alpha:
        picture.putalpha(255)
    photo = kept(tmp_path, picture, icc_profile=matrix_profile(ADOBE_RGB, gamma))
    expected = to_srgb(colours, ADOBE_RGB, gamma)
    assert np.abs(photo.pixels - expected).max() <= 2
    assert np.abs(photo.pixels.astype(int) - colours).max() > 10  # else the check above shows nothing
    assert photo.notes == ("colours were converted from the profile 'test' to sRGB",)


def test_a_profile_that_is_srgb_changes_no_bit(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = kept(tmp_path, Image.fromarray(values), icc_profile=profile)
    assert (photo.pixels == values).all() and photo.notes == ()


def test_a_profile_of_inks_is_applied(tmp_path):
    # A table from inks to Lab, 2 nodes per ink: L = 100 without, 0 with any full ink; so cyan alone shows
    # black.
    identity = struct.pack(">HH", 0, 65535)
    nodes = np.full((2, 2, 2, 2, 3), (0, 0x8000, 0x8000), ">u2")
    nodes[0, 0, 0, 0] = 0xFF00, 0x8000, 0x8000
    table = (
        b"mft2" + bytes(4) + bytes([4, 3, 2, 0]) + s15(1, 0, 0, 0, 1, 0, 0, 0, 1) + struct.pack(">HH", 2, 2)
    )
    table += identity * 4 + nodes.tobytes() + identity * 3
    for inks, shown in (((255, 0, 0, 0), 0), ((0, 0, 0, 0), 255)):
        picture = Image.new("CMYK", (16, 16), inks)
        photo = kept(tmp_path, picture, "JPEG", quality=100, icc_profile=icc(b"CMYK", {b"A2B0": table}))
        assert np.abs(photo.pixels.astype(int) - shown).max() <= 3
        assert "'test'" in photo.notes[0]


@pytest.mark.parametrize("profile", [b"nonsense", bytes(500), matrix_profile(SRGB, 1.0)[:200]])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_profile_that_is_damaged_or_does_not_fit_is_ignored_with_a_note(tmp_path, mode, profile):
    kind = "TIFF" if mode == "CMYK" else "PNG"
    picture = Image.new(mode, (2, 2), 100)
    photo = kept(tmp_path, picture, kind, icc_profile=profile)
    assert (photo.pixels == np.asarray(picture.convert("RGB"))).all()
    assert "ignored" in photo.notes[0]


def test_a_colour_profile_in_a_grey_picture_is_ignored(tmp_path):
    photo = kept(tmp_path, Image.new("L", (2, 2), 100), icc_profile=matrix_profile(ADOBE_RGB, 2.2))
    assert (photo.pixels == 100).all() and "does not fit" in photo.notes[0]


def with_gamma(
    folder: Path, picture: Image.Image, gamma: float, *more: tuple[bytes, bytes], **options: object
) -> Photo:
    """A PNG that states a gamma."""
    chunks = PngInfo()
    for kind, data in ((b"gAMA", struct.pack(">I", round(100_000 * gamma))), *more):
        chunks.add(kind, data)
    picture.save(folder / "photo.png", pnginfo=chunks, **options)
    return load_photo(folder / "photo.png")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "I;16"])
@pytest.mark.parametrize("gamma", [1.0, 0.55556, 0.3])
def test_the_gamma_of_a_png_is_applied(tmp_path, mode, gamma):
    levels = np.arange(256, dtype=np.uint8)[None]
    picture = (
        Image.fromarray(levels.astype(np.uint16) * 257)
        if mode == "I;16"
        else Image.fromarray(levels).convert(mode)
    )
    photo = with_gamma(tmp_path, picture, gamma)
    shown = np.rint(255 * (np.arange(256) / 255) ** (1 / (2.2 * gamma)))  # PNG specification, 13.13
    assert np.abs(photo.pixels[0].astype(int) - shown[:, None]).max() <= 1
    assert any("gamma" in text for text in photo.notes)


@pytest.mark.parametrize(
    ("gamma", "more"),
    [(0.45455, ()), (0.45, ()), (0.0, ()), (1e-5, ()), (40_000.0, ()), (1.0, ((b"sRGB", b"\0"),))],
)
def test_a_gamma_that_says_srgb_or_nothing_changes_nothing(tmp_path, gamma, more):
    levels = np.arange(256, dtype=np.uint8)[None]
    assert (with_gamma(tmp_path, Image.fromarray(levels), gamma, *more).pixels[0, :, 0] == levels[0]).all()


def test_a_profile_counts_more_than_a_gamma(tmp_path):
    levels = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, 2)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = with_gamma(tmp_path, Image.fromarray(levels), 1.0, icc_profile=profile)
    assert (photo.pixels == levels).all()


@given(st.integers(0, 255), st.integers(0, 255))
def test_what_is_half_transparent_is_mixed_with_white(level, opacity):
    picture, _ = colours.to_srgb(Image.new("RGBA", (1, 1), (level, 0, 255, opacity)), "a")
    mixed = [round((opacity * c + (255 - opacity) * 255) / 255) for c in (level, 0, 255)]
    assert np.abs(np.subtract(picture.getpixel((0, 0)), mixed)).max() <= 1
