# SPDX-License-Identifier: Apache-2.0
"""Reading of photos of any common format, upright and as 8-bit sRGB, with one-line errors."""

import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semveil.core.errors import PhotoError
from semveil.core.files import open_regular
from semveil.core.registry import suggest
from semveil.core.thread_lock import ThreadLock
from semveil.data.colours import to_srgb

LARGEST_PIXELS = 120_000_000  # a 108-megapixel phone photo; 360 MB as RGB
LARGEST_SIDE = 65_535  # as in JPEG; Pillow keeps a pointer for each row, however short
# Maximum memory in bytes for reading one photo, and peak memory per pixel (measured by
# tests/data/test_memory.py).
LARGEST_MEMORY = 2_000_000_000
_BYTES_PER_PIXEL = {"WEBP": 20.0, "AVIF": 20.0, "JPEG2000": 20.0}
_USUAL_BYTES = 16.0

# Photo formats only: Pillow reads forty more, one of them (EPS) by running an external program on the file.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "JPEG2000", "PPM")
_READABLE = "JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF, JPEG 2000 or PPM"

# Patterns of the first bytes of other formats, which are named in the error.
_OTHER_FORMATS = (
    (rb"....ftyp(heic|heix|heim|heis|hevc|hevx|(mif1|msf1)(?!.{4,40}avif))", "a HEIC photo"),
    (rb"....ftypcrx |FUJIFILMCCD-RAW|II\*\0\x10\0\0\0CR", "a camera's raw photo"),
    (rb"....ftyp(?!avif|avis|mif1|msf1)|....moov|\x1aE\xdf\xa3|RIFF....AVI ", "a video"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL photo"),
    (rb"%PDF", "a PDF document"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript document"),
    (rb"8BPS", "a Photoshop document"),
    (rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg", "an SVG drawing"),
    (rb"(?i)\s*(<!doctype html|<html)", "a web page"),
    (rb"v/1\x01", "an OpenEXR picture"),
    (rb"#\?R(ADIANCE|GBE)", "a Radiance HDR picture"),
    (rb"\0\0\x01\0", "an icon"),
    (rb"PK\x03\x04", "a ZIP archive or office document"),
)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ORIENTATION = 0x0112
_SEVERAL_FRAMES = "it has several frames or pages; the first was taken"
# Pillow's messages for unsupported features: floating-point or planar colours, a compression, a depth.
_UNSUPPORTED = (
    r"(?i)unknown (pixel mode|raw mode)|unsupported|not supported|cannot handle|decoder .* not available"
)
_HEAD = 1024  # bytes read to identify a format
_BAND = 1 << 20  # pixels copied at once
_TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH = 322, 323

_decoding = ThreadLock()


@dataclass(frozen=True)
class Photo:
    """Decoded photo, as displayed.

    Attributes:
        pixels: (H, W, 3) RGB in sRGB, uint8, upright.
        name: the file's name without its folders.
        format: Pillow's name of the format, such as JPEG.
        notes: descriptions of conversions made while reading, such as colours converted or frames ignored.
    """

    pixels: NDArray[np.uint8]
    name: str
    format: str
    notes: tuple[str, ...] = ()

    @property
    def lost(self) -> tuple[str, ...]:
        """Notes on content of the file that the pixels do not show, which may include people."""
        return tuple(text for text in self.notes if text == _SEVERAL_FRAMES)


def load_photo(path: str | os.PathLike[str], *, largest_pixels: int = LARGEST_PIXELS) -> Photo:
    """Read a photo completely and upright.

    The EXIF orientation is applied; greys, palettes, CMYK and deep greys become 8-bit RGB; an embedded colour
    profile, or a PNG's gamma, is converted to sRGB; transparent areas become white; of several frames the
    first is used. Only one photo is decoded at a time in a process, because suppressing Python's warnings is
    not thread-safe.

    Args:
        path: a JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF, JPEG 2000 or PPM file.
        largest_pixels: maximum width x height; checked in the header before decoding, as are the sides. Up to
            the default, reading takes at most `LARGEST_MEMORY` bytes; a larger value disables that limit.

    Raises:
        PhotoError: the file cannot be read, has another format, is damaged or truncated, or exceeds a limit.

    Example:
        >>> load_photo("https://example.org/me")
        Traceback (most recent call last):
        ...
        semveil.core.errors.PhotoError: 'https://example.org/me' is an address, not a file; download the photo
        and name the file
    """
    shown = os.fsdecode(path)
    name = Path(shown).name
    with _open_file(shown) as file, _decoding, _without_warnings():
        image = _open_picture(file, shown)
        _check_size(image, shown, largest_pixels)
        size, kind = image.size, image.format or ""
        try:
            image.load()
            turn = _orientation(image)
            picture, notes = to_srgb(image, shown)
            # MPO: a JPEG followed by a preview or depth map
            if getattr(image, "is_animated", False) and kind != "MPO":
                notes.insert(0, _SEVERAL_FRAMES)
            del image
            picture = picture.transpose(_UPRIGHT[turn]) if turn in _UPRIGHT else picture
            pixels = _pixels(picture)
        except PhotoError:
            raise
        except MemoryError:
            raise PhotoError(
                f"{shown!r} ({size[0]} x {size[1]}) needs more memory than there is; shrink it"
            ) from None
        except Exception as error:  # Pillow's decoders raise almost any kind of exception on damaged data
            raise _damaged(shown, kind, error) from error
    return Photo(pixels, name, kind, tuple(notes))


def _pixels(picture: Image.Image) -> NDArray[np.uint8]:
    """Pixels (H, W, 3), copied in bands, since a single copy would need as much memory again."""
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    step = max(1, _BAND // picture.width)
    for top in range(0, picture.height, step):
        bottom = min(picture.height, top + step)
        pixels[top:bottom] = np.asarray(picture.crop((0, top, picture.width, bottom)))
    return pixels


def looks_like_photo(path: str | os.PathLike[str]) -> bool:
    """Return whether a file starts like a readable picture format; False if it cannot be opened.

    Args:
        path: any file.

    Example:
        >>> looks_like_photo(__file__)
        False
    """
    Image.init()
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return _format_of(file.read(_HEAD)) is not None
    except OSError:
        return False


def _format_of(head: bytes) -> str | None:
    """Return the readable format that a file's first bytes match; None if there is none."""
    for name in _FORMATS:
        factory, accepts = Image.OPEN.get(name, (None, None))
        if factory is not None and accepts is not None and accepts(head[:16]) is True:
            return name
    return None


def _open_file(path: str) -> BinaryIO:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/|data:", path):  # a drive letter is a single one
        raise PhotoError(f"{path!r} is an address, not a file; download the photo and name the file")
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise PhotoError(f"{path!r} is a folder; name a photo in it")
        if not stat.S_ISREG(mode):  # opening a pipe could block
            raise PhotoError(f"{path!r} is not a regular file; name a photo")
        if os.stat(path).st_size == 0:
            raise PhotoError(f"{path!r} is empty (0 bytes); copy or download it again")
        return os.fdopen(open_regular(path), "rb")
    except FileNotFoundError:
        if os.path.islink(path):
            raise PhotoError(f"{path!r} is a link to {os.readlink(path)!r}, which does not exist") from None
        raise PhotoError(f"no photo {path!r}{_near_miss(path)}") from None
    except PermissionError:
        raise PhotoError(f"no permission to read {path!r}; change its or its folder's permissions") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise PhotoError(f"cannot read {path!r}: {reason}") from None


def _near_miss(path: str) -> str:
    try:
        return suggest(os.path.basename(path), os.listdir(os.path.dirname(path) or "."))
    except OSError:
        return f"; there is no folder {os.path.dirname(path)!r}"


def _open_picture(file: BinaryIO, path: str) -> Image.Image:
    """Read the header only.

    `Image.open` would check sizes against a process-wide limit.
    """
    Image.init()
    try:
        head = file.read(_HEAD)
    except OSError as error:
        raise PhotoError(f"cannot read {path!r}: {error.strerror}") from None
    for pattern, kind in _OTHER_FORMATS:
        if re.match(pattern, head, re.DOTALL):
            raise PhotoError(f"{path!r} is {kind}, which cannot be read; convert it to JPEG or PNG")
    name = _format_of(head)
    if name is None:
        raise PhotoError(f"{path!r} is not a photo that can be read; it must be {_READABLE}")
    try:
        file.seek(0)
        return Image.OPEN[name][0](file, "")
    except MemoryError:
        raise PhotoError(f"{path!r} does not fit into memory; shrink it") from None
    except Image.DecompressionBombError as error:
        raise PhotoError(f"{path!r} has more pixels than Pillow opens; shrink it ({error})") from None
    except Exception as error:  # as in decoding
        raise _damaged(path, name, error) from error


def _check_size(image: Image.Image, path: str, largest_pixels: int) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise PhotoError(f"{path!r} holds no pixels ({width} x {height})")
    # A TIFF's tiles are decoded completely, even where they exceed the picture.
    tags = getattr(image, "tag_v2", {})
    tile_width, tile_length = (
        tags.get(tag, side) for tag, side in ((_TIFF_TILE_WIDTH, width), (_TIFF_TILE_LENGTH, height))
    )
    if max(width * height, tile_width * tile_length) > largest_pixels:
        raise PhotoError(
            f"{path!r} has {width} x {height} = {width * height:,} pixels, more than the limit of "
            f"{largest_pixels:,}; shrink it, or raise largest_pixels of load_photo if you trust the file"
        )
    if max(width, height, tile_width, tile_length) > LARGEST_SIDE:
        raise PhotoError(
            f"{path!r} has {width} x {height} pixels, and no side may have more than {LARGEST_SIDE:,}; cut "
            "it up"
        )
    memory = width * height * _BYTES_PER_PIXEL.get(image.format or "", _USUAL_BYTES)
    if memory > LARGEST_MEMORY and largest_pixels <= LARGEST_PIXELS:
        raise PhotoError(
            f"{path!r} ({width} x {height}, {image.format}) would take about {memory / 1e9:.1f} GB to read, "
            f"more than the {LARGEST_MEMORY / 1e9:g} GB that one photo may take; shrink it, or save it as "
            "JPEG"
        )


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8; 1 (upright) if the tag is missing or damaged."""
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # damaged EXIF raises almost any exception; the picture itself is intact
        return 1


def _a(kind: str | None) -> str:
    return f"{'an' if str(kind).startswith('A') else 'a'} {kind}"


def _damaged(path: str, kind: str | None, error: Exception) -> PhotoError:
    reason = str(error) or type(error).__name__
    if re.search(_UNSUPPORTED, reason):  # damage can cause these messages too
        return PhotoError(
            f"{path!r} is {_a(kind)} file of a kind that cannot be read ({reason}); save it as JPEG or 8-bit "
            "PNG"
        )
    return PhotoError(
        f"{path!r} is {_a(kind)} file that is damaged or cut short; copy or download it again ({reason})"
    )


@contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
