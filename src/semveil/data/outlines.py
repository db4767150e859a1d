# SPDX-License-Identifier: Apache-2.0
"""Numbered boxes drawn around the faces of a photo."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont


def outline_faces(
    pixels: NDArray[np.uint8],
    boxes: Sequence[tuple[int, int, int, int]],
    labels: Sequence[str],
    colours: Sequence[str],
) -> NDArray[np.uint8]:
    """Draw a box and a label for each face on a copy of a photo.

    Args:
        pixels: (H, W, 3) RGB.
        boxes: left, top, right, bottom in pixels; clipped to the photo.
        labels: short texts, one for each box.
        colours: Pillow colour names, one for each box.

    Example:
        >>> drawn = outline_faces(np.zeros((40, 40, 3), np.uint8), [(5, 5, 30, 30)], ["0"], ["red"])
        >>> drawn[30, 20].tolist(), drawn[35, 20].tolist()
        ([255, 0, 0], [0, 0, 0])
    """
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    line = max(1, round(max(picture.size) / 400))
    font = ImageFont.load_default(size=max(10, round(max(picture.size) / 40)))
    for (left, top, right, bottom), label, colour in zip(boxes, labels, colours, strict=True):
        draw.rectangle((left, top, max(left, right), max(top, bottom)), outline=colour, width=line)
        at = max(0, left) + 2 * line, max(0, top) + line
        draw.text(at, label, fill=colour, font=font, stroke_width=line, stroke_fill="black")
    return np.asarray(picture)
