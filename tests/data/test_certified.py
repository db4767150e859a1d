# SPDX-License-Identifier: Apache-2.0
"""A certificate belongs to one output as it is, beside it or inside it."""

import json
import os
import shutil
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from privacy.certificate_cases import FULL

from semveil.data.certified import (
    KEYWORD,
    certificate_path,
    pixels_hash,
    read_certificate,
    save_certified_png,
    write_certificate,
)
from semveil.data.photos import load_photo
from semveil.data.save import save_png
from semveil.privacy.certificate import CertificateError

PICTURE = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
MADE = replace(FULL, output=None)


@pytest.fixture
def output(tmp_path):
    path = tmp_path / "m.svl"
    path.write_bytes(b"symbols")
    write_certificate(path, MADE)
    return path


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "eve.png"
    save_certified_png(path, PICTURE, MADE)
    return path


def same(certificate):
    return replace(certificate, output=None) == MADE


def test_it_is_found_beside_the_output_and_by_its_own_name(output):
    assert same(read_certificate(output)) and same(read_certificate(certificate_path(output)))
    assert read_certificate(output).output.of == "file"


def test_it_is_refused_for_a_changed_output(output):
    output.write_bytes(b"symbolz")
    for path in (output, certificate_path(output)):
        with pytest.raises(CertificateError, match=r"does not belong to .*nothing is claimed"):
            read_certificate(path)


def test_it_is_refused_for_another_output(output, tmp_path):
    other = tmp_path / "other.svl"
    other.write_bytes(b"other symbols")
    shutil.copy(certificate_path(output), certificate_path(other))
    with pytest.raises(CertificateError, match="does not belong"):
        read_certificate(other)


def test_alone_it_is_read_without_its_output(output):
    output.unlink()
    assert same(read_certificate(certificate_path(output)))
    with pytest.raises(CertificateError, match="no file"):
        read_certificate(output)


def test_in_a_picture_it_outlives_renaming_and_keeps_the_pixels(picture, tmp_path):
    moved = tmp_path / "renamed.png"
    picture.rename(moved)
    assert same(read_certificate(moved)) and read_certificate(moved).output.of == "pixels"
    assert (load_photo(moved).pixels == PICTURE).all()
    with Image.open(moved) as image:
        image.load()
        assert json.loads(image.text[KEYWORD])["release_id"] == MADE.release_id  # any PNG reader shows it


def test_in_a_picture_with_changed_pixels_it_is_refused(picture):
    with Image.open(picture) as image:
        image.load()
        text = image.text[KEYWORD]
    pixels = PICTURE.copy()
    pixels[0, 0, 0] ^= 1
    save_png(picture, pixels, text={KEYWORD: text})
    with pytest.raises(CertificateError, match="the pixels has SHA-256"):
        read_certificate(picture)


def test_a_recompressed_picture_keeps_it(picture):
    with Image.open(picture) as image:
        image.load()
        text = image.text[KEYWORD]
    before = picture.read_bytes()
    save_png(picture, PICTURE, text={KEYWORD: text, "Comment": "recompressed"})
    assert picture.read_bytes() != before
    assert same(read_certificate(picture))


def test_inside_and_beside_must_agree(picture):
    write_certificate(picture, MADE)
    assert same(read_certificate(picture))
    write_certificate(picture, replace(MADE, scale=0.1))
    with pytest.raises(CertificateError, match="two certificates that differ"):
        read_certificate(picture)


def test_a_picture_with_two_is_not_believed(picture):
    body = b"tEXt" + KEYWORD.encode() + b"\0" + MADE.to_json().encode()
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    data = picture.read_bytes()
    picture.write_bytes(data[:-12] + chunk + data[-12:])
    with pytest.raises(CertificateError, match="holds 2 certificates"):
        read_certificate(picture)


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"{}", b"x" * 300_000, MADE.to_json().encode()])
def test_a_damaged_certificate_is_one_line(output, damage):
    certificate_path(output).write_bytes(damage)
    with pytest.raises(CertificateError, match="certificate") as caught:
        read_certificate(output)
    assert str(caught.value).isprintable()


def test_what_has_none_is_said_to_claim_nothing(tmp_path):
    save_png(tmp_path / "plain.png", PICTURE)
    (tmp_path / "any.bin").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\xff" * 20)
    for name in ("plain.png", "any.bin"):
        with pytest.raises(CertificateError, match="nothing is claimed about it"):
            read_certificate(tmp_path / name)


def test_the_hash_of_pixels_tells_shapes_apart():
    assert pixels_hash(np.zeros((2, 3, 3), np.uint8)) != pixels_hash(np.zeros((3, 2, 3), np.uint8))
    assert pixels_hash(PICTURE) == pixels_hash(np.asfortranarray(PICTURE))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n") + b"\r\n",
        lambda data: data.strip(),
        lambda data: data.decode().encode("utf-16"),
    ],
)
def test_a_certificate_that_went_through_another_program_is_read(output, change):
    path = certificate_path(output)
    path.write_bytes(change(path.read_bytes()))
    assert same(read_certificate(output))


def test_pipes_and_devices_in_the_place_of_a_certificate_are_refused_at_once(output, tmp_path):
    path = certificate_path(output)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(CertificateError, match="not a regular file"):
        read_certificate(path)
    path.unlink()
    os.mkfifo(path)
    for name in (path, output):
        with pytest.raises(CertificateError):
            read_certificate(name)
