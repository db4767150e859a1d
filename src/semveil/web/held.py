# SPDX-License-Identifier: Apache-2.0
"""The photo that the page works on: the browser stores it and sends it along; the server keeps no copy."""

import base64
import binascii
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semveil.core.errors import PhotoError
from semveil.data.photos import load_photo
from semveil.data.save import png_bytes
from semveil.web.limits import LARGEST_PIXELS, LARGEST_SIDE
from semveil.web.uploads import taken

_START = "data:image/png;base64,"


@dataclass(frozen=True)
class Held:
    """A photo held by the browser.

    Attributes:
        pixels: (H, W, 3) RGB, no side above `LARGEST_SIDE`.
        notes: messages about changes made when reading the photo.
    """

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()


def read_upload(path: str, folder: Path) -> Held:
    """Read an uploaded photo, reduce it to `LARGEST_SIDE` pixels if it is larger, and delete the file.

    Args:
        path: path of the upload, as sent by the browser.
        folder: folder of all uploads.

    Returns:
        The photo.

    Raises:
        PhotoError: the path is outside the folder, the upload has expired, or it is not a photo, damaged or
            too large. The message contains the user's file name only.
    """
    with taken(path, folder) as file:
        try:
            photo = load_photo(file, largest_pixels=LARGEST_PIXELS)
        except PhotoError as error:
            told = str(error).replace(str(file.parent) + "/", "").partition(", or raise largest_pixels")[0]
            raise PhotoError(told) from None
    height, width, _ = photo.pixels.shape
    factor = LARGEST_SIDE / max(height, width)
    if factor >= 1:
        return Held(photo.pixels, photo.notes)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    smaller = np.asarray(Image.fromarray(photo.pixels).resize(size, Image.Resampling.LANCZOS))
    return Held(smaller, (*photo.notes, f"shrunk from {width} x {height} to {size[0]} x {size[1]} pixels"))


def astronaut() -> Held:
    """The portrait shipped with scikit-image (NASA, public domain)."""
    from skimage import data

    return Held(data.astronaut())


def data_uri(png: bytes) -> str:
    """A PNG as a `data:` URI.

    Args:
        png: content of the file.
    """
    return _START + base64.b64encode(png).decode()


def to_text(held: Held) -> str:
    """Encode a photo losslessly as the text that the browser stores: a PNG as a `data:` URI.

    Args:
        held: the photo.
    """
    return data_uri(png_bytes("photo.png", held.pixels))


def from_text(text: str | None) -> NDArray[np.uint8]:
    """Decode the photo that the browser stores.

    Args:
        text: result of `to_text`; None or empty if there is no photo.

    Returns:
        (H, W, 3) RGB uint8.

    Raises:
        PhotoError: there is no photo, or the text is not a `data:` URI of an RGB PNG of at most
            `LARGEST_SIDE` pixels a side.

    Example:
        >>> photo = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
        >>> bool((from_text(to_text(Held(photo))) == photo).all())
        True
    """
    if not text:
        raise PhotoError("there is no photo yet; drop one, or take the astronaut")
    try:
        if not text.startswith(_START):
            raise ValueError("no PNG")
        content = base64.b64decode(text.removeprefix(_START), validate=True)
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            if picture.mode != "RGB" or max(picture.size) > LARGEST_SIDE:
                raise ValueError("not from here")
            return np.array(picture)
    except (ValueError, binascii.Error, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise PhotoError("the photo in the page is damaged; drop it again") from error
