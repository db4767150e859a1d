# SPDX-License-Identifier: Apache-2.0
"""Photos of every kind: the right result, or one line that says what is wrong, and no file."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def bomb() -> bytes:
    """A PNG whose header promises 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.fixture
def face(photo: Path) -> Image.Image:
    with Image.open(photo) as image:
        return image.convert("RGB")


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("kind", ["grey", "alpha", "palette", "cmyk", "deep", "animated", "rotated"])
def test_every_kind_of_photo_is_sent(semveil: Callable, face: Image.Image, tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.asarray(face.convert("L")).astype(np.uint16) * 257)
    path = {
        "grey": lambda: save(face.convert("L"), tmp_path / "a.png"),
        "alpha": lambda: save(face.convert("RGBA"), tmp_path / "a.png"),
        "palette": lambda: save(face.quantize(200), tmp_path / "a.png"),
        "cmyk": lambda: save(face.convert("CMYK"), tmp_path / "a.jpg"),
        "deep": lambda: save(deep, tmp_path / "a.png"),
        "animated": lambda: save(face, tmp_path / "a.gif", save_all=True, append_images=[face.rotate(180)]),
        "rotated": lambda: save(face.transpose(Image.Transpose.ROTATE_90), tmp_path / "a.jpg", exif=exif),
    }[kind]()
    answer = semveil("send", path, "--model", "tiny", "--protection", "none", "--out", tmp_path / "m.svl")
    assert answer.code == 0, answer.stderr
    assert (tmp_path / "m.svl").is_file()


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("no face", 4, "no face found"),
        ("two faces", 4, "choose with --face N"),
        ("small face", 4, "px needed here"),
        ("cut", 3, "damaged or cut short"),
        ("text", 3, "not a photo that can be read"),
        ("empty", 3, "is empty"),
        ("bomb", 3, "more than the limit"),
        ("folder", 3, "is a folder"),
        ("absent", 3, "no photo"),
        ("address", 3, "is an address"),
    ],
)
def test_what_cannot_be_sent_is_one_line(
    semveil: Callable,
    failed: Callable,
    face: Image.Image,
    photo: Path,
    tmp_path: Path,
    kind: str,
    code: int,
    words: str,
) -> None:
    path = tmp_path / "a.png"
    twice = Image.new("RGB", (2 * face.width, face.height))
    twice.paste(face, (0, 0))
    twice.paste(face, (face.width, 0))
    contents = {"cut": photo.read_bytes()[:4000], "text": b"no photo at all", "empty": b"", "bomb": bomb()}
    pictures = {
        "no face": Image.new("RGB", (200, 200), "grey"),
        "two faces": twice,
        "small face": face.resize((face.width // 4, face.height // 4)),
    }
    if kind in contents:
        path.write_bytes(contents[kind])
    elif kind in pictures:
        pictures[kind].save(path)
    elif kind == "folder":
        path.mkdir()
    given = "https://example.org/a.png" if kind == "address" else path
    failed(
        semveil("send", given, "--model", "tiny", "--protection", "none", "--out", tmp_path / "m.svl"),
        code,
        words,
    )
    assert not (tmp_path / "m.svl").exists()


def test_all_faces_go_into_one_message(semveil: Callable, face: Image.Image, tmp_path: Path) -> None:
    twice = Image.new("RGB", (2 * face.width, face.height))
    twice.paste(face, (0, 0))
    twice.paste(face, (face.width, 0))
    twice.save(tmp_path / "two.png")
    plain = ("--model", "tiny", "--protection", "none", "--face", "all")
    assert semveil("send", tmp_path / "two.png", *plain, "--out", tmp_path / "m.svl").code == 0
    assert semveil("receive", tmp_path / "m.svl", "--out", tmp_path / "bob.png").code == 0
    assert (tmp_path / "bob-1.png").is_file()
    assert (tmp_path / "bob-2.png").is_file()
    assert semveil("transmit", tmp_path / "two.png", *plain, "--out", tmp_path / "out").code == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"two-face-0", "two-face-1", "result.json"}
