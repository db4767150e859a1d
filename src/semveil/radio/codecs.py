# SPDX-License-Identifier: Apache-2.0
"""Image codecs for a digital link, encoding to a byte budget; header bytes are counted separately."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from semveil.core.registry import Registry

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Codec:
    """Image codec.

    Attributes:
        write: maps pixels (H, W, 3) and a quality, 0 to 100, to a file; file size grows approximately with
            quality.
        body: number of bytes of a file that hold image data; the others are header.
        available: whether this Pillow supports the codec.
    """

    write: Callable[[Pixels, int], bytes]
    body: Callable[[bytes], int]
    available: Callable[[], bool]


@dataclass(frozen=True)
class Coded:
    """Encoded image.

    Attributes:
        file: the encoded bytes.
        header: number of header bytes in the file.
        quality: the selected quality.
    """

    file: bytes
    header: int
    quality: int


def code(pixels: Pixels, codec: str, budget: int) -> Coded | None:
    """Encode an image at the best quality that fits a byte budget; None if even the worst does not fit.

    Args:
        pixels: (H, W, 3) uint8.
        codec: `jpeg`, `jpeg2000` or `avif`.
        budget: maximum file size in bytes.

    Raises:
        ValueError: unknown codec, or this Pillow was built without it.

    Example:
        >>> coded = code(np.full((16, 16, 3), 128, np.uint8), "jpeg", 1000)
        >>> coded.quality, len(coded.file) <= 1000, open_picture(coded.file).shape
        (100, True, (16, 16, 3))
    """
    chosen = CODECS[codec]
    if not chosen.available():
        raise ValueError(f"this Pillow was built without {codec}; install a wheel of pillow 11.3 or newer")
    low, high, best = 0, 100, None
    while low <= high:  # size is monotonic in quality except for single bytes
        quality = (low + high) // 2
        file = chosen.write(pixels, quality)
        if len(file) <= budget:
            best, low = Coded(file, len(file) - chosen.body(file), quality), quality + 1
        else:
            high = quality - 1
    return best


def open_picture(file: bytes) -> Pixels:
    """Decode an image file to RGB.

    Args:
        file: the file's bytes, in any format that Pillow reads.

    Returns:
        (H, W, 3) uint8.
    """
    with Image.open(io.BytesIO(file)) as picture:
        return np.asarray(picture.convert("RGB"))


def _save(pixels: Pixels, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, **options)  # type: ignore[arg-type]
    return out.getvalue()


def _jpeg(pixels: Pixels, quality: int) -> bytes:
    return _save(pixels, format="JPEG", quality=quality, optimize=True, subsampling="4:2:0")


def _jpeg2000(pixels: Pixels, quality: int) -> bytes:
    rate = 10 ** (2.5 * (1 - quality / 100))  # compression ratio, from 316 down to 1
    return _save(
        pixels, format="JPEG2000", no_jp2=True, quality_mode="rates", quality_layers=[rate], irreversible=True
    )


def _avif(pixels: Pixels, quality: int) -> bytes:
    return _save(pixels, format="AVIF", quality=quality, speed=6, max_threads=1)


def _jpeg_body(file: bytes) -> int:
    scan = file.index(b"\xff\xda")
    # without the end marker
    return len(file) - (scan + 2 + int.from_bytes(file[scan + 2 : scan + 4], "big")) - 2


def _jpeg2000_body(file: bytes) -> int:
    return len(file) - (file.index(b"\xff\x93") + 2) - 2


def _avif_body(file: bytes) -> int:
    place = 0
    while place < len(file):
        size, kind = int.from_bytes(file[place : place + 4], "big"), file[place + 4 : place + 8]
        if kind == b"mdat":
            return size - 8
        place += max(size, 8)
    raise ValueError("the AVIF file has no mdat box")


CODECS: Registry[Codec] = Registry("codec")
CODECS.add("jpeg", Codec(_jpeg, _jpeg_body, lambda: True))
CODECS.add("jpeg2000", Codec(_jpeg2000, _jpeg2000_body, lambda: bool(features.check("jpg_2000"))))
CODECS.add("avif", Codec(_avif, _avif_body, lambda: bool(features.check("avif"))))
