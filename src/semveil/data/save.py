# SPDX-License-Identifier: Apache-2.0
"""Writing of PNG files that contain only pixels and requested chunks."""

import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from semveil.core.errors import OutputError
from semveil.core.files import atomic_write


def save_png(
    path: str | os.PathLike[str],
    pixels: NDArray[np.uint8],
    *,
    text: Mapping[str, str] | None = None,
    chunks: Mapping[bytes, bytes] | None = None,
    private: bool = False,
) -> None:
    """Write pixels as a PNG, atomically.

    The file holds the size, the pixels and the given text and chunks, but no EXIF, GPS, profile, thumbnail or
    time. Equal pixels and text give equal bytes (with the same version of the compression library).

    Args:
        path: path ending in `.png`, in an existing folder.
        pixels: (H, W, 3) RGB.
        text: keyword -> text in Latin-1, each written as one uncompressed, readable `tEXt` chunk.
        chunks: further chunks, content by name, written before the image data.
        private: make the file readable by the owner only.

    Raises:
        OutputError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "grey.png")
        >>> save_png(path, np.full((2, 3, 3), 128, np.uint8))
        >>> path.read_bytes()[:4]
        b'\\x89PNG'
    """
    pixels = _checked(path, pixels)
    try:
        with atomic_write(path, private=private) as handle:
            handle.write(png_bytes(path, pixels, text=text, chunks=chunks))
    except (OSError, ValueError) as error:  # a null byte in the path, among others
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        known = reason.startswith("cannot write")  # message of `atomic_write`, with the path and the fix
        raise OutputError(reason if known else f"cannot write {os.fsdecode(path)!r}: {reason}") from error


def png_bytes(
    path: str | os.PathLike[str],
    pixels: NDArray[np.uint8],
    *,
    text: Mapping[str, str] | None = None,
    chunks: Mapping[bytes, bytes] | None = None,
) -> bytes:
    """Encode a PNG as `save_png` does.

    Args:
        path: intended path; its suffix is checked.
        pixels: (H, W, 3) RGB uint8.
        text: keyword -> Latin-1 text, as for `save_png`.
        chunks: further chunks, as for `save_png`.

    Raises:
        OutputError: `path` does not end in `.png`.
        ValueError: `pixels` is not (H, W, 3) uint8, or is empty.
    """
    pixels = _checked(path, pixels)
    extra = PngInfo()
    for keyword, words in (text or {}).items():
        extra.add_text(keyword, words)
    for name, content in (chunks or {}).items():
        extra.add(name, content)
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(encoded, format="PNG", compress_level=6, pnginfo=extra)
    return encoded.getvalue()


def _checked(path: str | os.PathLike[str], pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if Path(path).suffix.lower() != ".png":
        raise OutputError(f"cannot write {os.fsdecode(path)!r} as a PNG: its name must end in .png")
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] != 3 or 0 in pixels.shape:
        raise ValueError(f"pixels must be (H, W, 3) uint8 and not empty, got {pixels.shape} {pixels.dtype}")
    return pixels
